// expected-error: saddle: this type is not an attack: it has no `projection` with an `epsilon`
#include "saddle/attacks/perturb.hpp"
#include "saddle/attacks/pgd.hpp"
#include "saddle/testing/archetypes.hpp"

struct own_attack : saddle::gradient_attack<> {
#ifndef SADDLE_COMPILES
    double projection = 0;
#endif
};

auto attack(const saddle::testing::linear_model<2>& m, const saddle::images& x, const saddle::labels& y) {
    return saddle::perturb(own_attack{}, m, x, y);
}
