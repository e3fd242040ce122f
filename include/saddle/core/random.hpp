#pragma once
#include "saddle/core/philox.hpp"

#include <cmath>
#include <numbers>
#include <numeric>
#include <utility>
#include <vector>

namespace saddle {

/// Standard normal draw for (example, element): Box-Muller on two words of its own, in double.
[[nodiscard]] SADDLE_HOST_DEVICE inline double normal(const random_stream& stream, std::uint64_t example, std::uint64_t element) {
    const auto words = stream.quad(example, element / 2);
    const std::size_t pair = 2 * (element % 2);
    const double u = (words[pair] + 0.5) * 0x1p-32, v = (words[pair + 1] + 0.5) * 0x1p-32;
    return std::sqrt(-2 * std::log(u)) * std::cos(2 * std::numbers::pi * v);
}

/// 0 .. n-1 in random order (Fisher-Yates), a pure function of the stream and `example`.
[[nodiscard]] inline std::vector<std::uint32_t> permutation(std::size_t n, const random_stream& stream,
                                                            std::uint64_t example = 0) {
    std::vector<std::uint32_t> order(n);
    std::iota(order.begin(), order.end(), 0u);
    for (std::size_t i = n; i > 1; --i) std::swap(order[i - 1], order[stream.below(static_cast<std::uint32_t>(i), example, i)]);
    return order;
}

}  // namespace saddle
