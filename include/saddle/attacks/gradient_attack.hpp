#pragma once
#include "saddle/attacks/gradient_runner.hpp"
#include "saddle/losses/cross_entropy.hpp"
#include "saddle/projections/linf.hpp"

namespace saddle {

/// The one gradient attack: x <- P(x + step_size · d(gradient)), d and P the projection's. FGSM, BIM, PGD, MI-FGSM are settings
/// of it.
///
/// Images [N,C,H,W] in [0,1]; epsilon and step_size in the same units. The gradient is taken at the iterate itself, never through
/// a clamp, which would hide saturated pixels (foolbox issue 704), and per example: no mean over the batch shrinks it. `validate`
/// throws invalid_argument for settings outside their documented range.
template <class LossType = cross_entropy, class ProjectionType = linf>
struct gradient_attack {
    using loss_type = LossType;
    using projection_type = ProjectionType;
    static constexpr bool needs_gradient = true;

    std::string_view name = "gradient attack";
    LossType loss{};
    ProjectionType projection{};  ///< holds epsilon
    double step_size = 2. / 255;  ///< in (0, 1e6]
    std::size_t steps = 10;       ///< gradients per restart, >= 1
    start_rule start = start_rule::none;
    double start_scale = .001;  ///< of gaussian and random_sign starts
    bool project_start = true;  ///< false: the first gradient is taken at the raw draw, even outside [0,1]
    double momentum = 0;        ///< decay of MI-FGSM: m <- momentum · m + g / ‖g‖1, d(m) instead of d(g); 0: none
    std::size_t restarts = 1;   ///< > 1 needs a random start; the best result counts
    target_rule targets = target_rule::untargeted;
    keep_rule keep = keep_rule::last;
    bool early_stop = false;  ///< a lane ends at its first success (the clean image included), a block when all lanes ended
    std::uint64_t seed = 0;

    template <class S>
    using runner = gradient_runner<gradient_attack, S>;

    [[nodiscard]] bool targeted() const { return targets != target_rule::untargeted; }
    [[nodiscard]] std::size_t trace_columns() const { return restarts * (steps + 1); }

    void validate(std::string_view where) const {
        constexpr double limit = 1e6;
        projection.validate(where);
        loss.validate(where);
        require(step_size > 0 && step_size <= limit, where, "step_size", "a number in (0, 1e6]", step_size);
        require(steps >= 1 && steps <= 100'000'000, where, "steps", "1 to 100000000", steps);
        require(restarts >= 1 && restarts <= 1'000'000, where, "restarts", "1 to 1000000", restarts);
        require(restarts == 1 || start != start_rule::none, where, "start of an attack with restarts", "a random start", "none");
        require(momentum >= 0 && momentum <= limit, where, "momentum", "a number in [0, 1e6]", momentum);
        if (start == start_rule::gaussian || start == start_rule::random_sign)
            require(start_scale >= 0 && start_scale <= limit, where, "start_scale", "a number in [0, 1e6]", start_scale);
        if constexpr (requires { LossType::zero_gradient_at_clean; })
            require(start != start_rule::none, where, text("start of an attack on ", LossType::name, " (its gradient is 0 at x)"),
                    "a random start", "none");
        if constexpr (requires { LossType::uses_label; })
            require(!targeted() || LossType::uses_label, where, text("targets of an attack on ", LossType::name), "untargeted",
                    "a target");
    }
};

}  // namespace saddle
