#pragma once
#include "saddle/attacks/hop_skip_jump_runner.hpp"
#include "saddle/projections/box_only.hpp"
#include "saddle/projections/l2.hpp"

#include <memory>

namespace saddle {

/// HopSkipJump (Chen, Jordan & Wainwright 2020), for L2 or Linf: the direction of the boundary's normal from labels at random points
/// around it, a step along it, bisection back to the boundary. Black box: labels alone.
///
/// Settings as CleverHans: iteration t asks about min(first_evaluations · sqrt(t), most_evaluations) points, at .1 in the first
/// iteration and sqrt(d) theta times the distance later (Linf: d theta), theta = gamma / d^(3/2) (Linf: gamma / d²); steps begin at
/// distance / sqrt(t) and halve until adversarial. The nearest adversarial image seen is returned, where the reference takes the last
/// one. A flat estimate, where all points agree and cancel, ends the attack. Starts as in `boundary`. One image keeps all lanes busy.
template <class Norm = l2>
struct hop_skip_jump {
    static_assert(std::is_same_v<Norm, l2> || std::is_same_v<Norm, linf>,
                  "saddle: HopSkipJump is defined for l2 and linf (docs/black_box.md)");
    using projection_type = box_only;
    using norm_type = Norm;
    static constexpr bool needs_gradient = false;
    static constexpr std::string_view norm = Norm::name;

    std::string_view name = "HopSkipJump";
    box_only projection{};
    std::size_t steps = 64;
    std::size_t first_evaluations = 100, most_evaluations = 10'000;
    double gamma = 1;
    std::size_t start_draws = 1000;
    std::shared_ptr<const images> starts{};
    target_rule targets = target_rule::untargeted;
    std::uint64_t seed = 0;

    template <class S>
    using runner = hop_skip_jump_runner<hop_skip_jump, S>;

    [[nodiscard]] bool targeted() const { return targets != target_rule::untargeted; }
    [[nodiscard]] std::size_t starts_given() const { return starts ? starts->size() : 0; }
    template <class Visit>
    void describe(Visit&& visit) const {
        visit("steps", steps);
        visit("first_evaluations", first_evaluations);
        visit("most_evaluations", most_evaluations);
        visit("gamma", gamma);
        visit("start_draws", start_draws);
        visit("starts", starts_given());
        visit("targets", name_of(targets));
        visit("seed", seed);
    }
    void validate(std::string_view where) const {
        require(steps >= 1 && steps <= 1'000'000, where, "steps", "1 to 1000000", steps);
        require(first_evaluations >= 1 && first_evaluations <= most_evaluations, where, "first_evaluations",
                text("1 to most_evaluations (", most_evaluations, ")"), first_evaluations);
        require(gamma > 0 && gamma <= 1e6, where, "gamma", "a number in (0, 1e6]", gamma);
        require(start_draws + starts_given() >= 1, where, "start_draws", "at least 1, or images in starts", start_draws);
        if (starts) require_valid_images(*starts, text(where, ": starts"));
    }
};

}  // namespace saddle
