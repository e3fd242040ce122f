#include "gallery.hpp"
#include "saddle/attacks/an_pgd.hpp"
#include "saddle/attacks/bim.hpp"
#include "saddle/attacks/carlini_wagner_plus.hpp"
#include "saddle/attacks/fgsm.hpp"
#include "saddle/attacks/mifgsm.hpp"
#include "saddle/attacks/noise.hpp"
#include "saddle/attacks/on_grid.hpp"
#include "saddle/attacks/pgd.hpp"
#include "saddle/attacks/r_fgsm.hpp"
#include "saddle/attacks/restarts.hpp"
#include "saddle/projections/l0.hpp"
#include "saddle/projections/l1.hpp"
#include "saddle/projections/l2.hpp"

using namespace saddle;

void show_gradient_attacks(gallery& g) {
    g.show("noise, 100 draws", noise<linf>{.projection = {epsilon}, .samples = 100});
    g.show("FGSM", fgsm({.epsilon = epsilon}));
    g.show("R-FGSM", r_fgsm({.epsilon = epsilon}));
    g.show("BIM-10", bim({.epsilon = epsilon}));
    g.show("MI-FGSM-10", mifgsm({.epsilon = epsilon}));
    g.show("PGD-20", pgd({.epsilon = epsilon, .step_size = .01, .steps = 20}));
    g.show("PGD-20 on 256 levels", on_grid(pgd({.epsilon = epsilon, .step_size = .01, .steps = 20})));
    g.show("C&W+, 20 steps", carlini_wagner_plus({.epsilon = epsilon, .step_size = .01, .steps = 20}));
    g.show("restarts of FGSM", restarts(r_fgsm({.epsilon = epsilon}), 5));
    g.show("PGD-20, L2 1", pgd<l2>({.epsilon = 1, .step_size = .1, .steps = 20}));
    g.show("PGD-20, L1 10", pgd<l1>({.epsilon = 10, .step_size = 1, .steps = 20}));
    g.show("PGD-20, L0 20", pgd<l0>({.epsilon = 20, .step_size = 100, .steps = 20}));
    g.show("AN-PGD", an_pgd<>{.projection = {.epsilon = .3}, .initial = epsilon});
}
