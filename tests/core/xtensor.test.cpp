#include "saddle/core/xtensor.hpp"
#include "saddle/testing/random_images.hpp"
#include "support/catch.hpp"

using namespace saddle;

TEST_CASE("images as an xtensor share their memory", "[core]") {
    auto x = testing::random_images<float>(2, {3, 4, 5});
    auto view = as_xtensor(x);
    CHECK(view(1, 2, 3, 4) == x[1][59]);
    view(1, 0, 0, 1) = .5f;
    CHECK(x[1][1] == .5f);
}

TEST_CASE("an xtensor expression becomes images", "[core]") {
    const auto x = testing::random_images<float>(2, {3, 4, 5});
    const auto doubled = images_from<double>(2. * as_xtensor(x));
    CHECK(doubled.each() == extents{3, 4, 5});
    CHECK(doubled[1][7] == 2. * x[1][7]);
}

TEST_CASE("extents that do not fit a span, and expressions of another rank, are refused", "[core]") {
    std::vector<float> values(6);
    CHECK_THROWS_AS(as_xtensor(std::span(values), std::array<std::size_t, 2>{2, 4}), shape_error);
    CHECK_THROWS_AS(images_from(2.f * as_xtensor(std::span(values), std::array<std::size_t, 2>{2, 3})), shape_error);
}
