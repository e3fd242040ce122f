#pragma once
#include "saddle/projections/wide.hpp"

#include <cmath>

namespace saddle {

/// What a step needs to know of a gradient [elements][lane], per lane.
template <class V>
struct gradient_summary {
    V peak;                                ///< the largest magnitude
    typename lane_values<V>::mask finite;  ///< no NaN or infinity
};

template <class V>
[[nodiscard]] gradient_summary<V> summarize_gradient(const lane_scalar<V>* gradient, std::size_t elements) {
    constexpr std::size_t lanes = lane_values<V>::size;
    V peak(0), flaw(0);
    for (std::size_t e = 0; e < elements * lanes; e += lanes) {
        const V slope = lane_values<V>::load(gradient + e);
        peak = larger(peak, magnitude(slope));
        flaw = flaw + (slope - slope);
    }
    return {peak, flaw == V(0)};
}

/// A power of two per lane that brings a peak into the middle of T's range: neither its square nor its inverse overflows or
/// vanishes.
template <class V>
[[nodiscard]] SADDLE_HOST_DEVICE inline V safe_scale(const V& peak) {
    using T = lane_scalar<V>;
    constexpr bool narrow = sizeof(T) == 4;
    const T small = narrow ? T(0x1p-50) : static_cast<T>(0x1p-400), large = T(1) / small;
    const T up = narrow ? T(0x1p+100) : static_cast<T>(0x1p+800), down = T(1) / up;
    return choose(peak < V(small), V(up), choose(peak > V(large), V(down), V(1)));
}

/// Sum of squares of scale · gradient per lane, in double.
template <class V>
[[nodiscard]] typename wide<V>::buffer squared_norm(const lane_scalar<V>* gradient, std::size_t elements, const V& scale) {
    using W = wide<V>;
    alignas(lane_alignment) lane_scalar<V> scaled[W::lanes];
    typename W::buffer values;
    auto sum = W::all(0);
    for (std::size_t e = 0; e < elements; ++e) {
        lane_values<V>::store(scaled, scale * lane_values<V>::load(gradient + e * W::lanes));
        W::widen(scaled, values);
        for (std::size_t p = 0; p < W::parts; ++p) sum[p] = multiply_add(W::load(values, p), W::load(values, p), sum[p]);
    }
    for (std::size_t p = 0; p < W::parts; ++p) W::store(values, p, sum[p]);
    return values;
}

/// gradient <- z + size · gradient / ‖gradient‖2. Lanes whose gradient is zero or not finite get z. Returns the lanes that are
/// finite.
///
/// The norm is of the scaled gradient, so slopes of 1e-40 still count: no floor decides what is small (CleverHans PR 1175).
template <class V>
typename lane_values<V>::mask move_along_unit(const lane_scalar<V>* z, lane_scalar<V>* gradient, std::size_t elements,
                                              const lane_scalar<V>* size) {
    using io = lane_values<V>;
    using T = lane_scalar<V>;
    const auto summary = summarize_gradient<V>(gradient, elements);
    const V scale = safe_scale(summary.peak);
    const auto squares = squared_norm<V>(gradient, elements, scale);
    alignas(lane_alignment) T factor[io::size];
    for (std::size_t l = 0; l < io::size; ++l)
        factor[l] = squares.at[l] > 0 ? static_cast<T>(static_cast<double>(size[l]) / std::sqrt(squares.at[l])) : T(0);
    const V length = io::load(factor);
    const auto moves = summary.finite && summary.peak > V(0);
    for (std::size_t e = 0; e < elements * io::size; e += io::size) {
        const V at = io::load(z + e);
        io::store(gradient + e, choose(moves, multiply_add(length, scale * io::load(gradient + e), at), at));
    }
    return summary.finite;
}

}  // namespace saddle
