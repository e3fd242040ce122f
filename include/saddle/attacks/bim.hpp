#pragma once
#include "saddle/attacks/factory.hpp"

#include <optional>

namespace saddle {

/// Settings of `bim`.
struct bim_settings {
    double epsilon = 8. / 255;
    std::optional<double> step_size{};  ///< default: epsilon / steps, BIM(N)
    std::size_t steps = 10;
    target_rule targets = target_rule::untargeted;
    keep_rule keep = keep_rule::last;
    bool early_stop = false;
    std::uint64_t seed = 0;
};

/// BIM(N) (Kurakin et al. 2017): N steps from x without a random start. The ball projection is always on; at step epsilon / N
/// it is idle.
template <class Projection = linf, class Loss = cross_entropy>
[[nodiscard]] gradient_attack<Loss, Projection> bim(const bim_settings& s = {}, const Loss& loss = {}) {
    auto attack = make_gradient_attack<Projection>("BIM", loss, s);
    attack.step_size = s.step_size.value_or(share_of(s.epsilon, s.steps));
    return attack;
}

}  // namespace saddle
