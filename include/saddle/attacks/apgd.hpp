#pragma once
#include "saddle/attacks/apgd_runner.hpp"
#include "saddle/losses/cross_entropy.hpp"
#include "saddle/losses/dlr.hpp"

namespace saddle {

/// Settings of `apgd`; the defaults are the reference's.
struct apgd_settings {
    double epsilon = 8. / 255;
    std::size_t steps = 100;
    std::size_t restarts = 1;
    /// 0: as `targets` says. n: aim at the n wrong classes of the largest clean logits, one after another, until the image is
    /// misclassified as anything (APGD-T; the reference takes 9). Fewer where the model has fewer.
    std::size_t target_classes = 0;
    std::size_t samples = 1;  ///< draws of the model's randomness that a gradient is the mean of (EOT; the reference's rand: 20)
    double rho = .75;         ///< share of steps that must raise the loss
    bool larger_epsilons = false;  ///< L1: 3, 2 and 1 epsilon for 30, 30 and 40 % of the steps
    target_rule targets = target_rule::untargeted;
    keep_rule keep = keep_rule::last_success;
    bool early_stop = false;
    attack_profile profile = attack_profile::official;
    std::uint64_t seed = 0;
};

/// Auto-PGD (Croce & Hein 2020, algorithm 1; L1: 2021): projected gradient ascent with momentum whose steps are halved, and which goes
/// back to its best iterate, where a window of steps has brought too little. Made by `apgd`.
///
/// The rules are the reference's: first step 2 epsilon (L1: epsilon); windows of .22 n steps, each .03 n shorter, at least .06 n (L1:
/// .04 n); after a return the momentum keeps the iterate left behind; images misclassified from the start, or in an earlier run,
/// are left alone. With attack_profile::official a run's first loss is compared with 0, as the reference does, else with the
/// start's. Deviations: the gradient of a run's last iterate, which nothing uses, is not computed; no floor is added to norms; what
/// is returned lies in the ball in real arithmetic.
template <class LossType, class ProjectionType>
struct apgd_attack {
    using loss_type = LossType;
    using projection_type = ProjectionType;
    static constexpr bool needs_gradient = true;

    std::string_view name = "APGD";
    LossType loss{};
    ProjectionType projection{};
    std::size_t steps = 100, restarts = 1, target_classes = 0, samples = 1;
    double rho = .75;
    bool larger_epsilons = false;
    target_rule targets = target_rule::untargeted;
    keep_rule keep = keep_rule::last_success;
    bool early_stop = false;
    attack_profile profile = attack_profile::official;
    std::uint64_t seed = 0;

    template <class S>
    using runner = apgd_runner<apgd_attack, S>;

    /// Lengths of the checkpoint windows: the first, how much less each next one, and the least.
    struct window_lengths {
        std::size_t first, less, least;
    };
    [[nodiscard]] SADDLE_HOST_DEVICE window_lengths windows() const {
        const auto share = [&](double part) {
            return std::max<std::size_t>(static_cast<std::size_t>(part * static_cast<double>(steps)), 1);
        };
        return {share(.22), share(.03), share(.06)};
    }
    [[nodiscard]] std::vector<apgd_stage> stages() const {
        if (!larger_epsilons) return {{1, steps}};
        const auto part = static_cast<std::size_t>(std::ceil(.3 * static_cast<double>(steps)));
        return {{3, part}, {2, part}, {1, steps - 2 * part}};
    }
    [[nodiscard]] bool targeted() const { return targets != target_rule::untargeted; }
    [[nodiscard]] std::size_t trace_columns() const {
        return restarts * std::max<std::size_t>(target_classes, 1) * (stages().back().steps + 1);
    }
    [[nodiscard]] std::size_t least_classes() const { return saddle::least_classes(loss, targeted() || target_classes > 0); }
    template <class Visit>
    void describe(Visit&& visit) const {
        visit("loss", loss.name);
        visit("steps", steps);
        visit("restarts", restarts);
        visit("target_classes", target_classes);
        visit("samples", samples);
        visit("rho", rho);
        visit("larger_epsilons", larger_epsilons);
        visit("targets", name_of(targets));
        visit("keep", name_of(keep));
        visit("early_stop", early_stop);
        visit("profile", name_of(profile));
        visit("seed", seed);
    }

    void validate(std::string_view where) const {
        projection.validate(where);
        loss.validate(where);
        require(steps >= 1 && steps <= 100'000'000, where, "steps", "1 to 100000000", steps);
        require(restarts >= 1 && restarts <= 1'000'000, where, "restarts", "1 to 1000000", restarts);
        require(samples >= 1 && samples <= 1'000'000, where, "samples", "1 to 1000000", samples);
        require(rho > 0 && rho <= 1, where, "rho", "a number in (0,1]", rho);
        require(target_classes == 0 || !targeted(), where, "target_classes of an attack with targets", 0, target_classes);
        require(!larger_epsilons || std::is_same_v<ProjectionType, l1>, where, "larger_epsilons", "false, except with l1",
                "true");
        require(!larger_epsilons || steps >= 5, where, "steps with larger_epsilons", "at least 5", steps);
        if constexpr (requires { LossType::uses_label; })
            require(!(targeted() || target_classes > 0) || LossType::uses_label, where,
                    text("targets of an attack on ", LossType::name), "untargeted", "a target");
    }
};

/// APGD on a loss: `apgd(settings)` is APGD-CE, `apgd<linf, dlr>(settings)` APGD-DLR, with target_classes 9 APGD-T. The projection is
/// linf, l2 or l1.
template <class Projection = linf, class Loss = cross_entropy>
[[nodiscard]] apgd_attack<Loss, Projection> apgd(const apgd_settings& s = {}, const Loss& loss = {}) {
    static_assert(std::is_same_v<Projection, linf> || std::is_same_v<Projection, l2> || std::is_same_v<Projection, l1>,
                  "saddle: APGD is defined for linf, l2 and l1; use pgd with other projections (docs/attacks.md)");
    apgd_attack<Loss, Projection> attack;
    attack.loss = loss;
    attack.projection.epsilon = s.epsilon;
    attack.name = s.target_classes > 0 ? "APGD-T" : "APGD";
    attack.steps = s.steps;
    attack.restarts = s.restarts;
    attack.target_classes = s.target_classes;
    attack.samples = s.samples;
    attack.rho = s.rho;
    attack.larger_epsilons = s.larger_epsilons;
    attack.targets = s.targets;
    attack.keep = s.keep;
    attack.early_stop = s.early_stop;
    attack.profile = s.profile;
    attack.seed = s.seed;
    return attack;
}

}  // namespace saddle
