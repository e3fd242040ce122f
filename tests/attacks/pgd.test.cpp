#include "saddle/attacks/pgd.hpp"

#include "attacks/toy.hpp"
#include "saddle/projections/l1.hpp"
#include "saddle/projections/l2.hpp"
#include "support/catch.hpp"

using namespace saddle;

TEST_CASE("PGD's named settings are those of the reference implementations", "[attacks][pgd]") {
    const auto mnist = pgd(pgd_mnist);
    CHECK(mnist.projection.epsilon == .3);
    CHECK(mnist.step_size == .01);
    CHECK(mnist.steps == 40);
    CHECK(mnist.start == start_rule::uniform);
    CHECK(pgd(pgd_cifar10).steps == 20);
    CHECK(pgd(pgd_trades_training).start_scale == .001);
    CHECK(pgd<l2>(pgd_l2).projection.epsilon == 1);
    CHECK(pgd<l1>(pgd_l1).step_size == 1);
    CHECK(pgd(pgd_fast_evaluation).restarts == 10);
}

TEST_CASE("PGD whose steps cannot reach epsilon stays weaker", "[attacks][pgd]") {
    const auto model = toy_linear();
    const auto x = random_images(60, toy_shape);
    const auto y = predicted(model, x);
    const auto rate = [&](double step, std::size_t steps) {
        return perturb(pgd({.epsilon = .1, .step_size = step, .steps = steps, .start = start_rule::none}), model, x, y)
            .success_rate();
    };
    CHECK(rate(.001, 5) < rate(.02, 5));
    CHECK(rate(.05, 10) == rate(.05, 50));
}

TEST_CASE("PGD gets stronger with epsilon", "[attacks][pgd]") {
    const auto model = toy_quadratic();
    const auto x = random_images(60, toy_shape);
    const auto y = predicted(model, x);
    double before = -1;
    for (const double epsilon : {0., .02, .05, .1, .5}) {
        const double rate = perturb(pgd({.epsilon = epsilon, .step_size = .02, .steps = 40}), model, x, y).success_rate();
        CHECK(rate >= before);
        before = rate;
    }
    CHECK(before == 1);
}
