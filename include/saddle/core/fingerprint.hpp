#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

namespace saddle {

/// A 64-bit fingerprint of bytes; not meant to resist anyone who looks for collisions.
[[nodiscard]] inline std::uint64_t fingerprint(std::span<const std::byte> bytes, std::uint64_t start = 0) {
    std::uint64_t sums[4] = {start ^ bytes.size(), 1, 2, 3};
    const auto mix = [](std::uint64_t sum, std::uint64_t word) {
        sum = (sum ^ word) * 0x9E3779B97F4A7C15u;
        return sum ^ (sum >> 29);
    };
    std::size_t i = 0;
    for (; i + 32 <= bytes.size(); i += 32) {
        std::uint64_t words[4];
        std::copy_n(bytes.data() + i, 32, reinterpret_cast<std::byte*>(words));
        for (int k = 0; k < 4; ++k) sums[k] = mix(sums[k], words[k]);
    }
    for (; i < bytes.size(); ++i) sums[0] = mix(sums[0], std::to_integer<std::uint64_t>(bytes[i]));
    return mix(mix(mix(sums[0], sums[1]), sums[2]), sums[3]);
}

}  // namespace saddle
