#include "saddle/evaluation/input_gradient.hpp"

#include "saddle/testing/archetypes.hpp"
#include "support/catch.hpp"

TEST_CASE("the input gradient of a linear model is known", "[evaluation]") {
    const saddle::testing::linear_model<2> m({1, 1, 3}, {1, 2, 3, 0, -1, 1});
    saddle::images x(37, {1, 1, 3});
    saddle::labels y(37);
    for (std::size_t i = 0; i < x.size(); ++i) {
        for (std::size_t e = 0; e < 3; ++e) x[i][e] = static_cast<float>((i * 7 + e * 3) % 11) / 11;
        y[i] = static_cast<std::int32_t>(i % 2);
    }
    saddle::worker_pool pool(2);
    const auto g = saddle::input_gradients(m, x, y, pool);
    for (std::size_t i = 0; i < x.size(); ++i) {
        // dCE/dz_k = p_k - [k = y], dz_k/dx = w_k
        const double z = x[i][0] + 3. * x[i][1] + 2. * x[i][2], p0 = 1 / (1 + std::exp(-z)), slope = p0 - (y[i] == 0);
        CHECK(g[i][0] == Approx(slope * 1).margin(1e-6));
        CHECK(g[i][1] == Approx(slope * 3).margin(1e-6));
        CHECK(g[i][2] == Approx(slope * 2).margin(1e-6));
    }
}

TEST_CASE("input gradients refuse images and labels that do not fit", "[evaluation]") {
    const saddle::testing::linear_model<2> m({1, 1, 2}, {1, 0, 0, 1});
    saddle::worker_pool pool(1);
    CHECK_THROWS_AS(saddle::input_gradients(m, saddle::images(1, {1, 2, 2}), {0}, pool), saddle::shape_error);
    CHECK_THROWS_AS(saddle::input_gradients(m, saddle::images(1, {1, 1, 2}), {5}, pool), saddle::data_error);
}

TEST_CASE("the grid of gradients has a column per model", "[evaluation]") {
    saddle::images x(2, {1, 1, 2}), g(2, {1, 1, 2});
    g[1][0] = 3, g[1][1] = -4;
    const auto grid = saddle::gradient_grid("gradients", x, {0, 1}, {{"a", g}, {"b", g}}, {1}, {"cat", "dog"});
    CHECK(grid.columns == std::vector<std::string>{"image", "a", "b"});
    REQUIRE(grid.rows.size() == 1);
    CHECK(grid.rows[0][0].caption == "dog");
    CHECK(grid.rows[0][2].caption == "‖g‖₂ 5");
    CHECK(grid.rows[0][2].values == std::vector<float>{3, -4});
    CHECK_THROWS_AS(saddle::gradient_grid("gradients", x, {0, 1}, {{"a", saddle::images(1, {1, 1, 2})}}, {0}),
                    saddle::shape_error);
    CHECK_THROWS_AS(saddle::gradient_grid("gradients", x, {0, 1}, {}, {2}), saddle::shape_error);
}
