#include "attacks/invariance.hpp"
#include "saddle/attacks/boundary.hpp"
#include "saddle/attacks/hop_skip_jump.hpp"
#include "saddle/attacks/nes.hpp"
#include "saddle/attacks/spsa.hpp"
#include "saddle/backend/cpu/cpu.hpp"
#include "saddle/nn/model.hpp"
#include "saddle/nn/networks/conv_small.hpp"

using namespace saddle;

TEST_CASE("black-box attacks on a network give the same bits for any number of threads, batch size and order",
          "[attacks][determinism][network]") {
    const model<networks::conv_small<>, shape<1, 28, 28>, backend::cpu> network(3);
    const auto program = prepare(network);
    const auto x = random_images(20, {1, 28, 28});
    check_invariance(boundary{.steps = 12, .start_halvings = 4}, program, x);
    check_invariance(hop_skip_jump<>{.steps = 1, .first_evaluations = 20}, program, x.slice(0, 5));
    const auto settings = pgd_settings{.epsilon = .05, .step_size = .02, .steps = 2, .start = start_rule::none};
    check_invariance(with_source(pgd(settings), nes{.samples = 10}), program, x.slice(0, 5));
    check_invariance(with_source(pgd(settings), spsa{.samples = 10}), program, x.slice(0, 5));
}
