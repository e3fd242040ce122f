#include "saddle/attacks/fgsm.hpp"
#include "saddle/attacks/mifgsm.hpp"
#include "saddle/attacks/pgd.hpp"
#include "saddle/attacks/r_fgsm.hpp"
#include "saddle/losses/kl_divergence.hpp"
#include "saddle/losses/logit_margin.hpp"
#include "saddle/projections/box_only.hpp"
#include "saddle/projections/l1.hpp"
#include "saddle/projections/l2.hpp"
#include "same_attack.hpp"

using namespace saddle;
using namespace saddle::testing;

TEST_CASE("PGD on the emulated device does what it does on the processor", "[cuda]") {
    check_same(pgd({.epsilon = .1, .step_size = .03, .steps = 4, .seed = 5}));
    check_same(fgsm({.epsilon = .05}));
    check_same(mifgsm({.epsilon = .1, .steps = 3}));
    check_same(r_fgsm({.epsilon = .1, .seed = 2}));
    check_same(r_fgsm({.epsilon = .1, .kind = r_fgsm_kind::random_sign}));
}

TEST_CASE("examples alone need no judging passes on the device either", "[cuda]") {
    run_settings settings;
    settings.examples_only = true;
    settings.epoch = 3;
    const std::vector<std::uint64_t> ids{9, 8, 7, 6, 5, 4, 3, 2, 1};
    settings.ids = ids;
    check_same(pgd({.epsilon = .1, .step_size = .03, .steps = 3}), settings);
    check_same(fgsm({.epsilon = .05}), settings);
}

TEST_CASE("restarts, early stops and traces on the emulated device are the processor's", "[cuda]") {
    run_settings settings;
    settings.trace = true;
    check_same(pgd({.epsilon = .2, .step_size = .05, .steps = 3, .restarts = 2}), settings);
    check_same(pgd({.epsilon = .2, .step_size = .05, .steps = 3, .restarts = 2, .keep = keep_rule::best, .early_stop = true}),
               settings);
    check_same(pgd({.epsilon = .2, .step_size = .05, .steps = 9, .keep = keep_rule::first_success, .early_stop = true}),
               settings);
}

TEST_CASE("targets on the emulated device are the processor's", "[cuda]") {
    for (const auto rule : {target_rule::random, target_rule::least_likely, target_rule::most_confusing, target_rule::next_class})
        check_same(pgd({.epsilon = .2, .step_size = .05, .steps = 2, .targets = rule, .seed = 4}));
    run_settings settings;
    labels targets = both().y;
    for (std::size_t i = 0; i < targets.size(); ++i) targets[i] = (targets[i] + 1 + static_cast<std::int32_t>(i % 3)) % 4;
    settings.targets = targets;
    check_same(pgd({.epsilon = .2, .step_size = .05, .steps = 2, .targets = target_rule::given}), settings);
}

TEST_CASE("other losses and radii per image on the emulated device", "[cuda]") {
    run_settings settings;
    const std::vector<double> epsilons{0, .1, .2, .3, .05, .1, .2, .3, .05};
    settings.epsilons = epsilons;
    check_same(pgd<linf>({.epsilon = .2, .step_size = .05, .steps = 3}, logit_margin{}), settings);
    check_same(pgd<linf>({.epsilon = .2, .step_size = .05, .steps = 3}, kl_divergence{}));
}

TEST_CASE("L2 and L1 attacks on the emulated device stay in the ball and follow the processor's", "[cuda]") {
    check_same(pgd<l2>({.epsilon = .5, .step_size = .2, .steps = 3}));
    check_same(pgd<l2>({.epsilon = .7, .step_size = .3, .steps = 2, .start = start_rule::none}));
    check_same(pgd<l1>({.epsilon = 1, .step_size = .5, .steps = 3}), {}, 1e-4);
    auto sparse = pgd<l1>({.epsilon = 1, .step_size = .6, .steps = 3, .start = start_rule::gaussian});
    sparse.projection.largest = 3;
    check_same(sparse, {}, 1e-4);
    check_same(pgd<box_only>({.step_size = .1, .steps = 3}));
}

TEST_CASE("budgets send the attack through sessions, lane by lane", "[cuda]") {
    run_settings settings;
    settings.max_gradients = 2;
    check_same(pgd({.epsilon = .1, .step_size = .03, .steps = 4}), settings);
}

TEST_CASE("a program keeps its engines between calls and takes new weights", "[cuda]") {
    both b;
    auto program = prepare(b.device);
    const auto attack = pgd({.epsilon = .1, .step_size = .03, .steps = 2});
    const auto before = perturb(attack, program, b.x, b.y, b.pool).adversarial;
    CHECK(perturb(attack, program, b.x, b.y, b.pool).adversarial == before);
    for (auto& w : b.device.parameters()) w *= -1;
    program.update(b.device.parameters(), b.device.buffers());
    CHECK_FALSE(perturb(attack, program, b.x, b.y, b.pool).adversarial == before);
    CHECK(perturb(attack, program, b.x, b.y, b.pool).adversarial == perturb(attack, b.device, b.x, b.y, b.pool).adversarial);
}

TEST_CASE("an image's result does not depend on its batch", "[cuda]") {
    check_alone(pgd({.epsilon = .1, .step_size = .03, .steps = 2}));
}
