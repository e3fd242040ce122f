#pragma once
#include "saddle/attacks/perturb.hpp"
#include "saddle/attacks/predict.hpp"
#include "saddle/backend/cpu/cpu.hpp"
#include "saddle/cuda.cuh"
#include "saddle/nn/activations.hpp"
#include "saddle/nn/conv2d.hpp"
#include "saddle/nn/linear.hpp"
#include "saddle/nn/model.hpp"
#include "saddle/nn/sequential.hpp"
#include "saddle/projections/verify.hpp"
#include "saddle/testing/random_images.hpp"
#include "support/catch.hpp"

namespace saddle::testing {

using same_network = sequential<conv2d<4, 3>, saddle::tanh, flatten, linear<4>>;
using picture = shape<1, 5, 5>;

/// The same weights on both backends. tanh rather than ReLU: no kink decides which gradient an iterate has.
struct both {
    model<same_network, picture, backend::cuda_fp32> device{3};
    model<same_network, picture, backend::cpu> host{3};
    images x = random_images<float>(9, picture::value);
    labels y;

    both() {
        for (auto& v : x.values()) v = .5f + .5f * v;
        for (auto& w : device.parameters()) w *= 3;
        for (auto& w : host.parameters()) w *= 3;
        y = predict(host, x, pool).classes;
        y[2] = (y[2] + 1) % 4;  // one that is misclassified from the start
    }
    worker_pool pool{1};
};

/// Both backends do the same, the device the same bits again; `apart` is the largest difference allowed between pixels.
template <class Attack>
void check_same(const Attack& attack, const run_settings& settings = {}, double apart = 2e-5) {
    both b;
    const auto program = prepare(b.device);
    const auto found = perturb(attack, program, b.x, b.y, b.pool, settings);
    const auto expected = perturb(attack, b.host, b.x, b.y, b.pool, settings);
    double worst = 0;
    for (std::size_t i = 0; i < found.adversarial.values().size(); ++i)
        worst = std::max(worst, std::abs(static_cast<double>(found.adversarial.values()[i]) - expected.adversarial.values()[i]));
    CHECK(worst <= apart);
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
    CHECK(verify_in_threat(b.x, found.adversarial, attack.projection, settings.epsilons).ok());
}

/// Attacked alone, an image has the bits that it has in a batch.
template <class Attack>
void check_alone(const Attack& attack) {
    both b;
    const auto together = perturb(attack, b.device, b.x, b.y, b.pool).adversarial;
    for (const std::size_t i : {0, 5}) {
        const std::vector<std::uint64_t> ids{i};
        run_settings settings;
        settings.ids = ids;
        const auto alone = perturb(attack, b.device, b.x.slice(i, 1), {b.y[i]}, b.pool, settings).adversarial;
        CHECK(std::equal(alone[0].begin(), alone[0].end(), together[i].begin()));
    }
}

}  // namespace saddle::testing
