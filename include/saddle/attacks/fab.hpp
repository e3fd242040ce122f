#pragma once
#include "saddle/attacks/fab_runner.hpp"

namespace saddle {

/// Settings of `fab`; the defaults are the reference's.
struct fab_settings {
    double epsilon = 8. / 255;
    std::size_t steps = 100;
    std::size_t restarts = 1;        ///< the first from x, the others from random points at epsilon / 2
    std::size_t target_classes = 0;  ///< 0: the nearest boundary of all classes; n: FAB-T, see apgd_settings
    double alpha_max = .1, eta = 1.05, beta = .9;
    bool early_stop = false;  ///< end at the first success inside the ball instead of looking for the nearest
    std::uint64_t seed = 0;
};

/// FAB, the fast adaptive boundary attack (Croce & Hein 2020): steps to the linearised decision boundary from the iterate and from x,
/// mixed, with overshoot eta; a misclassified iterate is set back towards x by beta. Made by `fab`.
///
/// It looks for the smallest perturbation; what is larger than epsilon does not count and gives the clean image, so a large epsilon
/// makes it a minimal-distance attack. Untargeted, a step costs K - 1 gradients, FAB-T one. Images misclassified already are left
/// alone, and runs after a success are not begun. Deviation: what lies in the ball is decided in real arithmetic; the reference
/// compares rounded norms with epsilon.
template <class ProjectionType>
struct fab_attack {
    using projection_type = ProjectionType;
    static constexpr bool needs_gradient = true;

    std::string_view name = "FAB";
    ProjectionType projection{};
    std::size_t steps = 100, restarts = 1, target_classes = 0;
    double alpha_max = .1, eta = 1.05, beta = .9;
    bool early_stop = false;
    std::uint64_t seed = 0;
    static constexpr target_rule targets = target_rule::untargeted;

    template <class S>
    using runner = fab_runner<fab_attack, S>;

    [[nodiscard]] static bool targeted() { return false; }
    template <class Visit>
    void describe(Visit&& visit) const {
        visit("steps", steps);
        visit("restarts", restarts);
        visit("target_classes", target_classes);
        visit("alpha_max", alpha_max);
        visit("eta", eta);
        visit("beta", beta);
        visit("early_stop", early_stop);
        visit("seed", seed);
    }
    void validate(std::string_view where) const {
        projection.validate(where);
        require(steps >= 1 && steps <= 100'000'000, where, "steps", "1 to 100000000", steps);
        require(restarts >= 1 && restarts <= 1'000'000, where, "restarts", "1 to 1000000", restarts);
        require(alpha_max >= 0 && alpha_max <= 1, where, "alpha_max", "a number in [0,1]", alpha_max);
        require(eta >= 1 && eta <= 100, where, "eta", "a number in [1,100]", eta);
        require(beta >= 0 && beta <= 1, where, "beta", "a number in [0,1]", beta);
    }
};

/// FAB with linf, l2 or l1; with target_classes FAB-T (AutoAttack takes 9).
template <class Projection = linf>
[[nodiscard]] fab_attack<Projection> fab(const fab_settings& s = {}) {
    static_assert(std::is_same_v<Projection, linf> || std::is_same_v<Projection, l2> || std::is_same_v<Projection, l1>,
                  "saddle: FAB is defined for linf, l2 and l1 (docs/auto_attack.md)");
    fab_attack<Projection> attack;
    attack.projection.epsilon = s.epsilon;
    attack.name = s.target_classes > 0 ? "FAB-T" : "FAB";
    attack.steps = s.steps;
    attack.restarts = s.restarts;
    attack.target_classes = s.target_classes;
    attack.alpha_max = s.alpha_max;
    attack.eta = s.eta;
    attack.beta = s.beta;
    attack.early_stop = s.early_stop;
    attack.seed = s.seed;
    return attack;
}

}  // namespace saddle
