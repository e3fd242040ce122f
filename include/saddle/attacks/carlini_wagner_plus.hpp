#pragma once
#include "saddle/attacks/pgd.hpp"
#include "saddle/losses/logit_margin.hpp"

namespace saddle {

/// C&W as the Madry challenge has it: PGD on -(kappa - M)+, M the logit margin.
///
/// kappa 0 is "C&W inf" (30 steps in SPAT), which stops pushing at the boundary; kappa 50 is "C&W+", the default. Any threat.
template <class Projection = linf>
[[nodiscard]] gradient_attack<logit_margin, Projection> carlini_wagner_plus(const pgd_settings& s = pgd_mnist,
                                                                            double kappa = 50) {
    auto attack = pgd<Projection>(s, logit_margin{.clipped = true, .kappa = kappa});
    attack.name = kappa > 0 ? "C&W+" : "C&W inf";
    return attack;
}

}  // namespace saddle
