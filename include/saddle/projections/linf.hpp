#pragma once
#include "saddle/projections/draws.hpp"
#include "saddle/projections/exact.hpp"
#include "saddle/projections/projection.hpp"

namespace saddle {

/// One signed step inside an interval; sign(0) = 0 and a NaN slope does not move. Leaf formula of every backend.
template <class V>
[[nodiscard]] SADDLE_HOST_DEVICE inline V signed_step(const V& z, const V& slope, const V& size, const V& lo, const V& hi) {
    const V moved = z + choose(slope > V(0), size, choose(slope < V(0), V(0) - size, V(0)));
    const V low = choose(moved < lo, lo, moved);
    return choose(hi < low, hi, low);
}

/// The L-infinity balls of one block: an interval per element, computed once per attack.
template <class V>
class linf_ball {
public:
    using T = lane_scalar<V>;
    static constexpr std::size_t lanes = lane_values<V>::size;

    [[nodiscard]] static std::size_t memory(std::size_t elements) { return 2 * elements * lanes; }

    template <class Options>
    linf_ball(const Options&, std::size_t elements, std::span<T> memory)
        : elements_(elements), lo_(memory.data()), hi_(memory.data() + elements * lanes) {}

    void centre(const T* x, const double* epsilon) {
        x_ = x;
        for (std::size_t l = 0; l < lanes; ++l) radius_[l] = static_cast<T>(std::min(epsilon[l], 1e30));
        for (std::size_t e = 0; e < elements_; ++e) linf_interval<V>(x + e * lanes, epsilon, lo_ + e * lanes, hi_ + e * lanes);
    }
    void uniform_start(const random_stream& draws, const std::uint64_t* ids, T* v) const {
        add_uniform<V>(draws, ids, elements_, x_, radius_, v);
    }
    void project(const T* v, T* z) const {
        for (std::size_t e = 0; e < elements_ * lanes; e += lanes) {
            const V at = io::load(v + e), lo = io::load(lo_ + e), hi = io::load(hi_ + e);
            const V low = choose(at < lo, lo, at);
            io::store(z + e, choose(at == at, choose(hi < low, hi, low), io::load(x_ + e)));
        }
    }
    [[nodiscard]] typename lane_values<V>::mask step(T* z, T* gradient, const T* size) const {
        const V length = io::load(size);
        V flaw(0);
        for (std::size_t e = 0; e < elements_ * lanes; e += lanes) {
            const V slope = io::load(gradient + e);
            flaw = flaw + (slope - slope);
            io::store(z + e, signed_step(io::load(z + e), slope, length, io::load(lo_ + e), io::load(hi_ + e)));
        }
        return !(flaw == V(0));  // NaN included
    }

private:
    using io = lane_values<V>;
    std::size_t elements_;
    T *lo_, *hi_;
    const T* x_ = nullptr;
    alignas(lane_alignment) T radius_[lanes];
};

/// max_i |x'_i - x_i| <= epsilon. Ascent: the sign of the gradient. Uniform start: U[-epsilon, epsilon) per element.
struct linf {
    static constexpr std::string_view name = "linf";
    double epsilon = 8. / 255;

    template <class V>
    using ball = linf_ball<V>;
    void validate(std::string_view where) const {
        require_epsilon(epsilon, where);
        require(epsilon <= 1, where, "epsilon of an Linf ball", "at most 1, as images are in [0,1] (8 of 255 is 8. / 255)",
                epsilon);
    }
};

}  // namespace saddle
