#include "saddle/attacks/transfer.hpp"

#include "attacks/invariance.hpp"
#include "attacks/toy.hpp"
#include "saddle/attacks/pgd.hpp"

using namespace saddle;

namespace {

struct transfer_problem {
    testing::quadratic_model<3> target = toy_quadratic();
    testing::linear_model<3> other = toy_linear();
    images x = random_images(40, toy_shape);
    labels y = predicted(target, x);
};

}  // namespace

TEST_CASE("an attack from the model itself is the white-box attack, judged by two queries", "[attacks][transfer]") {
    const transfer_problem p;
    const auto attack = pgd({.epsilon = .05, .step_size = .01, .steps = 10});
    const auto white = perturb(attack, p.target, p.x, p.y);
    const auto found = perturb(transfer(attack, p.target, "itself"), testing::black_box(p.target), p.x, p.y);
    CHECK(same_bits(found.adversarial, white.adversarial));
    CHECK(found.success == white.success);
    CHECK(found.gradient_calls == 0);
    CHECK(found.forward_calls == 80);
}

TEST_CASE("what another model's attack makes is judged on the target", "[attacks][transfer]") {
    const transfer_problem p;
    const auto attack = pgd({.epsilon = .1, .step_size = .02, .steps = 10});
    const auto made = perturb(attack, p.other, p.x, p.y);
    const auto found = perturb(transfer(attack, p.other, "linear"), p.target, p.x, p.y);
    CHECK(same_bits(found.adversarial, made.adversarial));
    worker_pool pool(1);
    const auto after = predict(p.target, made.adversarial, pool).classes;
    for (std::size_t i = 0; i < 40; ++i) {
        CHECK(found.adversarial_predictions[i] == after[i]);
        CHECK(found.clean_predictions[i] == p.y[i]);
        CHECK(found.success[i] == (after[i] != p.y[i]));
        CHECK((found.status[i] == attack_status::succeeded) == (found.success[i] == 1));
    }
    CHECK(found.success_rate() < perturb(attack, p.target, p.x, p.y).success_rate());
}

TEST_CASE("a targeted transfer succeeds only at its target", "[attacks][transfer]") {
    const transfer_problem p;
    const auto found = perturb(
        transfer(pgd({.epsilon = .3, .step_size = .05, .steps = 20, .targets = target_rule::next_class}), p.target, "itself"),
        p.target, p.x, p.y);
    CHECK(found.success_rate() > .5);
    for (std::size_t i = 0; i < 40; ++i) CHECK(found.success[i] == (found.adversarial_predictions[i] == (p.y[i] + 1) % 3));
}

TEST_CASE("a transfer gives the same bits for any threads, batches and order", "[attacks][transfer][threads]") {
    const transfer_problem p;
    check_invariance(transfer(pgd({.epsilon = .1, .steps = 3}), p.other, "linear"), p.target, random_images(20, toy_shape));
}
