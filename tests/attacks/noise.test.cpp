#include "saddle/attacks/noise.hpp"

#include "attacks/invariance.hpp"
#include "saddle/attacks/pgd.hpp"

using namespace saddle;

TEST_CASE("gaussian noise has the sigma asked for and is cut with the range", "[attacks][noise]") {
    images x(200, {1, 8, 8});
    for (auto& v : x.values()) v = .5f;
    const auto found = perturb(noise<>{.sigma = .05, .keep = keep_rule::last},
                               testing::linear_model<2>({1, 8, 8}, random_weights(128)), x, labels(200, 0));
    double sum = 0, squares = 0;
    for (std::size_t i = 0; i < x.values().size(); ++i) {
        const double d = static_cast<double>(found.adversarial.values()[i]) - .5;
        sum += d, squares += d * d;
    }
    const double n = static_cast<double>(x.values().size());
    CHECK(std::abs(sum / n) < .002);
    CHECK(std::sqrt(squares / n) == Approx(.05).epsilon(.03));
    CHECK(found.rejected == 0);
    const auto strong = perturb(noise<>{.sigma = 5}, toy_linear(), random_images(10, toy_shape), labels(10, 0));
    for (const float v : strong.adversarial.values()) CHECK((v >= 0 && v <= 1));
}

TEST_CASE("more samples of noise are never weaker, and stay in the ball", "[attacks][noise]") {
    const auto model = toy_quadratic();
    const auto x = random_images(60, toy_shape);
    const auto y = predicted(model, x);
    attack_result<float> before;
    for (const std::size_t samples : {1u, 10u, 60u}) {
        const noise<linf> attack{.projection = {.epsilon = .1}, .samples = samples};
        const auto now = perturb(attack, testing::black_box(model), x, y);
        CHECK(verify_in_threat(x, now.adversarial, attack.projection).ok());
        for (std::size_t i = 0; i < x.size() && !before.success.empty(); ++i) {
            CHECK(now.success[i] >= before.success[i]);
            if (now.success[i] == before.success[i]) CHECK(now.loss[i] >= before.loss[i]);
        }
        CHECK(now.forwards[7] == samples + 1);
        before = now;
    }
    CHECK(before.success_rate() < perturb(pgd({.epsilon = .1, .step_size = .02}), model, x, y).success_rate());
}

TEST_CASE("noise has the same bits for any number of threads, batch size and order", "[attacks][noise][determinism]") {
    const auto x = random_images(67, toy_shape);
    check_invariance(noise<>{.sigma = .2, .samples = 5, .early_stop = true}, toy_quadratic(), x);
    check_invariance(noise<linf>{.projection = {.epsilon = .2}, .samples = 5, .targets = target_rule::least_likely}, toy_linear(),
                     x);
}

TEST_CASE("noise names the settings that are out of range", "[attacks][noise][errors]") {
    CHECK_THROWS_AS(noise<>{.sigma = -1}.validate("test"), invalid_argument);
    CHECK_THROWS_AS(noise<>{.samples = 0}.validate("test"), invalid_argument);
    CHECK_THROWS_AS(noise<linf>{.projection = {.epsilon = -1}}.validate("test"), invalid_argument);
}
