#include "saddle/backend/cuda/matrix_layout.cuh"
#include "support/catch.hpp"

#include <set>
#include <vector>

using namespace saddle::cuda;

TEST_CASE("the swizzle permutes the 16-byte pieces of each row of an atom and returns after two turns", "[cuda][layout]") {
    for (unsigned row = 0; row < 16; ++row) {
        std::set<unsigned> places;
        for (unsigned piece = 0; piece < 8; ++piece)
            for (unsigned byte = 0; byte < 16; ++byte) {
                const unsigned offset = row * 128 + piece * 16 + byte, to = swizzle_128(offset);
                CHECK(to == row * 128 + (piece ^ row % 8) * 16 + byte);
                CHECK(swizzle_128(to) == offset);
                places.insert(to);
            }
        CHECK(places.size() == 128);
    }
    // Eight rows of one column of pieces, as a product reads them, lie in eight different groups of banks.
    std::set<unsigned> groups;
    for (unsigned row = 0; row < 8; ++row) groups.insert(swizzle_128(row * 128) / 16 % 8);
    CHECK(groups.size() == 8);
}

TEST_CASE("the operand descriptor has the fields of the PTX manual", "[cuda][layout]") {
    constexpr auto d = operand_descriptor(0x2c400, 8192, 1024);
    static_assert((d & 0x3fff) == 0x2c400 >> 4);
    static_assert((d >> 16 & 0x3fff) == 8192 >> 4);
    static_assert((d >> 32 & 0x3fff) == 1024 >> 4);
    static_assert((d >> 49 & 7) == 0);  // base offset: the atoms are aligned
    static_assert(d >> 62 == 1);        // 128-byte swizzle
    constexpr std::uint64_t unused = ~(0x3fffull | 0x3fffull << 16 | 0x3fffull << 32 | 7ull << 49 | 3ull << 62);
    static_assert((d & unused) == 0);
}

TEST_CASE("descriptors address each value of an operand once, where a copy in 128-byte swizzle has left it", "[cuda][layout]") {
    constexpr unsigned depth = 64, box = depth * swizzle_row, base = 3 * 1024;
    for (const unsigned rows : {64u, 128u, 160u, 256u}) {
        std::set<unsigned> seen;
        for (unsigned k = 0; k < depth; ++k)
            for (unsigned row = 0; row < rows; ++row) {
                const auto d = operand_descriptor(base + k / 16 * 16 * swizzle_row, box, swizzle_atom);
                const unsigned at = operand_address(d, row, k % 16);
                // The box of 64 rows × depth k: row-contiguous, then swizzled.
                CHECK(at == swizzle_128(base + row / 64 * box + k * swizzle_row + row % 64 * 2));
                seen.insert(at);
            }
        CHECK(seen.size() == rows * depth);
    }
}

TEST_CASE("the fragments of a warpgroup cover each sum of a 64 x N product once", "[cuda][layout]") {
    for (const int columns : {8, 64, 128, 160, 256}) {
        std::vector<int> owners(static_cast<std::size_t>(64 * columns));
        for (int thread = 0; thread < 128; ++thread)
            for (int i = 0; i < columns / 2; ++i) {
                const int row = accumulator_row(thread, i), column = accumulator_column(thread, i);
                REQUIRE((row >= 0 && row < 64 && column >= 0 && column < columns));
                ++owners[static_cast<std::size_t>(row * columns + column)];
            }
        CHECK(owners == std::vector<int>(owners.size(), 1));
    }
    // Figure "WGMMA .m64nNk16 register fragment layout for accumulator matrix D": T0 has (0,0..1), (8,0..1), (0,8..9); T5 starts
    // at (1,2); T127 ends at row 63.
    CHECK((accumulator_row(0, 2) == 8 && accumulator_column(0, 2) == 0));
    CHECK((accumulator_row(0, 4) == 0 && accumulator_column(0, 5) == 9));
    CHECK((accumulator_row(5, 0) == 1 && accumulator_column(5, 0) == 2));
    CHECK((accumulator_row(33, 0) == 16 && accumulator_column(33, 0) == 2));
    CHECK((accumulator_row(127, 2) == 63 && accumulator_column(127, 3) == 7));
}
