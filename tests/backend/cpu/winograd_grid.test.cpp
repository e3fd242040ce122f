#include "saddle/backend/cpu/winograd_grid.hpp"

#include "support/catch.hpp"

using namespace saddle;
using namespace saddle::cpu_backend;

TEST_CASE("the grid is the one with the fewest products, and small tensors keep 2x2", "[backend]") {
    using runs = std::vector<winograd_run>;
    const auto all = [](extents output, std::size_t edge) {
        const auto grid = choose_grid(output);
        return grid.rows == runs{{edge, 0, (output.height + edge - 1) / edge}} &&
               grid.columns == runs{{edge, 0, (output.width + edge - 1) / edge}};
    };
    for (const std::size_t n : {4, 6}) CHECK(all({1, n, n}, 2));
    CHECK(all({1, 1, 40}, 2));
    for (const std::size_t n : {7, 8, 12, 16}) CHECK(all({1, n, n}, 4));
    for (const std::size_t n : {9, 10, 14, 20}) CHECK(all({1, n, n}, 5));
    CHECK(choose_grid({1, 26, 10}).rows == runs{{5, 0, 2}, {4, 10, 4}});
    CHECK(choose_grid({1, 26, 10}).columns == runs{{5, 0, 2}});
    CHECK(choose_grid({1, 18, 18}).columns == runs{{5, 0, 2}, {4, 10, 2}});
    CHECK(choose_grid({1, 24, 32}).rows == runs{{4, 0, 6}});  // tiles of 5 would save 8 %: less than their rounding is worth
    CHECK(choose_grid({1, 24, 32}).columns == runs{{4, 0, 8}});
}
