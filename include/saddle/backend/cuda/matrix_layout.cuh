#pragma once
#include "saddle/core/config.hpp"

#include <cstdint>

/// Where the matrix instructions of a warpgroup (sm_90a) find and leave what: shared memory in 128-byte or 64-byte swizzle,
/// operand descriptors and the fragment of sums, as functions of plain numbers (PTX ISA 8.0, "Asynchronous warpgroup level matrix
/// instructions").
namespace saddle::cuda {

/// The byte that a copy writes for byte `offset` of a box with rows of 128 or 64 bytes, swizzled by as many: 16-byte piece p of a
/// row trades places with others of the row, by the offset's bits from 128 bytes on. Boxes begin at a multiple of 8 rows.
[[nodiscard]] SADDLE_HOST_DEVICE constexpr unsigned swizzled(unsigned offset, unsigned row) {
    return offset ^ (offset >> 3 & (row - 16));
}

/// The descriptor of an operand of 16-bit values whose contiguous axis is not the one summed over ("MN-major"): boxes of rows of
/// 128 or 64 bytes, a row for each k, in the swizzle of as many bytes. `address` in shared memory, a multiple of 8 rows;
/// `leading`: bytes from one box to the next.
[[nodiscard]] SADDLE_HOST_DEVICE constexpr std::uint64_t operand_descriptor(unsigned address, unsigned row, unsigned leading) {
    const std::uint64_t mode = row == 128 ? 1 : 2;
    return std::uint64_t{(address & 0x3ffffu) >> 4} | std::uint64_t{leading >> 4 & 0x3fffu} << 16 |
           std::uint64_t{8 * row >> 4} << 32 | mode << 62;
}
/// The descriptor of an operand whose contiguous axis is the one summed over ("K-major"): a row of 128 bytes for each m, without
/// gaps, in the 128-byte swizzle. `address` in shared memory: a multiple of 8 rows, and the bytes from a row's begin to the first k.
[[nodiscard]] SADDLE_HOST_DEVICE constexpr std::uint64_t row_descriptor(unsigned address) {
    return operand_descriptor(address, 128, 16);  // 1 where the leading offset stands: not read
}

/// The address in shared memory of value (m,k) of an operand by operand_descriptor, m along the rows.
[[nodiscard]] SADDLE_HOST_DEVICE constexpr unsigned operand_address(std::uint64_t descriptor, unsigned m, unsigned k) {
    const auto field = [&](int first) { return static_cast<unsigned>(descriptor >> first & 0x3fffu) << 4; };
    const unsigned row = descriptor >> 62 == 1 ? 128 : 64, values = row / 2;
    return swizzled(field(0) + m % values * 2 + m / values * field(16) + k % 8 * row + k / 8 * field(32), row);
}
/// Of one by row_descriptor: the address of byte `byte` from the first k on in row m.
[[nodiscard]] SADDLE_HOST_DEVICE constexpr unsigned row_address(std::uint64_t descriptor, unsigned m, unsigned byte) {
    const auto field = [&](int first) { return static_cast<unsigned>(descriptor >> first & 0x3fffu) << 4; };
    return swizzled(field(0) + m % 8 * 128 + m / 8 * field(32) + byte, 128);
}

/// Row and column of sum i that a thread of a warpgroup holds of a 64×N product.
[[nodiscard]] SADDLE_HOST_DEVICE constexpr int accumulator_row(int thread, int i) {
    return thread / 32 * 16 + thread % 32 / 4 + i / 2 % 2 * 8;
}
[[nodiscard]] SADDLE_HOST_DEVICE constexpr int accumulator_column(int thread, int i) {
    return i / 4 * 8 + thread % 4 * 2 + i % 2;
}
/// Row and column of value i of four that a thread of a warpgroup holds of a 64×8 operand of 32-bit values.
[[nodiscard]] SADDLE_HOST_DEVICE constexpr int fragment_row(int thread, int i) {
    return thread / 32 * 16 + thread % 32 / 4 + i % 2 * 8;
}
[[nodiscard]] SADDLE_HOST_DEVICE constexpr int fragment_column(int thread, int i) { return thread % 4 + i / 2 * 4; }

}  // namespace saddle::cuda
