#pragma once
#include "saddle/attacks/carlini_wagner_l0_runner.hpp"
#include "saddle/losses/carlini_wagner.hpp"
#include "saddle/projections/box_only.hpp"

namespace saddle {

/// The L0 attack of Carlini & Wagner (2017, section VI.B): solve the L2 problem, freeze the pixels that matter least, solve again.
///
/// The defaults are those of the authors' code. A solve is Adam on ‖x' - x‖2² + c · max(M_Z, -.01) over the pixels not yet frozen,
/// from the last solution, until M_Z < -.0099; every `steps` updates c doubles, and the attack ends when it reaches `largest_c`. A
/// solution's pixels are scored |sum of the channels' change| · sum of |slope of the loss in w|; the lowest are frozen at x, until one
/// scored above .01 or .3 sqrt(changed) of them are. A pixel has changed if a channel moved by 1e-4 or more; smaller changes are
/// undone, the image is judged again, and that with the fewest changed pixels is returned. Images [N,C,H,W] in [0,1].
struct carlini_wagner_l0 {
    static constexpr bool needs_gradient = true;
    static constexpr std::string_view norm = "l0";

    std::string_view name = "C&W L0";
    carlini_wagner_loss loss{.kappa = .01};
    box_only projection{};
    double learning_rate = .01;
    std::size_t steps = 1'000;
    double initial_c = 1e-3, largest_c = 2e6, factor = 2;  ///< factor: of c after a failure
    target_rule targets = target_rule::untargeted;
    std::uint64_t seed = 0;

    template <class S>
    using runner = carlini_wagner_l0_runner<carlini_wagner_l0, S>;

    [[nodiscard]] bool targeted() const { return targets != target_rule::untargeted; }
    void validate(std::string_view where) const {
        loss.validate(where);
        require(loss.objective == cw_objective::f6, where, "objective of the L0 attack", "f6",
                text('f', static_cast<int>(loss.objective)));
        require(learning_rate > 0 && learning_rate <= 1e6, where, "learning_rate", "a number in (0, 1e6]", learning_rate);
        require(steps >= 1 && steps <= 100'000'000, where, "steps", "1 to 100000000", steps);
        require(initial_c > 0 && initial_c < largest_c && largest_c <= 1e30, where, "initial_c and largest_c",
                "0 < initial_c < largest_c <= 1e30", text(initial_c, " and ", largest_c));
        require(factor > 1 && factor <= 1e6, where, "factor", "a number in (1, 1e6]", factor);
    }
    template <class Visit>
    void describe(Visit&& visit) const {
        visit("name", name);
        visit("kappa", loss.kappa);
        visit("learning_rate", learning_rate);
        visit("steps", steps);
        visit("initial_c", initial_c);
        visit("largest_c", largest_c);
        visit("factor", factor);
        visit("targets", name_of(targets));
        visit("seed", seed);
    }
};

}  // namespace saddle
