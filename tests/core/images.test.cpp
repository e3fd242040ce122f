#include "saddle/core/images.hpp"
#include "support/catch.hpp"

#include <limits>

using namespace saddle;

TEST_CASE("a slice copies its images", "[core]") {
    images x(3, {1, 1, 2});
    for (std::size_t i = 0; i < 6; ++i) x.values()[i] = static_cast<float>(i) / 10;
    const auto part = x.slice(1, 2);
    CHECK(part.size() == 2);
    CHECK(part[0][1] == .3F);
    CHECK_THROWS_AS(x.slice(2, 2), shape_error);
}

TEST_CASE("images outside [0,1] are refused with their place", "[core]") {
    images x(2, {1, 2, 2});
    CHECK_NOTHROW(require_valid_images(x, "test"));
    for (const float bad : {-.001F, 1.001F, std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
        x[1][2] = bad;
        CHECK_THROWS_AS(require_valid_images(x, "test"), data_error);
    }
    x[1][2] = 2;
    CHECK_THROWS_WITH(require_valid_images(x, "test"), "test: image 1, element 2; expected a value in [0,1], found 2");
}

TEST_CASE("labels must be classes, one per image", "[core]") {
    CHECK_NOTHROW(require_valid_labels({0, 9}, 2, 10, "test"));
    CHECK_THROWS_AS(require_valid_labels({0}, 2, 10, "test"), shape_error);
    CHECK_THROWS_AS(require_valid_labels({0, 10}, 2, 10, "test"), data_error);
    CHECK_THROWS_AS(require_valid_labels({0, -1}, 2, 10, "test"), data_error);
}
