#include "saddle/attacks/bim.hpp"

#include "attacks/toy.hpp"
#include "saddle/attacks/fgsm.hpp"
#include "saddle/attacks/pgd.hpp"
#include "support/catch.hpp"

using namespace saddle;

TEST_CASE("BIM(N) takes N steps of epsilon / N from the image", "[attacks][bim]") {
    const auto attack = bim({.epsilon = .3, .steps = 30});
    CHECK(attack.step_size == .01);
    CHECK(attack.start == start_rule::none);
    const auto model = toy_linear();
    const auto x = random_images(20, toy_shape);
    const auto y = predicted(model, x);
    const auto result = perturb(attack, model, x, y);
    CHECK(verify_in_threat(x, result.adversarial, linf{.3}).ok());
    const testing::linear_model<2> pair(toy_shape, random_weights(50));  // constant gradient direction: BIM ends where FGSM does
    const auto many = perturb(bim({.epsilon = .3, .steps = 10}), pair, x, labels(20, 0)).adversarial;
    const auto once = perturb(fgsm({.epsilon = .3}), pair, x, labels(20, 0)).adversarial;
    for (std::size_t i = 0; i < many.values().size(); ++i) CHECK(std::abs(many.values()[i] - once.values()[i]) < 1e-6f);
}

TEST_CASE("BIM is PGD without a random start", "[attacks][bim]") {
    const auto model = toy_quadratic();
    const auto x = random_images(20, toy_shape);
    const auto y = predicted(model, x);
    const auto a = perturb(bim({.epsilon = .1, .step_size = .03, .steps = 7}), model, x, y);
    const auto b = perturb(pgd({.epsilon = .1, .step_size = .03, .steps = 7, .start = start_rule::none}), model, x, y);
    CHECK(same_bits(a.adversarial, b.adversarial));
}

TEST_CASE("with a step that is too large for N steps the ball still holds", "[attacks][bim]") {
    const auto model = toy_quadratic();
    const auto x = random_images(20, toy_shape);
    CHECK(
        verify_in_threat(x, perturb(bim({.epsilon = .1, .step_size = .09}), model, x, labels(20, 0)).adversarial, linf{.1}).ok());
}
