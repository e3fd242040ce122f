#pragma once
#include "saddle/attacks/factory.hpp"

#include <optional>

namespace saddle {

/// Settings of `mifgsm`.
struct mifgsm_settings {
    double epsilon = 8. / 255;
    std::optional<double> step_size{};  ///< default: epsilon / steps
    std::size_t steps = 10;
    double decay = 1;
    target_rule targets = target_rule::untargeted;
    keep_rule keep = keep_rule::last;
    bool early_stop = false;
    std::uint64_t seed = 0;
};

/// MI-FGSM (Dong et al. 2018): BIM along the accumulated, L1-normalised gradient. Decay 0 is BIM bit for bit; a zero gradient
/// adds nothing.
template <class Projection = linf, class Loss = cross_entropy>
[[nodiscard]] gradient_attack<Loss, Projection> mifgsm(const mifgsm_settings& s = {}, const Loss& loss = {}) {
    auto attack = make_gradient_attack<Projection>("MI-FGSM", loss, s);
    attack.step_size = s.step_size.value_or(share_of(s.epsilon, s.steps));
    attack.momentum = s.decay;
    return attack;
}

}  // namespace saddle
