#pragma once
#include "saddle/projections/slopes.hpp"

#include <bit>
#include <cstdint>

namespace saddle {

namespace detail {

/// |slope| of an element that can still move inside [0,1], else 0.
template <class V>
[[nodiscard]] inline V movable(const V& z, const V& slope) {
    const auto stuck = (slope > V(0) && z >= V(1)) || (slope < V(0) && z <= V(0));
    return choose(stuck, V(0), magnitude(slope));
}

/// Elements per lane with movable slope >= threshold.
template <class V>
[[nodiscard]] V count_from(const lane_scalar<V>* z, const lane_scalar<V>* gradient, std::size_t elements, const V& threshold) {
    constexpr std::size_t lanes = lane_values<V>::size;
    V count(0);
    for (std::size_t e = 0; e < elements * lanes; e += lanes) {
        const V size = movable(lane_values<V>::load(z + e), lane_values<V>::load(gradient + e));
        count = count + choose(size >= threshold, V(1), V(0));
    }
    return count;
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
    using bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
    const auto finite = summarize_gradient<V>(gradient, elements).finite;
    V peak(0);
    for (std::size_t e = 0; e < elements * io::size; e += io::size)
        peak = larger(peak, detail::movable(io::load(z + e), io::load(gradient + e)));

    // The k-th largest slope, by bisection over the bit patterns: positive numbers are ordered as their bits.
    alignas(lane_alignment) T threshold[io::size], middle[io::size], count[io::size];
    io::store(threshold, peak);
    if (k > 1) {
        bits low[io::size], high[io::size];  // at least k elements reach `low`, fewer reach `high`
        for (std::size_t l = 0; l < io::size; ++l) {
            low[l] = 0;
            high[l] = std::bit_cast<bits>(threshold[l]) + 1;
        }
        for (bool open = true; open;) {
            open = false;
            for (std::size_t l = 0; l < io::size; ++l)
                middle[l] = std::bit_cast<T>(static_cast<bits>(low[l] + (high[l] - low[l]) / 2));
            io::store(count, detail::count_from<V>(z, gradient, elements, io::load(middle)));
            for (std::size_t l = 0; l < io::size; ++l) {
                if (high[l] - low[l] <= 1) continue;
                (count[l] >= static_cast<T>(k) ? low[l] : high[l]) = std::bit_cast<bits>(middle[l]);
                if (count[l] == static_cast<T>(k)) high[l] = low[l] + 1;
                open = open || high[l] - low[l] > 1;
            }
        }
        for (std::size_t l = 0; l < io::size; ++l) threshold[l] = std::bit_cast<T>(low[l]);
    }

    const V limit = io::load(threshold), share = io::load(size) / V(static_cast<T>(k));
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
