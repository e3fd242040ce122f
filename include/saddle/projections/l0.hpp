#pragma once
#include "saddle/projections/draws.hpp"
#include "saddle/projections/exact.hpp"
#include "saddle/projections/order_statistic.hpp"
#include "saddle/projections/projection.hpp"
#include "saddle/projections/slopes.hpp"

namespace saddle {

/// The L0 balls of one block, cut with the data range.
///
/// The nearest point of ball ∩ range to v keeps clip(v) on the epsilon pixels that this brings nearest, sum over channels of d² -
/// (d - kept)² with d = v - x and kept = clip(v) - x, and x elsewhere (Croce & Hein 2019, section 2.3). Of equal gains the first count.
template <class V>
class l0_ball {
public:
    using T = lane_scalar<V>;
    static constexpr std::size_t lanes = lane_values<V>::size;

    [[nodiscard]] static std::size_t memory(std::size_t elements) { return elements * lanes; }

    template <class Options>
    l0_ball(const Options& options, std::size_t elements, std::span<T> memory)
        : channels_(options.channels), pixels_(elements / options.channels), gains_(memory.data()) {
        require(elements % options.channels == 0, "l0", "channels of the images", text("a divisor of ", elements),
                options.channels);
    }

    void centre(const T* x, const double* epsilon) {
        x_ = x;
        for (std::size_t l = 0; l < lanes; ++l)
            allowed_[l] = static_cast<T>(std::floor(std::min(epsilon[l], static_cast<double>(pixels_))));
    }

    /// As many pixels as are allowed, drawn without replacement, each channel U[0,1); x elsewhere.
    void uniform_start(const random_stream& draws, const std::uint64_t* ids, T* v) const {
        // Gains as random keys: the largest are the pixels drawn. Elements pixels + e hold the values.
        for_each_quad<lanes>(draws, ids, (pixels_ + channels_ * pixels_ + 3) / 4, [&](std::size_t q, const auto& words) {
            for (std::size_t i = 0; i < 4; ++i) {
                const std::size_t at = 4 * q + i;
                T* out = at < pixels_ ? gains_ + at * lanes : v + (at - pixels_) * lanes;
                if (at >= pixels_ + channels_ * pixels_) break;
                for (std::size_t l = 0; l < lanes; ++l) out[l] = static_cast<T>(random_stream::to_unit(words[i][l]));
            }
        });
        keep_largest([&](std::size_t e) { return io::load(v + e * lanes); }, v);
    }

    void project(const T* v, T* z) const {
        for (std::size_t p = 0; p < pixels_; ++p) {
            V gain(0);
            for (std::size_t c = 0; c < channels_; ++c) {
                const std::size_t at = (c * pixels_ + p) * lanes;
                const V x = io::load(x_ + at), wanted = usable(io::load(v + at), x), rest = wanted - clip(wanted);
                gain = gain + ((wanted - x) * (wanted - x) - rest * rest);
            }
            io::store(gains_ + p * lanes, larger(gain, V(0)));
        }
        keep_largest([&](std::size_t e) { return clip(usable(io::load(v + e * lanes), io::load(x_ + e * lanes))); }, z);
    }

    /// Moves along gradient / ‖gradient‖1 (Croce & Hein 2019).
    [[nodiscard]] typename lane_values<V>::mask step(T* z, T* gradient, const T* size) const {
        using W = wide<V>;
        const std::size_t elements = channels_ * pixels_;
        const auto summary = summarize_gradient<V>(gradient, elements);
        const V scale = safe_scale(summary.peak);
        alignas(lane_alignment) T scaled[lanes], factor[lanes];
        typename W::buffer values;
        auto sum = W::all(0);
        for (std::size_t e = 0; e < elements; ++e) {
            io::store(scaled, magnitude(scale * io::load(gradient + e * lanes)));
            W::widen(scaled, values);
            for (std::size_t p = 0; p < W::parts; ++p) sum[p] = sum[p] + W::load(values, p);
        }
        for (std::size_t p = 0; p < W::parts; ++p) W::store(values, p, sum[p]);
        for (std::size_t l = 0; l < lanes; ++l)
            factor[l] = values.at[l] > 0 ? static_cast<T>(static_cast<double>(size[l]) / values.at[l]) : T(0);
        const V length = io::load(factor);
        const auto moves = summary.finite && summary.peak > V(0);
        for (std::size_t i = 0; i < elements * lanes; i += lanes) {
            const V at = io::load(z + i);
            io::store(gradient + i, choose(moves, multiply_add(length, scale * io::load(gradient + i), at), at));
        }
        project(gradient, z);
        return !summary.finite;
    }

private:
    using io = lane_values<V>;

    static V clip(const V& v) { return smaller(larger(v, V(0)), V(1)); }
    static V usable(const V& v, const V& x) { return choose(v == v, smaller(larger(v, V(T(-1e15))), V(T(1e15))), x); }

    /// z = value(e) on the pixels of the largest gains, as many as are allowed, x on the others.
    template <class Value>
    void keep_largest(Value&& value, T* z) const {
        V peak(0);
        for (std::size_t p = 0; p < pixels_; ++p) peak = larger(peak, io::load(gains_ + p * lanes));
        const V allowed = io::load(allowed_), k = larger(allowed, V(1));
        const V limit = kth_largest<V>(pixels_, peak, k, [&](std::size_t p) { return io::load(gains_ + p * lanes); });
        V above(0);
        for (std::size_t p = 0; p < pixels_; ++p) above = above + choose(io::load(gains_ + p * lanes) > limit, V(1), V(0));
        V ties = k - above;
        for (std::size_t p = 0; p < pixels_; ++p) {
            const V gain = io::load(gains_ + p * lanes);
            const auto tie = gain == limit && ties > V(0);
            const auto kept = (gain > limit || tie) && allowed > V(0);
            ties = ties - choose(tie, V(1), V(0));
            for (std::size_t c = 0; c < channels_; ++c) {
                const std::size_t e = c * pixels_ + p;
                io::store(z + e * lanes, choose(kept, value(e), io::load(x_ + e * lanes)));
            }
        }
    }

    std::size_t channels_, pixels_;
    T* gains_;  ///< [pixels][lane]
    const T* x_ = nullptr;
    alignas(lane_alignment) T allowed_[lanes];
};

/// At most epsilon pixels differ from x, in any of their channels; epsilon is a count, rounded down.
///
/// Ascent: gradient / ‖gradient‖1, of which only the epsilon pixels of the largest gain stay. `channels` of the images [C,H,W].
struct l0 {
    static constexpr std::string_view name = "l0";
    double epsilon = 10;
    std::size_t channels = 1;

    template <class V>
    using ball = l0_ball<V>;
    void validate(std::string_view where) const {
        require_epsilon(epsilon, where);
        require(channels >= 1, where, "l0 channels", "at least 1", channels);
    }
};

}  // namespace saddle
