#include "saddle/attacks/hop_skip_jump.hpp"

#include "attacks/invariance.hpp"
#include "attacks/toy.hpp"

using namespace saddle;

TEMPLATE_TEST_CASE("HopSkipJump finds the nearest point of a linear boundary", "[attacks][hop_skip_jump][closed form]", l2,
                   linf) {
    std::vector<float> weights(18);
    for (std::size_t e = 0; e < 9; ++e) weights[9 + e] = e % 2 ? 1.f : .5f;
    const testing::linear_model<2> model({1, 3, 3}, weights, {3.25f, 0});
    images x(4, {1, 3, 3});
    for (std::size_t i = 0; i < 4; ++i)
        for (auto& v : x[i]) v = .3f + .03f * static_cast<float>(i);
    const auto y = predicted(model, x);
    const auto found = perturb(hop_skip_jump<TestType>{.steps = 20}, testing::black_box(model), x, y);
    CHECK(found.success_rate() == 1);
    for (std::size_t i = 0; i < 4; ++i) {
        double product = -3.25, squares = 0, sum = 0;
        for (std::size_t e = 0; e < 9; ++e) {
            const auto w = static_cast<double>(weights[9 + e]);
            product += w * static_cast<double>(x[i][e]);
            squares += w * w, sum += w;
        }
        const bool is_linf = std::is_same_v<TestType, linf>;
        const double least = std::abs(product) / (is_linf ? sum : std::sqrt(squares));
        const double length = is_linf ? found.distances[i].linf : found.distances[i].l2;
        CHECK(length >= least * (1 - 1e-4));
        CHECK(length <= least * 1.05 + 1e-3);
    }
}

TEST_CASE("HopSkipJump's queries are counted and its budget is hard", "[attacks][hop_skip_jump]") {
    const toy_problem<8> p;
    const auto attack = hop_skip_jump<>{.steps = 6, .first_evaluations = 40};
    const auto free = perturb(attack, testing::black_box(p.model), p.x, p.y);
    double before = 0, after = 0;
    for (const std::uint64_t budget : {30u, 150u, 400u}) {
        const auto found = perturb(attack, p.model, p.x, p.y, {.max_forwards = budget});
        CHECK(found.rejected == 0);
        for (std::size_t i = 0; i < 8; ++i) {
            CHECK(found.forwards[i] <= budget);
            CHECK(found.gradients[i] == 0);
            if (!found.success[i]) continue;
            CHECK(free.distances[i].l2 <= found.distances[i].l2);
            (budget == 30 ? before : after) += found.distances[i].l2;
        }
    }
    CHECK(after < 2 * before);
}

TEST_CASE("a targeted HopSkipJump starts at an image of its class", "[attacks][hop_skip_jump]") {
    const toy_problem<8> p;
    const auto starts = std::make_shared<const images>(random_images(50, toy_shape, 77));
    const auto found = perturb(
        hop_skip_jump<>{.steps = 3, .start_draws = 0, .starts = starts, .targets = target_rule::next_class}, p.model, p.x, p.y);
    CHECK(found.success_rate() > .8);
    for (std::size_t i = 0; i < 8; ++i)
        if (found.success[i]) CHECK(found.adversarial_predictions[i] == (p.y[i] + 1) % 3);
}

TEST_CASE("HopSkipJump leaves images alone without a start, and those misclassified already", "[attacks][hop_skip_jump]") {
    const auto x = random_images(3, toy_shape);
    const auto found = perturb(hop_skip_jump<>{.start_draws = 30}, constant_model{}, x, labels(3, 1));
    CHECK(found.success_rate() == 0);
    CHECK(same_bits(found.adversarial, x));
    CHECK(found.forwards[0] == 31);
    const auto wrong = perturb(hop_skip_jump<>{}, constant_model{}, x, labels(3, 0));
    CHECK(wrong.success_rate() == 1);
    CHECK(wrong.forward_calls == 3);
}

TEST_CASE("HopSkipJump refuses settings out of range", "[attacks][hop_skip_jump][errors]") {
    for (const auto& attack : {hop_skip_jump<>{.steps = 0}, hop_skip_jump<>{.first_evaluations = 0},
                               hop_skip_jump<>{.first_evaluations = 20, .most_evaluations = 10}, hop_skip_jump<>{.gamma = 0},
                               hop_skip_jump<>{.start_draws = 0}})
        CHECK_THROWS_AS(attack.validate("test"), invalid_argument);
}

TEST_CASE("HopSkipJump gives the same bits for any threads, batches and order", "[attacks][hop_skip_jump][threads]") {
    check_invariance(hop_skip_jump<>{.steps = 3, .first_evaluations = 20}, toy_quadratic(), random_images(12, toy_shape));
}

TEST_CASE("HopSkipJump refuses starts of other extents than the images", "[attacks][hop_skip_jump][errors]") {
    const auto model = toy_quadratic();
    const auto x = random_images(2, toy_shape);
    for (const extents other : {extents{1, 2, 2}, extents{3, 32, 32}}) {
        const auto starts = std::make_shared<const images>(random_images(1, other));
        CHECK_THROWS_AS(perturb(hop_skip_jump<>{.start_draws = 0, .starts = starts}, model, x, predicted(model, x)), shape_error);
    }
}
