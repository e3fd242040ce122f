#include "saddle/certification/input_box.hpp"

#include "support/catch.hpp"

using namespace saddle;

TEST_CASE("an Linf box holds every float of the real ball and stays in the data range", "[input_box]") {
    const std::vector<float> x{0.f, .05f, .3f, .70000005f, 1.f};
    std::vector<float> lower(5), upper(5);
    for (const double epsilon : {.1, .3, 8. / 255}) {
        linf_box{epsilon}(0, std::span<const float>(x), std::span<float>(lower), std::span<float>(upper));
        for (std::size_t i = 0; i < x.size(); ++i) {
            CHECK((lower[i] == 0 || lower[i] < x[i] - epsilon));
            CHECK((upper[i] == 1 || upper[i] > x[i] + epsilon));
            CHECK(lower[i] >= 0);
            CHECK(upper[i] <= 1);
            CHECK(lower[i] >= x[i] - epsilon - 2e-7);
            CHECK(upper[i] <= x[i] + epsilon + 2e-7);
        }
    }
}

TEST_CASE("an Linf box of radius 0 is the image", "[input_box]") {
    const std::vector<float> x{0.f, .05f, 1.f};
    std::vector<float> lower(3), upper(3);
    linf_box{0}(0, std::span<const float>(x), std::span<float>(lower), std::span<float>(upper));
    CHECK(lower == x);
    CHECK(upper == x);
}

TEST_CASE("brightening frees the bright pixels alone, upward", "[input_box]") {
    const std::vector<double> x{0., .89, .9, .95, 1.};
    std::vector<double> lower(5), upper(5);
    brightening{.1}(0, std::span<const double>(x), std::span<double>(lower), std::span<double>(upper));
    CHECK(lower == x);
    CHECK(upper == std::vector<double>{0., .89, 1., 1., 1.});
}

TEST_CASE("given boxes are taken as they are", "[input_box]") {
    images lower(2, {1, 1, 2}), upper(2, {1, 1, 2});
    upper[1][0] = .5f;
    const given_boxes<float> boxes{lower, upper};
    boxes.validate(2, "test");
    std::vector<float> lo(2), hi(2);
    boxes(1, {}, std::span<float>(lo), std::span<float>(hi));
    CHECK(hi == std::vector<float>{.5f, 0.f});
}

TEST_CASE("boxes that mean nothing are refused", "[input_box]") {
    images lower(2, {1, 1, 2}), upper(2, {1, 1, 2});
    const given_boxes<float> boxes{lower, upper};
    CHECK_THROWS_AS(boxes.validate(3, "test"), shape_error);
    upper[1][1] = -1;
    CHECK_THROWS_WITH(boxes.validate(2, "test"), Catch::Matchers::Contains("image 1, element 1"));
    upper[1][1] = std::numeric_limits<float>::quiet_NaN();
    CHECK_THROWS_AS(boxes.validate(2, "test"), data_error);
    CHECK_THROWS_AS((linf_box{-1}.validate(1, "test")), invalid_argument);
    CHECK_THROWS_AS((linf_box{std::nan("")}.validate(1, "test")), invalid_argument);
    CHECK_THROWS_AS((brightening{2}.validate(1, "test")), invalid_argument);
}
