#include "attacks/invariance.hpp"
#include "saddle/attacks/auto_attack.hpp"
#include "saddle/backend/cpu/cpu.hpp"
#include "saddle/nn/model.hpp"
#include "saddle/nn/networks/conv_small.hpp"

using namespace saddle;

TEST_CASE("AutoAttack's parts on a network give the same bits for any number of threads, batch size and order",
          "[attacks][auto_attack][determinism][network]") {
    const model<networks::conv_small<>, shape<1, 28, 28>, backend::cpu> network(3);
    const auto program = prepare(network);
    const auto x = random_images(37, {1, 28, 28});
    using enum auto_attack_part;
    check_invariance(auto_attack<l2>({.epsilon = .04,
                                      .version = auto_attack_version::custom,
                                      .parts = {apgd_ce, fab, square, apgd_t, fab_t},
                                      .steps = 3,
                                      .queries = 8,
                                      .target_classes = 2,
                                      .restarts = 1}),
                     program, x);
}
