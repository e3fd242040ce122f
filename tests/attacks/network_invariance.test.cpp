#include "saddle/attacks/perturb.hpp"

#include "attacks/invariance.hpp"
#include "saddle/attacks/pgd.hpp"
#include "saddle/backend/cpu/cpu.hpp"
#include "saddle/nn/model.hpp"
#include "saddle/nn/networks/conv_small.hpp"

using namespace saddle;

TEST_CASE("attacks on a network give the same bits for any number of threads, batch size and order",
          "[attacks][determinism][network]") {
    const model<networks::conv_small<>, shape<1, 28, 28>, backend::cpu> network(3);
    const auto program = prepare(network);
    const auto x = random_images(67, {1, 28, 28});
    check_invariance(
        pgd({.epsilon = .05, .step_size = .01, .steps = 5, .restarts = 2, .keep = keep_rule::best, .early_stop = true}), program,
        x);
}

TEST_CASE("attacking a model is attacking the program that prepare makes of it", "[attacks][network]") {
    const model<networks::conv_small<>, shape<1, 28, 28>, backend::cpu> network(3);
    STATIC_REQUIRE(DifferentiableModel<decltype(network)>);
    const auto x = random_images(20, {1, 28, 28});
    const auto y = predicted(network, x);
    const auto attack = pgd({.epsilon = .05, .step_size = .01, .steps = 5});
    const auto direct = perturb(attack, network, x, y);
    CHECK(same_bits(direct.adversarial, perturb(attack, prepare(network), x, y).adversarial));
    CHECK(verify_in_threat(x, direct.adversarial, attack.projection).ok());
    CHECK(direct.success_rate() > .5);
}
