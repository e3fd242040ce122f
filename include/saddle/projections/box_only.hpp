#pragma once
#include "saddle/projections/draws.hpp"
#include "saddle/projections/linf.hpp"

namespace saddle {

/// The data range alone, for one block.
template <class V>
class box_ball {
public:
    using T = lane_scalar<V>;
    static constexpr std::size_t lanes = lane_values<V>::size;

    [[nodiscard]] static std::size_t memory(std::size_t) { return 0; }

    template <class Options>
    box_ball(const Options&, std::size_t elements, std::span<T>) : elements_(elements) {}

    void centre(const T* x, const double*) { x_ = x; }
    void uniform_start(const random_stream& draws, const std::uint64_t* ids, T* v) const {
        for (std::size_t i = 0; i < elements_ * lanes; ++i) v[i] = T(.5);
        alignas(lane_alignment) T half[lanes];
        for (auto& h : half) h = T(.5);
        add_uniform<V>(draws, ids, elements_, v, half, v);
    }
    void project(const T* v, T* z) const {
        for (std::size_t e = 0; e < elements_ * lanes; e += lanes) {
            const V at = io::load(v + e);
            io::store(z + e, choose(at == at, smaller(larger(at, V(0)), V(1)), io::load(x_ + e)));
        }
    }
    [[nodiscard]] typename lane_values<V>::mask step(T* z, T* gradient, const T* size) const {
        const V length = io::load(size);
        V flaw(0);
        for (std::size_t e = 0; e < elements_ * lanes; e += lanes) {
            const V slope = io::load(gradient + e);
            flaw = flaw + (slope - slope);
            io::store(z + e, signed_step(io::load(z + e), slope, length, V(0), V(1)));
        }
        return !(flaw == V(0));  // NaN included
    }

private:
    using io = lane_values<V>;
    std::size_t elements_;
    const T* x_ = nullptr;
};

/// No ball: any image in [0,1] (the unbounded attack that must always succeed). Ascent: the sign of the gradient. Uniform
/// start: U[0,1).
struct box_only {
    static constexpr std::string_view name = "box_only";
    static constexpr double epsilon = 1;

    template <class V>
    using ball = box_ball<V>;
    void validate(std::string_view) const {}
};

}  // namespace saddle
