#pragma once
#include "saddle/projections/wide.hpp"

#include <bit>
#include <cstdint>

namespace saddle {

/// The k-th largest of `count` numbers >= 0 per lane, `at(i)` giving the lanes' i-th; `peak` is their largest, k [lane] in [1, count].
///
/// By bisection over the bit patterns, in which positive numbers are ordered: no sort, no memory. Exact for count < 2^24 in float.
template <class V, class At>
[[nodiscard]] V kth_largest(std::size_t count, const V& peak, const V& k, At&& at) {
    using io = lane_values<V>;
    using T = lane_scalar<V>;
    using bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
    alignas(lane_alignment) T threshold[io::size], middle[io::size], found[io::size], wanted[io::size];
    io::store(threshold, peak);
    io::store(wanted, k);
    bits low[io::size], high[io::size];  // at least k numbers reach `low`, fewer reach `high`
    bool open = false;
    for (std::size_t l = 0; l < io::size; ++l) {
        high[l] = std::bit_cast<bits>(threshold[l]) + 1;
        low[l] = wanted[l] > 1 ? 0 : high[l] - 1;
        open = open || high[l] - low[l] > 1;
    }
    while (open) {
        open = false;
        for (std::size_t l = 0; l < io::size; ++l)
            middle[l] = std::bit_cast<T>(static_cast<bits>(low[l] + (high[l] - low[l]) / 2));
        const V limit = io::load(middle);
        V reached(0);
        for (std::size_t i = 0; i < count; ++i) reached = reached + choose(at(i) >= limit, V(1), V(0));
        io::store(found, reached);
        for (std::size_t l = 0; l < io::size; ++l) {
            if (high[l] - low[l] <= 1) continue;
            (found[l] >= wanted[l] ? low[l] : high[l]) = std::bit_cast<bits>(middle[l]);
            if (!(found[l] < wanted[l] || found[l] > wanted[l])) high[l] = low[l] + 1;
            open = open || high[l] - low[l] > 1;
        }
    }
    for (std::size_t l = 0; l < io::size; ++l) threshold[l] = std::bit_cast<T>(low[l]);
    return io::load(threshold);
}

}  // namespace saddle
