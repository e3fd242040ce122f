#pragma once
#include "saddle/attacks/factory.hpp"

namespace saddle {

/// The three attacks called "random start, one step".
enum class r_fgsm_kind {
    unclipped,    ///< U[-eps,eps], not clipped before the gradient, then a step of eps, ball, range (bilateral training's R-FGSM)
    random_sign,  ///< x + eps/2 · random signs, then a step of eps/2 (RAND+FGSM, Tramèr et al. 2018)
    fast          ///< U[-eps,eps] inside the range, then a step of 1.25 eps, ball (fast adversarial training, Wong et al. 2020)
};

/// Settings of `r_fgsm`.
struct r_fgsm_settings {
    double epsilon = 8. / 255;
    r_fgsm_kind kind = r_fgsm_kind::unclipped;
    target_rule targets = target_rule::untargeted;
    std::size_t restarts = 1;
    std::uint64_t seed = 0;
};

/// FGSM from a random start, in the ball in the end whatever the kind. `most_confusing` targets give R-MC (Wang & Zhang 2019).
template <class Projection = linf, class Loss = cross_entropy>
[[nodiscard]] gradient_attack<Loss, Projection> r_fgsm(const r_fgsm_settings& s = {}, const Loss& loss = {}) {
    auto attack = make_gradient_attack<Projection>("R-FGSM", loss, s.epsilon);
    const bool signs = s.kind == r_fgsm_kind::random_sign;
    attack.step_size = share_of(s.epsilon, 1) * (signs ? .5 : s.kind == r_fgsm_kind::fast ? 1.25 : 1.);
    attack.steps = 1;
    attack.start = signs ? start_rule::random_sign : start_rule::uniform;
    attack.start_scale = s.epsilon / 2;
    attack.project_start = s.kind != r_fgsm_kind::unclipped;
    attack.restarts = s.restarts;
    attack.targets = s.targets;
    attack.seed = s.seed;
    return attack;
}

}  // namespace saddle
