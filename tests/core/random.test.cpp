#include "saddle/core/random.hpp"
#include "support/catch.hpp"

#include <algorithm>

using namespace saddle;

TEST_CASE("normal draws have mean 0, variance 1 and a normal's tails", "[core]") {
    const random_stream draws({.seed = 4});
    double sum = 0, squares = 0;
    int beyond = 0;
    constexpr std::size_t n = 100'000;
    for (std::size_t i = 0; i < n; ++i) {
        const double v = normal(draws, 1, i);
        sum += v;
        squares += v * v;
        beyond += std::abs(v) > 2;
    }
    CHECK(std::abs(sum / n) < .015);
    CHECK(std::abs(squares / n - 1) < .02);
    CHECK(std::abs(static_cast<double>(beyond) / n - .0455) < .003);
}

TEST_CASE("a permutation holds each index once and depends on its key", "[core]") {
    const auto a = permutation(1000, random_stream({.seed = 1})), b = permutation(1000, random_stream({.seed = 2}));
    auto sorted = a;
    std::sort(sorted.begin(), sorted.end());
    for (std::uint32_t i = 0; i < 1000; ++i) REQUIRE(sorted[i] == i);
    CHECK(a != b);
    CHECK(a == permutation(1000, random_stream({.seed = 1})));
    CHECK(permutation(0, random_stream({})).empty());
}
