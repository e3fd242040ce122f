#include "saddle/attacks/carlini_wagner_linf.hpp"

#include "attacks/invariance.hpp"
#include "attacks/nearest.hpp"

using namespace saddle;

TEST_CASE("C&W Linf finds the distance to the boundary of linear and quadratic models",
          "[attacks][carlini wagner][closed form]") {
    check_nearest(
        carlini_wagner_linf{.learning_rate = .002, .steps = 400, .initial_c = .01, .decrease = .95, .smallest_tau = 1e-4}, 1.08,
        true, true);
    check_nearest(carlini_wagner_linf{.steps = 300, .initial_c = .01}, 1.5, true, true);
}

TEST_CASE("C&W Linf has the same bits for any number of threads, batch size and order",
          "[attacks][carlini wagner][determinism]") {
    const testing::linear_program<lanes<float>> program(toy_shape, 3, random_weights(75));
    check_invariance(carlini_wagner_linf{.steps = 10, .initial_c = .01, .targets = target_rule::random}, program,
                     random_images(67, toy_shape));
}

TEST_CASE("C&W Linf pushes every large change down, not only the largest", "[attacks][carlini wagner]") {
    const auto model = toy_linear();
    const auto x = central_images(12);
    const auto y = predicted(model, x);
    const auto found = perturb(carlini_wagner_linf{.steps = 300, .initial_c = .01}, model, x, y);
    for (std::size_t i = 0; i < x.size(); ++i) {
        REQUIRE(found.success[i] == 1);
        CHECK(found.distances[i].l1 > .5 * 25 * found.distances[i].linf);  // most pixels stand near the bound
    }
}

TEST_CASE("C&W Linf gives up when c is exhausted and returns the clean image", "[attacks][carlini wagner]") {
    const auto x = random_images(3, toy_shape);
    const auto found = perturb(carlini_wagner_linf{.steps = 5}, constant_model{}, x, labels(3, 1));
    CHECK(same_bits(found.adversarial, x));
    CHECK(found.status[0] == attack_status::failed);
    CHECK(found.forwards[0] == 2 + 5 * 21);  // clean, start, 5 updates for each c from 1e-5 to below 20
}

TEST_CASE("C&W Linf names the settings that are out of range", "[attacks][carlini wagner][errors]") {
    const auto refused = [](const carlini_wagner_linf& a) { CHECK_THROWS_AS(a.validate("test"), invalid_argument); };
    refused({.loss = {.kappa = 1}});
    refused({.learning_rate = 0});
    refused({.steps = 0});
    refused({.initial_c = 30});
    refused({.factor = 1});
    refused({.decrease = 1});
    refused({.smallest_tau = 0});
}
