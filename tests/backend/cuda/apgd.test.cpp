#include "saddle/attacks/apgd.hpp"
#include "saddle/attacks/perturb.hpp"
#include "saddle/backend/cpu/cpu.hpp"
#include "saddle/cuda.cuh"
#include "saddle/nn/activations.hpp"
#include "saddle/nn/linear.hpp"
#include "saddle/nn/model.hpp"
#include "saddle/nn/sequential.hpp"
#include "saddle/projections/verify.hpp"
#include "saddle/testing/random_images.hpp"
#include "support/catch.hpp"

using namespace saddle;

namespace cuda_apgd {

/// The same weights on both backends; tanh rather than ReLU: no kink decides which gradient an iterate has.
struct both {
    using network = sequential<conv2d<4, 3>, saddle::tanh, flatten, linear<4>>;
    model<network, shape<1, 5, 5>, backend::cuda_fp32> device{3};
    model<network, shape<1, 5, 5>, backend::cpu> host{3};
    images x = testing::random_images<float>(9, {1, 5, 5});
    labels y;
    worker_pool pool{1};

    both() {
        for (auto& v : x.values()) v = .5f + .5f * v;
        for (auto& w : device.parameters()) w *= 3;
        for (auto& w : host.parameters()) w *= 3;
        y = predict(host, x, pool).classes;
        y[2] = (y[2] + 1) % 4;  // misclassified from the start
    }
};

template <class Attack>
void check_same(const Attack& attack, const run_settings& settings = {}) {
    both b;
    const auto program = prepare(b.device);
    const auto found = perturb(attack, program, b.x, b.y, b.pool, settings);
    const auto expected = perturb(attack, b.host, b.x, b.y, b.pool, settings);
    double worst = 0;
    for (std::size_t i = 0; i < found.adversarial.values().size(); ++i)
        worst = std::max(worst, std::abs(static_cast<double>(found.adversarial.values()[i]) - expected.adversarial.values()[i]));
    CHECK(worst <= 2e-5);
    CHECK(found.gradients == expected.gradients);
    CHECK(found.forwards == expected.forwards);
    CHECK(found.gradient_calls == expected.gradient_calls);
    CHECK(found.targets == expected.targets);
    CHECK(found.success == expected.success);
    CHECK(found.status == expected.status);
    CHECK(found.clean_predictions == expected.clean_predictions);
    CHECK(found.adversarial_predictions == expected.adversarial_predictions);
    CHECK(found.rejected == 0);
    for (std::size_t i = 0; i < found.loss.size(); ++i)
        CHECK(found.loss[i] == Approx(expected.loss[i]).epsilon(1e-3).margin(1e-5));
    CHECK(found.trace.success == expected.trace.success);
    for (std::size_t i = 0; i < found.trace.loss.size(); ++i)
        CHECK(found.trace.loss[i] == Approx(expected.trace.loss[i]).epsilon(1e-3).margin(1e-5));
    CHECK(perturb(attack, program, b.x, b.y, b.pool, settings).adversarial == found.adversarial);
}

}  // namespace cuda_apgd

using namespace cuda_apgd;

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
