#include "saddle/attacks/carlini_wagner_plus.hpp"

#include "attacks/toy.hpp"
#include "support/catch.hpp"

using namespace saddle;

TEST_CASE("C&W+ is PGD on the clipped margin with kappa 50, and goes on after the boundary", "[attacks][carlini wagner]") {
    const auto plus = carlini_wagner_plus(), inf = carlini_wagner_plus({.epsilon = .3, .step_size = .01, .steps = 40}, 0);
    CHECK(plus.loss.clipped);
    CHECK(plus.loss.kappa == 50);
    CHECK(plus.steps == 40);
    CHECK(plus.name == "C&W+");
    CHECK(inf.name == "C&W inf");
    const auto model = toy_linear();
    const auto x = random_images(20, toy_shape);
    const auto y = predicted(model, x);
    const auto far = perturb(plus, model, x, y), near = perturb(inf, model, x, y);
    CHECK(far.success_rate() == 1);
    for (std::size_t i = 0; i < x.size(); ++i) {
        CHECK(near.loss[i] <= 0);  // -(0 - M)+: at most 0
        CHECK(far.distances[i].linf >= near.distances[i].linf - 1e-6);
    }
}
