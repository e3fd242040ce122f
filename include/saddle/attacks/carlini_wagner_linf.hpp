#pragma once
#include "saddle/attacks/carlini_wagner_linf_runner.hpp"
#include "saddle/losses/carlini_wagner.hpp"
#include "saddle/projections/box_only.hpp"

namespace saddle {

/// The Linf attack of Carlini & Wagner (2017, section VI.C): min c · f(x') + sum_i (|x'_i - x_i| - tau)+ for smaller and smaller tau.
///
/// The defaults are those of the authors' code. tau starts at 1; when the loss falls below 1e-4 c with the class changed, tau becomes
/// `decrease` · min(tau, max |x' - x|) and the descent goes on from x' with new moments and the same c; after `steps` updates without
/// that, c doubles, and the attack ends when c reaches `largest_c` or tau 1/256. Of all iterates the nearest success is returned; the
/// authors' code returns the last solved one. Images [N,C,H,W] in [0,1].
struct carlini_wagner_linf {
    static constexpr bool needs_gradient = true;
    static constexpr std::string_view norm = "linf";

    std::string_view name = "C&W Linf";
    carlini_wagner_loss loss{};  ///< kappa 0
    box_only projection{};
    box_treatment box = box_treatment::change_of_variable;
    double learning_rate = 5e-3;
    std::size_t steps = 1'000;
    double initial_c = 1e-5, largest_c = 20, factor = 2;  ///< factor: of c after a failure
    double decrease = .9, smallest_tau = 1. / 256;
    target_rule targets = target_rule::untargeted;
    std::uint64_t seed = 0;

    template <class S>
    using runner = carlini_wagner_linf_runner<carlini_wagner_linf, S>;

    [[nodiscard]] bool targeted() const { return targets != target_rule::untargeted; }
    void validate(std::string_view where) const {
        loss.validate(where);
        require(loss.kappa <= 0, where, "kappa of the Linf attack", 0, loss.kappa);
        require(learning_rate > 0 && learning_rate <= 1e6, where, "learning_rate", "a number in (0, 1e6]", learning_rate);
        require(steps >= 1 && steps <= 100'000'000, where, "steps", "1 to 100000000", steps);
        require(initial_c > 0 && initial_c < largest_c && largest_c <= 1e30, where, "initial_c and largest_c",
                "0 < initial_c < largest_c <= 1e30", text(initial_c, " and ", largest_c));
        require(factor > 1 && factor <= 1e6, where, "factor", "a number in (1, 1e6]", factor);
        require(decrease > 0 && decrease < 1, where, "decrease", "a number in (0,1)", decrease);
        require(smallest_tau > 0 && smallest_tau < 1, where, "smallest_tau", "a number in (0,1)", smallest_tau);
    }
    template <class Visit>
    void describe(Visit&& visit) const {
        visit("name", name);
        visit("objective", static_cast<int>(loss.objective));
        visit("box", static_cast<int>(box));
        visit("learning_rate", learning_rate);
        visit("steps", steps);
        visit("initial_c", initial_c);
        visit("largest_c", largest_c);
        visit("factor", factor);
        visit("decrease", decrease);
        visit("smallest_tau", smallest_tau);
        visit("targets", name_of(targets));
        visit("seed", seed);
    }
};

}  // namespace saddle
