#include "saddle/attacks/boundary.hpp"

#include "attacks/invariance.hpp"
#include "attacks/toy.hpp"

using namespace saddle;

TEST_CASE("the boundary attack walks to the nearest point of a linear boundary", "[attacks][boundary][closed form]") {
    // z_1 - z_0 = <w, x> - b in the middle of the range: the distance is |<w, x> - b| / ‖w‖
    std::vector<float> weights(18);
    for (std::size_t e = 0; e < 9; ++e) weights[9 + e] = e % 2 ? 1.f : .5f;
    const testing::linear_model<2> model({1, 3, 3}, weights, {3.25f, 0});
    images x(6, {1, 3, 3});
    for (std::size_t i = 0; i < 6; ++i)
        for (auto& v : x[i]) v = .3f + .03f * static_cast<float>(i);
    const auto y = predicted(model, x);
    const auto found = perturb(boundary{.steps = 3000}, testing::black_box(model), x, y);
    CHECK(found.success_rate() == 1);
    for (std::size_t i = 0; i < 6; ++i) {
        double product = -3.25, squares = 0;
        for (std::size_t e = 0; e < 9; ++e) {
            product += static_cast<double>(weights[9 + e] * x[i][e]);
            squares += static_cast<double>(weights[9 + e] * weights[9 + e]);
        }
        const double least = std::abs(product) / std::sqrt(squares);
        CHECK(found.distances[i].l2 >= least * (1 - 1e-4));
        CHECK(found.distances[i].l2 <= least * 1.05 + 1e-4);
        CHECK(found.gradients[i] == 0);
    }
}

TEST_CASE("more steps of the boundary attack come nearer, and queries are counted", "[attacks][boundary]") {
    const toy_problem<20> p;
    const auto brief = perturb(boundary{.steps = 50}, p.model, p.x, p.y),
               longer = perturb(boundary{.steps = 800}, p.model, p.x, p.y);
    double before = 0, after = 0;
    for (std::size_t i = 0; i < 20; ++i) {
        CHECK(longer.success[i] == brief.success[i]);
        CHECK(longer.distances[i].l2 <= brief.distances[i].l2);
        before += brief.distances[i].l2, after += longer.distances[i].l2;
        if (!brief.success[i]) continue;
        CHECK(brief.forwards[i] >= 1 + 1 + 20 + 50 + 5);  // the clean image, a start, its bisection, 50 steps, a sphere every 10
        CHECK(brief.forwards[i] <= 1 + 1000 + 20 + 50 + 5);
    }
    CHECK(after < .8 * before);
    const auto budgeted = perturb(boundary{.steps = 800}, p.model, p.x, p.y, {.max_forwards = 100});
    for (std::size_t i = 0; i < 20; ++i) CHECK(budgeted.forwards[i] <= 100);
    CHECK(budgeted.rejected == 0);
}

TEST_CASE("a targeted boundary attack starts at an image of its class", "[attacks][boundary]") {
    const toy_problem<20> p;
    const auto starts = std::make_shared<const images>(random_images(50, toy_shape, 77));
    const auto found = perturb(boundary{.steps = 200, .start_draws = 0, .starts = starts, .targets = target_rule::next_class},
                               p.model, p.x, p.y);
    CHECK(found.success_rate() > .9);
    for (std::size_t i = 0; i < 20; ++i)
        if (found.success[i]) CHECK(found.adversarial_predictions[i] == (p.y[i] + 1) % 3);
}

TEST_CASE("images without an adversarial start keep their pixels", "[attacks][boundary]") {
    const auto x = random_images(3, toy_shape);
    const auto found = perturb(boundary{.start_draws = 30}, constant_model{}, x, labels(3, 1));
    CHECK(found.success_rate() == 0);
    CHECK(same_bits(found.adversarial, x));
    CHECK(found.forwards[0] == 31);
    const auto wrong = perturb(boundary{}, constant_model{}, x, labels(3, 0));
    CHECK(wrong.success_rate() == 1);
    CHECK(wrong.forward_calls == 3);
}

TEST_CASE("the boundary attack refuses settings out of range", "[attacks][boundary][errors]") {
    for (const auto& attack : {boundary{.steps = 0}, boundary{.spherical_step = 0}, boundary{.source_step = 2},
                               boundary{.adaptation = 1}, boundary{.check_every = 0}, boundary{.start_draws = 0}})
        CHECK_THROWS_AS(attack.validate("test"), invalid_argument);
}

TEST_CASE("each image walks by itself: the same bits for any threads, batches and order (foolbox draws one direction a batch)",
          "[attacks][boundary][pitfalls][threads]") {
    check_invariance(boundary{.steps = 60}, toy_quadratic(), random_images(20, toy_shape));
}

TEST_CASE("the boundary attack refuses starts of other extents than the images", "[attacks][boundary][errors]") {
    const auto model = toy_quadratic();
    const auto x = random_images(2, toy_shape);
    for (const extents other : {extents{1, 2, 2}, extents{3, 32, 32}}) {
        const auto starts = std::make_shared<const images>(random_images(1, other));
        CHECK_THROWS_AS(perturb(boundary{.start_draws = 0, .starts = starts}, model, x, predicted(model, x)), shape_error);
    }
}
