#pragma once
#include "saddle/projections/order_statistic.hpp"
#include "saddle/projections/slopes.hpp"

namespace saddle {

namespace detail {

/// |slope| of an element that can still move inside [0,1], else 0.
template <class V>
[[nodiscard]] SADDLE_HOST_DEVICE inline V movable(const V& z, const V& slope) {
    const auto stuck = (slope > V(0) && z >= V(1)) || (slope < V(0) && z <= V(0));
    return choose(stuck, V(0), magnitude(slope));
}

}  // namespace detail

/// gradient <- z + size/k · sign(slope) on the k elements of the largest slope that can move inside [0,1], z elsewhere.
///
/// Of equal slopes the first count. Fewer than k non-zero movable slopes: the others of the k take no step. Lanes whose
/// gradient is not finite get z. Returns the lanes that are finite. k <= elements; exact for elements < 2^24 in float.
template <class V>
typename lane_values<V>::mask move_along_largest(const lane_scalar<V>* z, lane_scalar<V>* gradient, std::size_t elements,
                                                 const lane_scalar<V>* size, std::size_t k) {
    using io = lane_values<V>;
    using T = lane_scalar<V>;
    const auto finite = summarize_gradient<V>(gradient, elements).finite;
    V peak(0);
    for (std::size_t e = 0; e < elements * io::size; e += io::size)
        peak = larger(peak, detail::movable(io::load(z + e), io::load(gradient + e)));

    const V limit = kth_largest<V>(elements, peak, V(static_cast<T>(k)), [&](std::size_t e) {
        return detail::movable(io::load(z + e * io::size), io::load(gradient + e * io::size));
    });
    const V share = io::load(size) / V(static_cast<T>(k));
    V above(0);
    for (std::size_t e = 0; e < elements * io::size; e += io::size)
        above = above + choose(detail::movable(io::load(z + e), io::load(gradient + e)) > limit, V(1), V(0));
    V ties = V(static_cast<T>(k)) - above;
    for (std::size_t e = 0; e < elements * io::size; e += io::size) {
        const V at = io::load(z + e), slope = io::load(gradient + e), weight = detail::movable(at, slope);
        const auto tie = weight == limit && ties > V(0);
        const auto takes = finite && weight > V(0) && (weight > limit || tie);
        ties = ties - choose(tie, V(1), V(0));
        io::store(gradient + e, at + choose(takes, choose(slope > V(0), share, V(0) - share), V(0)));
    }
    return finite;
}

}  // namespace saddle
