// expected-error: saddle: this attack has no `template <class Session> runner` with step and finish, and no run of its own
#include "saddle/attacks/perturb.hpp"
#include "saddle/attacks/pgd.hpp"
#include "saddle/testing/archetypes.hpp"

struct own_attack : saddle::gradient_attack<> {
#ifndef SADDLE_COMPILES
    struct runner {};
#endif
};

auto attack(const saddle::testing::linear_model<2>& m, const saddle::images& x, const saddle::labels& y) {
    return saddle::perturb(own_attack{}, m, x, y);
}
