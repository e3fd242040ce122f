#include "saddle/attacks/spsa.hpp"

#include "attacks/invariance.hpp"
#include "attacks/sampled_gradients.hpp"

using namespace saddle;

TEST_CASE("SPSA estimates the gradient of a linear function", "[attacks][spsa][closed form]") {
    std::vector<double> weights(40);
    for (std::size_t e = 0; e < 20; ++e) weights[20 + e] = std::cos(static_cast<double>(e));
    const std::vector<double> exact(weights.begin() + 20, weights.end()), z(20, .5);
    CHECK(cosine(estimated_margin_gradient(spsa{.samples = 2000}, weights, z), exact) > .98);
    // one dimension: exact from one direction, since v · v = 1; and independent of the place only if evaluated around it
    const auto slope = estimated_margin_gradient(spsa{.samples = 1}, {0, 3}, {.25});
    CHECK(slope[0] == Approx(3));
}

TEST_CASE("SPSA looks around x, not at x itself (CleverHans 1249)", "[attacks][spsa][pitfalls]") {
    // two queries at x + v d and x - v d differ by 2 d <w, v>; at a doubled or unmoved x the estimate would be 0
    const auto g = estimated_margin_gradient(spsa{.samples = 1}, {0, 0, 1, 2}, {.5, .5});
    CHECK(std::abs(g[0]) == Approx(std::abs(g[1])));
    CHECK((std::abs(g[0]) == Approx(3) || std::abs(g[0]) == Approx(1)));
}

TEST_CASE("SPSA's directions are fair signs of their sample and example", "[attacks][spsa][random]") {
    constexpr std::size_t lanes = lane_values<saddle::lanes<float>>::size, elements = 300;
    const random_stream stream({.seed = 5});
    lane_vector<float> block(elements * lanes), alone(elements);
    fill_sign_samples<saddle::lanes<float>>(stream, lane_samples<lanes>::of_one(9, 3), elements, block.data());
    std::size_t up = 0;
    for (std::size_t l = 0; l < lanes; ++l) {
        fill_sign_samples<float>(stream, lane_samples<1>::of_one(9, 3 + l), elements, alone.data());
        for (std::size_t e = 0; e < elements; ++e) {
            CHECK(block[e * lanes + l] == alone[e]);
            CHECK(std::abs(alone[e]) == 1);
            up += alone[e] > 0;
        }
    }
    CHECK(up > .45 * lanes * elements);
    CHECK(up < .55 * lanes * elements);
}

TEST_CASE("PGD by SPSA fools a black box, to given targets too (torchattacks ignores them)", "[attacks][spsa][pitfalls]") {
    const auto model = toy_quadratic();
    const auto x = random_images(30, toy_shape);
    const auto y = predicted(model, x);
    auto settings = pgd_settings{.epsilon = .1, .step_size = .02, .steps = 20, .start = start_rule::none, .early_stop = true};
    const auto found =
        perturb(with_source(pgd<linf, logit_margin>(settings), spsa{.samples = 20}), testing::black_box(model), x, y);
    CHECK(found.success_rate() > .6);
    CHECK(found.gradient_calls == 0);
    settings.targets = target_rule::given;
    settings.epsilon = .3;
    labels targets(30);
    for (std::size_t i = 0; i < 30; ++i) targets[i] = (y[i] + 2) % 3;
    const auto aimed =
        perturb(with_source(pgd<linf, logit_margin>(settings), spsa{.samples = 20}), model, x, y, {.targets = targets});
    CHECK(aimed.success_rate() > .5);
    for (std::size_t i = 0; i < 30; ++i)
        if (aimed.success[i]) CHECK(aimed.adversarial_predictions[i] == targets[i]);
}

TEST_CASE("SPSA refuses settings out of range", "[attacks][spsa][errors]") {
    for (const auto& source : {spsa{.samples = 0}, spsa{.radius = -1}, spsa{.momentum = 1}})
        CHECK_THROWS_AS(with_source(pgd(), source).validate("test"), invalid_argument);
}

TEST_CASE("SPSA gives the same bits for any threads, batches and order", "[attacks][spsa][threads]") {
    check_invariance(with_source(pgd({.epsilon = .1, .steps = 4, .restarts = 2}), spsa{.samples = 10}), toy_quadratic(),
                     random_images(12, toy_shape));
}
