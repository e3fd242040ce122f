#include "gallery.hpp"
#include "saddle/attacks/carlini_wagner_l0.hpp"
#include "saddle/attacks/carlini_wagner_l2.hpp"
#include "saddle/attacks/carlini_wagner_linf.hpp"
#include "saddle/attacks/deepfool.hpp"
#include "saddle/attacks/fgsm.hpp"
#include "saddle/attacks/inside_ball.hpp"
#include "saddle/attacks/jsma.hpp"
#include "saddle/attacks/strongest_of.hpp"

using namespace saddle;

void show_nearest_attacks(gallery& g) {
    g.show("C&W L2", carlini_wagner_l2{.binary_steps = 6, .steps = 200, .initial_c = .1});
    g.show("C&W Linf", carlini_wagner_linf{.steps = 100, .initial_c = .01});
    g.show("C&W L0", carlini_wagner_l0{.steps = 50, .initial_c = .1, .largest_c = 100});
    g.show("DeepFool L2", deepfool<l2>{});
    g.show("DeepFool Linf", deepfool<linf>{});
    g.show("JSMA-Z", jsma_z);
    g.show("JSMA-F", jsma_f);
    g.show("strongest of two", strongest_of(fgsm({.epsilon = epsilon}), inside_ball(deepfool<linf>{}, linf{epsilon})));
}
