#include "saddle/attacks/auto_attack.hpp"
#include "gallery.hpp"
#include "saddle/attacks/apgd.hpp"
#include "saddle/attacks/fab.hpp"
#include "saddle/attacks/square.hpp"

using namespace saddle;

void show_auto_attack(gallery& g) {
    g.show("APGD", apgd({.epsilon = epsilon}));
    g.show("FAB", fab({.epsilon = epsilon}));
    g.show("Square, 500 queries", square({.epsilon = epsilon, .queries = 500}));
    g.show("AutoAttack", auto_attack({.epsilon = epsilon}));
}
