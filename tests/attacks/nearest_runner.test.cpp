#include "saddle/attacks/nearest_runner.hpp"

#include "attacks/invariance.hpp"
#include "saddle/attacks/carlini_wagner_l0.hpp"
#include "saddle/attacks/carlini_wagner_l2.hpp"
#include "saddle/attacks/carlini_wagner_linf.hpp"
#include "saddle/attacks/deepfool.hpp"
#include "saddle/attacks/flow.hpp"
#include "saddle/attacks/jsma.hpp"
#include "saddle/backend/cpu/cpu.hpp"
#include "saddle/nn/model.hpp"
#include "saddle/nn/networks/conv_small.hpp"

using namespace saddle;

namespace {

template <class F>
void for_each_attack(std::size_t elements, F&& f) {
    f(carlini_wagner_l2{.binary_steps = 2, .steps = 3, .initial_c = 10});
    f(carlini_wagner_linf{.steps = 2, .initial_c = 8});
    f(carlini_wagner_l0{.steps = 2, .initial_c = 10, .largest_c = 30});
    f(deepfool<l2>{.steps = 2, .candidates = 4});
    f(deepfool<linf>{.steps = 1, .candidates = 3});
    f(jsma{.gamma = 10. / static_cast<double>(elements)});
    f(flow{.steps = 2});
}

}  // namespace

TEST_CASE("attacks for the nearest image give the same bits on a network for any threads, batch and order",
          "[attacks][determinism][network]") {
    const model<networks::conv_small<>, shape<1, 28, 28>, backend::cpu> network(3);
    const auto program = prepare(network);
    const auto x = random_images(18, {1, 28, 28});
    for_each_attack(x.each().size(), [&](const auto& attack) {
        INFO(attack.name);
        check_invariance(attack, program, x);
    });
}

TEST_CASE("logits that are not finite are never a success of an attack for the nearest image", "[attacks][pitfalls]") {
    const auto inner = toy_quadratic();
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
        const partly_broken<testing::quadratic_model<3>> model{&inner, bad};
        auto x = random_images(20, toy_shape);
        for (std::size_t i = 0; i < x.size(); ++i) x[i][0] = i % 4 == 1 ? .95f : .85f;
        const auto y = predicted(inner, x);
        for_each_attack(x.each().size(), [&](const auto& attack) {
            INFO(attack.name);
            const auto found = perturb(attack, model, x, y);
            CHECK(found.rejected == 0);
            for (std::size_t i = 0; i < x.size(); ++i) {
                if (i % 4 == 1) {
                    CHECK(found.status[i] == attack_status::not_finite);
                    CHECK(same_bits<float>(found.adversarial[i], x[i]));
                }
                CHECK((found.success[i] == 1) ==
                      (found.adversarial_predictions[i] >= 0 &&
                       found.adversarial_predictions[i] ==
                           (found.targets.empty() ? found.adversarial_predictions[i] : found.targets[i]) &&
                       found.adversarial_predictions[i] != y[i]));
            }
        });
    }
}

TEST_CASE("an image that is wrong already is the answer at distance 0", "[attacks][nearest]") {
    const auto model = toy_quadratic();
    const auto x = random_images(6, toy_shape);
    auto y = predicted(model, x);
    y[2] = (y[2] + 1) % 3;
    for_each_attack(x.each().size(), [&](const auto& attack) {
        if (attack.targeted()) return;
        INFO(attack.name);
        const auto found = perturb(attack, model, x, y);
        CHECK(found.success[2] == 1);
        CHECK(same_bits<float>(found.adversarial[2], x[2]));
        CHECK(found.forwards[2] == 1);
        CHECK(found.gradients[2] == 0);
        CHECK(found.distances[2] == perturbation_size{});
    });
}
