#include "saddle/attacks/fgsm.hpp"

#include "attacks/toy.hpp"
#include "saddle/attacks/bim.hpp"
#include "saddle/attacks/pgd.hpp"
#include "saddle/projections/l2.hpp"
#include "support/catch.hpp"

using namespace saddle;

TEST_CASE("FGSM moves every pixel by epsilon along the sign of the gradient", "[attacks][fgsm]") {
    const auto model = toy_linear();
    const auto x = random_images(30, toy_shape);
    const auto y = predicted(model, x);
    const auto result = perturb(fgsm({.epsilon = .1}), model, x, y);
    for (std::size_t i = 0; i < 30; ++i) {
        std::vector<float> z(3), gradient(25);
        const auto one = x.slice(i, 1);
        model.logits(one, z);
        const float total = std::exp(z[0]) + std::exp(z[1]) + std::exp(z[2]);
        for (std::size_t k = 0; k < 3; ++k) z[k] = std::exp(z[k]) / total - (static_cast<std::int32_t>(k) == y[i] ? 1.f : 0.f);
        model.input_gradient(one, z, gradient);
        for (std::size_t e = 0; e < 25; ++e) {
            const float expected = std::clamp(x[i][e] + (gradient[e] > 0 ? .1f : -.1f), 0.f, 1.f);
            CHECK(std::abs(result.adversarial[i][e] - expected) < 1e-6f);
        }
    }
}

TEST_CASE("PGD with step epsilon and BIM(1) are FGSM bit for bit", "[attacks][fgsm]") {
    const auto model = toy_quadratic();
    const auto x = random_images(30, toy_shape);
    const auto y = predicted(model, x);
    const auto one_step = perturb(fgsm({.epsilon = 8. / 255}), model, x, y);
    CHECK(same_bits(one_step.adversarial,
                    perturb(pgd({.epsilon = 8. / 255, .step_size = 8. / 255, .steps = 1, .start = start_rule::none}), model, x, y)
                        .adversarial));
    CHECK(same_bits(one_step.adversarial, perturb(bim({.epsilon = 8. / 255, .steps = 1}), model, x, y).adversarial));
}

TEST_CASE("L2 FGSM moves by epsilon along the unit gradient", "[attacks][fgsm]") {
    const auto model = toy_quadratic();
    images x(4, toy_shape);
    for (auto& v : x.values()) v = .5f;
    const auto result = perturb(fgsm<l2>({.epsilon = .25}), model, x, predicted(model, x));
    for (const double d : distances(l2{}, x, result.adversarial)) CHECK(d == Approx(.25).epsilon(1e-5));
}

TEST_CASE("targeted FGSM subtracts", "[attacks][fgsm]") {
    const testing::linear_model<2> model(toy_shape, random_weights(50));
    images x(1, toy_shape);
    for (auto& v : x.values()) v = .5f;
    const auto away = perturb(fgsm({.epsilon = .1}), model, x, labels{0});
    const auto towards = perturb(fgsm({.epsilon = .1, .targets = target_rule::next_class}), model, x, labels{0});
    CHECK(same_bits(away.adversarial, towards.adversarial));  // with two classes, away from one is towards the other
}

TEST_CASE("FGSM at epsilon 0 returns the images", "[attacks][fgsm]") {
    const auto model = toy_linear();
    const auto x = random_images(3, toy_shape);
    CHECK(same_bits(perturb(fgsm({.epsilon = 0}), model, x, labels(3, 0)).adversarial, x));
}
