#pragma once
#include "saddle/attacks/carlini_wagner_l2_runner.hpp"
#include "saddle/losses/carlini_wagner.hpp"
#include "saddle/projections/box_only.hpp"

namespace saddle {

/// The L2 attack of Carlini & Wagner (2017): min ‖x' - x‖2² + c · f(x') with x' in [0,1], c by binary search for each image.
///
/// The defaults are those of the authors' code. `steps` Adam updates for each of `binary_steps` values of c, moments and image anew
/// for each; a success makes c the upper end, a failure the lower; then the middle, or ten times c while there was no success; with
/// ten steps or more the last one repeats the upper end. A search ends early when its loss has not fallen to .9999 of what it was a
/// tenth of the steps before. All this image by image, where the authors' code decides for the whole batch. Success is the class of
/// the largest logit, with a margin of at least kappa, never f <= 0; the nearest success of all iterates is returned, the clean image
/// where there is none. Images [N,C,H,W] in [0,1]; distances are the same as in the authors' [-.5,.5].
struct carlini_wagner_l2 {
    static constexpr bool needs_gradient = true;
    static constexpr std::string_view norm = "l2";

    std::string_view name = "C&W L2";
    carlini_wagner_loss loss{};
    box_only projection{};
    box_treatment box = box_treatment::change_of_variable;
    double learning_rate = .01;
    std::size_t binary_steps = 9, steps = 10'000;
    double initial_c = 1e-3, largest_c = 1e10;
    bool abort_early = true;
    target_rule targets = target_rule::untargeted;
    std::uint64_t seed = 0;

    template <class S>
    using runner = carlini_wagner_l2_runner<carlini_wagner_l2, S>;

    [[nodiscard]] bool targeted() const { return targets != target_rule::untargeted; }
    void validate(std::string_view where) const {
        loss.validate(where);
        require(learning_rate > 0 && learning_rate <= 1e6, where, "learning_rate", "a number in (0, 1e6]", learning_rate);
        require(steps >= 1 && steps <= 100'000'000, where, "steps", "1 to 100000000", steps);
        require(binary_steps >= 1 && binary_steps <= 1000, where, "binary_steps", "1 to 1000", binary_steps);
        require(initial_c > 0 && initial_c <= largest_c && largest_c <= 1e30, where, "initial_c and largest_c",
                "0 < initial_c <= largest_c <= 1e30", text(initial_c, " and ", largest_c));
    }
    template <class Visit>
    void describe(Visit&& visit) const {
        visit("name", name);
        loss.describe([&](std::string_view key, const auto& value) { visit(text("loss_", key), value); });
        visit("box", static_cast<int>(box));
        visit("learning_rate", learning_rate);
        visit("binary_steps", binary_steps);
        visit("steps", steps);
        visit("initial_c", initial_c);
        visit("largest_c", largest_c);
        visit("abort_early", abort_early);
        visit("targets", name_of(targets));
        visit("seed", seed);
    }
};

/// Table III of the paper: 20 binary search steps of 10,000 updates.
inline constexpr carlini_wagner_l2 carlini_wagner_l2_table_iii{.binary_steps = 20};
/// CleverHans: learning rate 5e-3, 5 binary search steps of 1,000 updates from c = .01.
inline constexpr carlini_wagner_l2 carlini_wagner_l2_cleverhans{
    .learning_rate = 5e-3, .binary_steps = 5, .steps = 1'000, .initial_c = 1e-2};

}  // namespace saddle
