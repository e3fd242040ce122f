#pragma once
#include "saddle/core/config.hpp"

#include <cstdint>

/// Where the matrix instructions of a warpgroup (sm_90a) find and leave what: shared memory in 128-byte swizzle, operand
/// descriptors and the fragment of sums, as functions of plain numbers (PTX ISA 8.0, "Asynchronous warpgroup level matrix
/// instructions").
namespace saddle::cuda {

/// Rows of 128 bytes come in atoms of eight: 1024 bytes, so aligned.
inline constexpr unsigned swizzle_row = 128, swizzle_atom = 1024;

/// The byte that a copy in 128-byte swizzle writes for byte `offset` of a box: 16-byte piece p of row r is piece p ^ r % 8.
[[nodiscard]] SADDLE_HOST_DEVICE constexpr unsigned swizzle_128(unsigned offset) { return offset ^ (offset >> 3 & 0x70u); }

/// The descriptor of an operand of 16-bit values whose contiguous axis is not the one summed over ("MN-major"), in 128-byte
/// swizzle: rows of 64 values, one a k. `address` in shared memory, a multiple of 1024; `leading`: bytes from one 64 values to
/// the next, `stride`: from eight k to the next eight.
[[nodiscard]] SADDLE_HOST_DEVICE constexpr std::uint64_t operand_descriptor(unsigned address, unsigned leading, unsigned stride) {
    constexpr std::uint64_t swizzle_of_128_bytes = 1;
    return std::uint64_t{(address & 0x3ffffu) >> 4} | std::uint64_t{leading >> 4 & 0x3fffu} << 16 |
           std::uint64_t{stride >> 4 & 0x3fffu} << 32 | swizzle_of_128_bytes << 62;
}
/// The address in shared memory of value (row,k) of such an operand.
[[nodiscard]] SADDLE_HOST_DEVICE constexpr unsigned operand_address(std::uint64_t descriptor, unsigned row, unsigned k) {
    const auto field = [&](int first) { return static_cast<unsigned>(descriptor >> first & 0x3fffu) << 4; };
    return swizzle_128(field(0) + row % 64 * 2 + row / 64 * field(16) + k % 8 * swizzle_row + k / 8 * field(32));
}

/// Row and column of sum i that a thread of a warpgroup holds of a 64×N product.
[[nodiscard]] SADDLE_HOST_DEVICE constexpr int accumulator_row(int thread, int i) {
    return thread / 32 * 16 + thread % 32 / 4 + i / 2 % 2 * 8;
}
[[nodiscard]] SADDLE_HOST_DEVICE constexpr int accumulator_column(int thread, int i) {
    return i / 4 * 8 + thread % 4 * 2 + i % 2;
}

}  // namespace saddle::cuda
