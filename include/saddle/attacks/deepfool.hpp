#pragma once
#include "saddle/attacks/deepfool_runner.hpp"
#include "saddle/projections/box_only.hpp"
#include "saddle/projections/l2.hpp"
#include "saddle/projections/linf.hpp"

namespace saddle {

/// DeepFool (Moosavi-Dezfooli et al. 2016): step to the nearest boundary of the linearised model, again and again.
///
/// At an image of class c, w_k = grad z_k - grad z_c and f_k = |z_k - z_c| for the `candidates` classes of the largest clean logits;
/// l is that of the smallest f_k/‖w_k‖, and the step (f_l/‖w_l‖ + margin) w_l/‖w_l‖2 for Norm l2, or (f_l/‖w_l‖1 + margin) sign w_l
/// for linf. The image is clip(x + (1 + overshoot) · sum of steps); it ends when the class changes, judged there, or after `steps`.
/// Defaults are those of the authors' code, which does not clip and has the margin for L2 only. Without overshoot and margin the
/// steps end on the boundary, where results do not survive (torchattacks). Gradients: one for each candidate but c in every step.
template <class Norm = l2>
struct deepfool {
    static_assert(std::is_same_v<Norm, l2> || std::is_same_v<Norm, linf>,
                  "saddle: deepfool is for l2 and linf (docs/attacks.md)");
    static constexpr bool needs_gradient = true;
    static constexpr std::string_view norm = Norm::name;
    static constexpr target_rule targets = target_rule::untargeted;

    std::string_view name = "DeepFool";
    box_only projection{};
    std::size_t steps = 50;
    std::size_t candidates = 10;  ///< classes by clean logit, the image's own included; 0: all
    double overshoot = .02;
    double margin = 1e-4;  ///< added to every step's length

    template <class S>
    using runner = deepfool_runner<deepfool, S>;

    [[nodiscard]] bool targeted() const { return false; }
    void validate(std::string_view where) const {
        require(steps >= 1 && steps <= 100'000'000, where, "steps", "1 to 100000000", steps);
        require(candidates != 1, where, "candidates", "0 (all) or at least 2", candidates);
        require(overshoot >= 0 && overshoot <= 1e6, where, "overshoot", "a number in [0, 1e6]", overshoot);
        require(margin >= 0 && margin <= 1, where, "margin", "a number in [0,1]", margin);
    }
    template <class Visit>
    void describe(Visit&& visit) const {
        visit("name", name);
        visit("norm", norm);
        visit("steps", steps);
        visit("candidates", candidates);
        visit("overshoot", overshoot);
        visit("margin", margin);
    }
};

}  // namespace saddle
