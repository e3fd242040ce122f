#include "saddle/backend/reference/pooling.hpp"
#include "support/catch.hpp"

#include <limits>

using namespace saddle;

TEST_CASE("the largest position is the first of equals in row order", "[backend]") {
    const std::vector<float> x{1, 5, 5, 5};
    CHECK(reference_backend::largest_positions<float>(x, {1, 2, 2}, {1, 1, 1}, {.height = 2, .width = 2, .stride = 2}) ==
          std::vector<std::size_t>{1});
}

TEST_CASE("a NaN wins a max-pool", "[backend]") {
    const std::vector<float> x{1, std::numeric_limits<float>::quiet_NaN(), 7, 5};
    CHECK(reference_backend::largest_positions<float>(x, {1, 2, 2}, {1, 1, 1}, {.height = 2, .width = 2, .stride = 2}) ==
          std::vector<std::size_t>{1});
}
