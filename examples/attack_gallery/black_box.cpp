#include "gallery.hpp"
#include "saddle/attacks/boundary.hpp"
#include "saddle/attacks/flow.hpp"
#include "saddle/attacks/gradient_source.hpp"
#include "saddle/attacks/hop_skip_jump.hpp"
#include "saddle/attacks/nes.hpp"
#include "saddle/attacks/pgd.hpp"
#include "saddle/attacks/rotation_translation.hpp"
#include "saddle/attacks/spsa.hpp"

using namespace saddle;

void show_black_box_attacks(gallery& g) {
    const auto steps = pgd({.epsilon = epsilon, .step_size = .02, .steps = 20, .start = start_rule::none, .early_stop = true});
    g.show("NES", with_source(steps, nes{.samples = 20, .radius = .01}));
    g.show("SPSA", with_source(steps, spsa{}));
    g.show("boundary, 1000 steps", boundary{.steps = 1000});
    g.show("HopSkipJump, 5 steps", hop_skip_jump<l2>{.steps = 5});
    g.show("rotation-translation", rotation_translation{.angles = 7, .shifts = 3});
    g.show("flow", flow{.steps = 60});
}
