#include "saddle/evaluation/pictures.hpp"

#include "support/catch.hpp"

using saddle::value_kind;

TEST_CASE("a grey perturbation goes from blue over white to red", "[evaluation]") {
    const saddle::grid_cell cell{value_kind::difference, {1, 1, 3}, {-.1f, 0.f, .1f}, "", false};
    const auto p = saddle::to_picture(cell);
    CHECK(p.size == saddle::extents{3, 1, 3});
    CHECK(p.pixels == std::vector<std::uint8_t>{33, 102, 172, 247, 247, 247, 178, 24, 43});
}

TEST_CASE("a colour perturbation is shown per channel around the middle", "[evaluation]") {
    const saddle::grid_cell cell{value_kind::difference, {3, 1, 1}, {-.2f, 0.f, .2f}, "", false};
    CHECK(saddle::to_picture(cell).pixels == std::vector<std::uint8_t>{0, 128, 255});
}

TEST_CASE("gradients are scaled to three standard deviations", "[evaluation]") {
    std::vector<float> values(100, 0.f);
    values[0] = 1.f;  // root of the mean square .1, so the end of the scale is .3
    values[1] = .15f;
    const auto p = saddle::to_picture(saddle::grid_cell{value_kind::gradient, {1, 10, 10}, values, "", false});
    CHECK(p.pixels[0] == 178);
    CHECK(std::abs(p.pixels[3] - (247 + 178) / 2) <= 2);
}

TEST_CASE("zero, NaN and infinite values have a colour", "[evaluation]") {
    const float nan = std::numeric_limits<float>::quiet_NaN(), infinite = std::numeric_limits<float>::infinity();
    for (const auto kind : {value_kind::difference, value_kind::gradient}) {
        const auto zero = saddle::to_picture(saddle::grid_cell{kind, {1, 1, 2}, {0.f, 0.f}, "", false});
        CHECK(zero.pixels == std::vector<std::uint8_t>(6, 247));
        const auto odd = saddle::to_picture(saddle::grid_cell{kind, {1, 1, 2}, {nan, infinite}, "", false});
        CHECK(odd.pixels == std::vector<std::uint8_t>(6, 247));
    }
}

TEST_CASE("a cell whose values do not fit its size is refused", "[evaluation]") {
    CHECK_THROWS_AS(saddle::to_picture(saddle::grid_cell{value_kind::intensity, {1, 2, 2}, {1.f}, "", false}),
                    saddle::shape_error);
    CHECK_THROWS_AS(saddle::to_picture(saddle::grid_cell{value_kind::gradient, {2, 1, 1}, {1.f, 1.f}, "", false}),
                    saddle::shape_error);
}

TEST_CASE("the grid of an attack shows original, perturbation and result", "[evaluation]") {
    saddle::images x(2, {1, 1, 2}), z(2, {1, 1, 2});
    x[1][0] = .5f, z[1][0] = .25f;
    const saddle::labels truth{0, 1}, clean{0, 1}, after{0, -1};
    const auto grid = saddle::adversarial_grid("PGD", {x, z, truth, clean, after, {"cat", "dog"}}, {1});
    REQUIRE(grid.rows.size() == 1);
    REQUIRE(grid.rows[0].size() == 3);
    CHECK(grid.rows[0][0].values == std::vector<float>{.5f, 0.f});
    CHECK(grid.rows[0][0].caption == "dog → dog");
    CHECK(grid.rows[0][1].values == std::vector<float>{-.25f, 0.f});
    CHECK(grid.rows[0][1].caption == "± 0.25");
    CHECK(grid.rows[0][2].caption == "dog → none");
    CHECK(grid.rows[0][2].highlighted);
    CHECK_THROWS_AS(saddle::adversarial_grid("PGD", {x, z, truth, clean, after}, {2}), saddle::shape_error);
    CHECK_THROWS_AS(saddle::adversarial_grid("PGD", {x, z, {0}, clean, after}, {0}), saddle::shape_error);
}
