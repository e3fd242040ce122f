#include "saddle/backend/cuda/matrix_layout.cuh"
#include "support/catch.hpp"

#include <set>
#include <vector>

using namespace saddle::cuda;

TEST_CASE("swizzles permute the 16-byte pieces of each row and return after two turns", "[cuda][layout]") {
    for (const unsigned row : {64u, 128u})
        for (unsigned at = 0; at < 16; ++at) {
            std::set<unsigned> places;
            for (unsigned piece = 0; piece < row / 16; ++piece)
                for (unsigned byte = 0; byte < 16; ++byte) {
                    const unsigned offset = at * row + piece * 16 + byte, to = swizzled(offset, row);
                    // Rows of 128 bytes trade by row % 8, those of 64 bytes in pairs.
                    CHECK(to == at * row + (piece ^ (row == 128 ? at % 8 : at / 2 % 4)) * 16 + byte);
                    CHECK(swizzled(to, row) == offset);
                    places.insert(to);
                }
            CHECK(places.size() == row);
        }
    // Eight rows of one column of pieces, as a product reads them, lie in eight different groups of banks.
    for (const unsigned row : {64u, 128u}) {
        std::set<unsigned> groups;
        for (unsigned at = 0; at < 8; ++at) groups.insert(swizzled(at * row, row) / 16 % 8);
        CHECK(groups.size() == 8);
    }
}

TEST_CASE("the operand descriptor has the fields of the PTX manual", "[cuda][layout]") {
    constexpr auto d = operand_descriptor(0x2c400, 128, 8192), narrow = operand_descriptor(0x2c400, 64, 2048);
    static_assert((d & 0x3fff) == 0x2c400 >> 4 && (narrow & 0x3fff) == 0x2c400 >> 4);
    static_assert((d >> 16 & 0x3fff) == 8192 >> 4 && (narrow >> 16 & 0x3fff) == 2048 >> 4);
    static_assert((d >> 32 & 0x3fff) == 1024 >> 4 && (narrow >> 32 & 0x3fff) == 512 >> 4);
    static_assert((d >> 49 & 7) == 0 && (narrow >> 49 & 7) == 0);  // base offset: the atoms are aligned
    static_assert(d >> 62 == 1 && narrow >> 62 == 2);              // 128-byte and 64-byte swizzle
    constexpr std::uint64_t unused = ~(0x3fffull | 0x3fffull << 16 | 0x3fffull << 32 | 7ull << 49 | 3ull << 62);
    static_assert((d & unused) == 0 && (narrow & unused) == 0);
}

TEST_CASE("descriptors address each value of an operand once, where a swizzled copy has left it", "[cuda][layout]") {
    constexpr unsigned depth = 64, base = 3 * 1024;
    for (const unsigned row : {64u, 128u})
        for (const unsigned extent : {64u, 128u, 160u, 256u}) {
            const unsigned values = row / 2, box = depth * row;
            if (extent % values != 0) continue;
            std::set<unsigned> seen;
            for (unsigned k = 0; k < depth; ++k)
                for (unsigned m = 0; m < extent; ++m) {
                    const unsigned at = operand_address(operand_descriptor(base + k / 16 * 16 * row, row, box), m, k % 16);
                    CHECK(at == swizzled(base + m / values * box + k * row + m % values * 2, row));
                    seen.insert(at);
                }
            CHECK(seen.size() == extent * depth);
        }
}

TEST_CASE("row descriptors have the fields of the PTX manual and address each value once, where a swizzled copy has left it",
          "[cuda][layout]") {
    constexpr auto d = row_descriptor(0x2c420);
    static_assert((d & 0x3fff) == 0x2c420 >> 4 && (d >> 32 & 0x3fff) == 1024 >> 4 && (d >> 49 & 7) == 0 && d >> 62 == 1);
    constexpr unsigned base = 5 * 1024;
    for (const unsigned each : {2u, 4u}) {
        std::set<unsigned> seen;
        for (unsigned k = 0; k < 128 / each; ++k)
            for (unsigned m = 0; m < 160; ++m) {
                const unsigned step = 32 / each, at = row_address(row_descriptor(base + k / step * 32), m, k % step * each);
                CHECK(at == swizzled(base + m * 128 + k * each, 128));
                seen.insert(at);
            }
        CHECK(seen.size() == 160 * 128 / each);
    }
}

TEST_CASE("the fragments of a 64 x 8 operand cover each value once", "[cuda][layout]") {
    std::set<int> seen;
    for (int thread = 0; thread < 128; ++thread)
        for (int i = 0; i < 4; ++i) seen.insert(fragment_row(thread, i) * 8 + fragment_column(thread, i));
    CHECK((seen.size() == 512 && *seen.begin() == 0 && *seen.rbegin() == 511));
    // Figure "WGMMA .m64nNk8 register fragment layout for matrix A": T0 has (0,0), (8,0), (0,4), (8,4); T5 starts at (1,1).
    CHECK((fragment_row(0, 1) == 8 && fragment_column(0, 1) == 0 && fragment_row(0, 2) == 0 && fragment_column(0, 2) == 4));
    CHECK((fragment_row(5, 0) == 1 && fragment_column(5, 0) == 1 && fragment_row(127, 3) == 63 && fragment_column(127, 3) == 7));
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
