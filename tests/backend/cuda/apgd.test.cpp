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

TEST_CASE("APGD on L2 and L1 on the emulated device does what it does on the processor", "[cuda]") {
    run_settings settings;
    settings.trace = true;
    // Few steps: once the loss changes by its rounding alone, the schedules part.
    check_same(apgd<l2>({.epsilon = .3, .steps = 6, .seed = 5}), settings, 1e-6);
    check_same(apgd<l2, dlr>({.epsilon = .5, .steps = 4, .profile = attack_profile::deterministic}), {}, 1e-6);
    check_same(apgd<l1>({.epsilon = 1, .steps = 4, .seed = 5}), settings, 1e-5);
    const std::vector<double> epsilons{0, .1, 1, 2, .05, .1, .2, .3, .5};
    settings.epsilons = epsilons;
    check_same(apgd<l2>({.epsilon = .3, .steps = 4, .restarts = 2, .rho = .4, .keep = keep_rule::best}), settings, 1e-6);
    check_same(apgd<l1>({.epsilon = 1, .steps = 4, .restarts = 2, .keep = keep_rule::best}), settings, 1e-4);
}

TEST_CASE("APGD on L1 with larger epsilons goes through its stages on the emulated device", "[cuda]") {
    run_settings settings;
    settings.trace = true;
    check_same(apgd<l1>({.epsilon = .6, .steps = 8, .restarts = 2, .larger_epsilons = true}), settings, 1e-4);
    check_same(apgd<l1, dlr>({.epsilon = .5,
                              .steps = 8,
                              .target_classes = 2,
                              .larger_epsilons = true,
                              .keep = keep_rule::first_success,
                              .early_stop = true}),
               settings, 1e-4);
}

TEST_CASE("APGD over target classes on the emulated device is the processor's", "[cuda]") {
    run_settings settings;
    settings.trace = true;
    check_same(apgd({.epsilon = .1, .steps = 6, .target_classes = 2}), settings);
    check_same(apgd<linf, dlr>({.epsilon = .05, .steps = 8, .restarts = 2, .target_classes = 9, .keep = keep_rule::best}),
               settings);
    check_same(
        apgd<linf, dlr>({.epsilon = .1, .steps = 12, .target_classes = 3, .keep = keep_rule::first_success, .early_stop = true}),
        settings);
    check_same(apgd<l2, dlr>({.epsilon = .2, .steps = 6, .target_classes = 3}), settings);
}

TEST_CASE("the next target class follows the order of the clean logits, NaN last", "[cuda]") {
    constexpr int lanes = 64, classes = 5;
    const float nan = std::numeric_limits<float>::quiet_NaN();
    const float logits[3][classes] = {{1, 3, 2, 3, 0}, {nan, 1, nan, 5, 1}, {2, 2, 2, 2, 2}};
    const std::int32_t labels[3] = {2, 3, 0};
    target_ranking<float, 3> expected(classes);
    cuda::lane_memory records;
    records.reserve(lanes, 0);
    const auto& s = records.device();
    std::vector<float> clean(classes * lanes);
    for (int l = 0; l < lanes; ++l) {
        s.label[l] = labels[l % 3];
        for (int k = 0; k < classes; ++k) clean[k * lanes + l] = logits[l % 3][k];
    }
    for (std::size_t i = 0; i < 3; ++i) expected.rank(i, logits[i], 1, labels[i]);
    const cuda::stream order;
    for (std::size_t rank = 0; rank + 1 < classes; ++rank) {
        cuda::launch(order.handle(), cuda::aim_at_next<>, {.operation = "aim", .blocks = 1, .threads = 64}, s,
                     static_cast<const float*>(clean.data()), classes, lanes, rank == 0);
        for (std::size_t l = 0; l < lanes; ++l) CHECK(s.goal[l] == static_cast<float>(expected.at(l % 3, rank)));
    }
}

TEST_CASE("an image's APGD on the device does not depend on its batch", "[cuda]") {
    check_alone(apgd<l2>({.epsilon = .3, .steps = 4}));
    check_alone(apgd<l1>({.epsilon = .6, .steps = 5, .target_classes = 2, .larger_epsilons = true}));
}

TEST_CASE("threads in reverse order give APGD the same bits", "[cuda]") {
    both b;
    const auto program = prepare(b.device);
    const auto check = [&](const auto& attack) {
        const auto forwards = perturb(attack, program, b.x, b.y, b.pool).adversarial;
        cuda_emulator::reverse_order = true;
        const auto backwards = perturb(attack, program, b.x, b.y, b.pool).adversarial;
        cuda_emulator::reverse_order = false;
        CHECK(backwards == forwards);
    };
    check(apgd<l2>({.epsilon = .3, .steps = 2}));
    check(apgd<l1>({.epsilon = .6, .steps = 5, .target_classes = 1, .larger_epsilons = true}));
}

TEST_CASE("APGD over samples and under budgets goes through sessions", "[cuda]") {
    run_settings limited;
    limited.max_gradients = 3;
    check_same(apgd({.epsilon = .1, .steps = 4, .samples = 2}));
    check_same(apgd({.epsilon = .1, .steps = 6}), limited);
    check_same(apgd<l1>({.epsilon = 1, .steps = 6}), limited, 1e-4);
}

TEST_CASE("APGD's steps on the device do not wait for the host", "[cuda]") {
    both b;
    const auto program = prepare(b.device);
    const auto copied = [&](const auto& attack) {
        run_settings quick;
        quick.examples_only = true;
        const std::size_t before = cuda_emulator::bytes_to_host;
        (void)perturb(attack, program, b.x, b.y, b.pool, quick);
        return cuda_emulator::bytes_to_host - before;
    };
    CHECK(copied(apgd({.epsilon = .1, .steps = 4})) == copied(apgd({.epsilon = .1, .steps = 20})));
    CHECK(copied(apgd<l2>({.epsilon = .1, .steps = 2})) == copied(apgd<l2>({.epsilon = .1, .steps = 6})));
    CHECK(copied(apgd<l1, dlr>({.epsilon = .1, .steps = 5, .target_classes = 2, .larger_epsilons = true})) ==
          copied(apgd<l1, dlr>({.epsilon = .1, .steps = 10, .target_classes = 2, .larger_epsilons = true})));
}
