#include "saddle/nn/block.hpp"
#include "support/catch.hpp"

#include <numeric>
#include <vector>

using namespace saddle;

TEST_CASE("a contiguous block stores channel, row, column, lane", "[nn]") {
    std::vector<int> values(2 * 3 * 4 * 8);
    std::iota(values.begin(), values.end(), 0);
    const auto b = contiguous_block(values.data(), {2, 3, 4}, 8);
    CHECK(*b.at(1, 2, 3) == ((1 * 3 + 2) * 4 + 3) * 8);
    CHECK(b.at(0, 1) == values.data() + 32);
}

TEST_CASE("for_each_row visits every row of blocks with different borders", "[nn]") {
    std::vector<int> plain(2 * 2 * 3), bordered(2 * 4 * 5, 0);
    std::iota(plain.begin(), plain.end(), 1);
    const auto from = contiguous_block(plain.data(), {2, 2, 3}, 1);
    const block<int> to{bordered.data() + 6, {2, 2, 3}, 1, 5, 20};
    for_each_row([](const int* a, int* b) { std::copy_n(a, 3, b); }, from, to);
    CHECK(bordered == std::vector<int>{0, 0, 0, 0, 0, 0, 1, 2, 3, 0, 0, 4,  5,  6,  0, 0, 0, 0, 0, 0,
                                       0, 0, 0, 0, 0, 0, 7, 8, 9, 0, 0, 10, 11, 12, 0, 0, 0, 0, 0, 0});
}
