#include "saddle/attacks/apgd.hpp"
#include "same_attack.hpp"

using namespace saddle;
using namespace saddle::testing;

TEST_CASE("APGD on the emulated device does what it does on the processor", "[cuda]") {
    check_same(apgd({.epsilon = .1, .steps = 12, .seed = 5}));
    check_same(apgd({.epsilon = .05, .steps = 30, .rho = .4}));
    check_same(apgd<linf, dlr>({.epsilon = .1, .steps = 10}));
    check_same(apgd({.epsilon = .1, .steps = 10, .profile = attack_profile::deterministic}));
}

TEST_CASE("restarts, traces and rules of APGD on the emulated device are the processor's", "[cuda]") {
    run_settings settings;
    settings.trace = true;
    const std::vector<double> epsilons{0, .1, .2, .3, .05, .1, .2, .3, .05};
    check_same(apgd({.epsilon = .05, .steps = 8, .restarts = 3}), settings);
    settings.epsilons = epsilons;
    check_same(apgd({.epsilon = .05, .steps = 8, .restarts = 2, .keep = keep_rule::best}), settings);
    check_same(apgd({.epsilon = .05, .steps = 8, .restarts = 2, .keep = keep_rule::first_success, .early_stop = true}), settings);
    check_same(apgd({.epsilon = .2, .steps = 6, .targets = target_rule::least_likely}));
    check_same(apgd({.epsilon = .2, .steps = 6, .targets = target_rule::random, .seed = 3}));
    run_settings quick;
    quick.examples_only = true;
    check_same(apgd({.epsilon = .1, .steps = 6}), quick);
}

TEST_CASE("APGD over target classes and under budgets goes through sessions", "[cuda]") {
    run_settings limited;
    limited.max_gradients = 3;
    check_same(apgd({.epsilon = .1, .steps = 6, .target_classes = 2}));
    check_same(apgd({.epsilon = .1, .steps = 6}), limited);
}

TEST_CASE("APGD's steps on the device do not wait for the host", "[cuda]") {
    both b;
    const auto program = prepare(b.device);
    const auto copied = [&](std::size_t steps) {
        run_settings quick;
        quick.examples_only = true;
        const std::size_t before = cuda_emulator::bytes_to_host;
        (void)perturb(apgd({.epsilon = .1, .steps = steps}), program, b.x, b.y, b.pool, quick);
        return cuda_emulator::bytes_to_host - before;
    };
    CHECK(copied(4) == copied(20));
}
