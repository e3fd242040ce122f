#include "saddle/attacks/mifgsm.hpp"

#include "attacks/toy.hpp"
#include "saddle/attacks/bim.hpp"
#include "saddle/projections/l2.hpp"
#include "support/catch.hpp"

using namespace saddle;

TEST_CASE("MI-FGSM with decay 0 is BIM bit for bit", "[attacks][mifgsm]") {
    const auto model = toy_quadratic();
    const auto x = random_images(20, toy_shape);
    const auto y = predicted(model, x);
    CHECK(same_bits(perturb(mifgsm({.epsilon = .1, .decay = 0}), model, x, y).adversarial,
                    perturb(bim({.epsilon = .1}), model, x, y).adversarial));
    CHECK_FALSE(same_bits(perturb(mifgsm({.epsilon = .1}), model, x, y).adversarial,
                          perturb(bim({.epsilon = .1}), model, x, y).adversarial));
}

TEST_CASE("MI-FGSM follows m <- decay m + g / |g|_1", "[attacks][mifgsm]") {
    const testing::quadratic_model<2> model({1, 1, 2}, {.2f, .3f, .8f, .9f}, 3.f);
    images x(1, {1, 1, 2});
    x[0][0] = .45f;
    x[0][1] = .55f;
    const auto result = perturb(mifgsm<l2>({.epsilon = .3, .step_size = .07, .steps = 4, .decay = .8}), model, x, labels{0});
    double at[2]{.45, .55}, velocity[2]{};
    for (int step = 0; step < 4; ++step) {
        double g[2];  // d(-log p_0)/dx is along centre_1 - centre_0 for two centres of one curvature
        for (int e = 0; e < 2; ++e) g[e] = .6;
        for (int e = 0; e < 2; ++e) velocity[e] = .8 * velocity[e] + g[e] / (g[0] + g[1]);
        const double norm = std::hypot(velocity[0], velocity[1]);
        for (int e = 0; e < 2; ++e) at[e] += .07 * velocity[e] / norm;
    }
    CHECK(static_cast<double>(result.adversarial[0][0]) == Approx(at[0]).epsilon(1e-5));
    CHECK(static_cast<double>(result.adversarial[0][1]) == Approx(at[1]).epsilon(1e-5));
}

TEST_CASE("MI-FGSM on a zero gradient gives no NaN and no move (torchattacks)", "[attacks][mifgsm][pitfalls]") {
    const auto x = random_images(20, toy_shape);
    CHECK(same_bits(perturb(mifgsm(), constant_model{}, x, labels(20, 1)).adversarial, x));
    CHECK(same_bits(perturb(mifgsm<l2>(), constant_model{}, x, labels(20, 1)).adversarial, x));
}

TEST_CASE("MI-FGSM does not depend on the gradient's scale", "[attacks][mifgsm][pitfalls]") {
    auto weights = random_weights(50);
    const testing::linear_model<2> model(toy_shape, weights);
    for (auto& w : weights) w *= 0x1p-100f;
    const testing::linear_model<2> faint(toy_shape, weights);
    images x(1, toy_shape);
    for (auto& v : x.values()) v = .5f;
    CHECK(same_bits(perturb(mifgsm({.epsilon = .1}), model, x, labels{0}).adversarial,
                    perturb(mifgsm({.epsilon = .1}), faint, x, labels{0}).adversarial));
}
