#pragma once
#include "saddle/attacks/factory.hpp"

namespace saddle {

/// Settings of `fgsm`. Epsilon in units of the image (pixels in [0,1]).
struct fgsm_settings {
    double epsilon = 8. / 255;
    target_rule targets = target_rule::untargeted;
    std::uint64_t seed = 0;
};

/// FGSM (Goodfellow et al. 2015): one step of size epsilon from x, x' = P(x + epsilon · sign(gradient)); with l2, x + epsilon ·
/// g/‖g‖2.
template <class Projection = linf, class Loss = cross_entropy>
[[nodiscard]] gradient_attack<Loss, Projection> fgsm(const fgsm_settings& s = {}, const Loss& loss = {}) {
    auto attack = make_gradient_attack<Projection>("FGSM", loss, s.epsilon);
    attack.step_size = share_of(s.epsilon, 1);
    attack.steps = 1;
    attack.targets = s.targets;
    attack.seed = s.seed;
    return attack;
}

}  // namespace saddle
