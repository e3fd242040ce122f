#pragma once
#include "saddle/attacks/partial_information_runner.hpp"

#include <memory>

namespace saddle {

/// The partial-information and the label-only attack of Ilyas et al. (2018), Linf, targeted: from an image of the target class, along NES
/// estimates, in a ball around x that shrinks to epsilon while the target stays among the `top` classes. Black box.
///
/// With query_feedback::scores F is log p_t where the target is among the top classes; with labels it is the rank score, the mean over
/// `shakes` uniform perturbations of radius shake_radius of top - rank(t), not below 0. A step proposes a ball smaller by the shrink;
/// where the target leaves the top it halves the step down to least_step, then the shrink, and ends where nothing keeps it. Settings
/// are those of the authors' code; deviations: the shrink is proposed in every step and taken whole, and the step size is not annealed
/// by plateaus.
///
/// `starts` must hold images whose top classes contain the target; an image without one, or whose ball cannot shrink to epsilon with
/// the target as its class, keeps its pixels. One image keeps all lanes busy.
struct partial_information {
    using projection_type = linf;
    static constexpr bool needs_gradient = false;
    static constexpr std::size_t start_draws = 0;

    std::string_view name = "partial information";
    linf projection{.05};
    std::size_t top = 1;
    query_feedback feedback = query_feedback::scores;
    std::size_t steps = 1000;
    std::size_t samples = 50;  ///< pairs of points of a gradient
    double radius = 1e-3, momentum = .9;
    double step_size = 1e-2, least_step = 5e-5;
    double first_shrink = .5, least_shrink = .1;
    std::size_t shakes = 50;
    double shake_radius = 2e-3;
    std::shared_ptr<const images> starts{};
    target_rule targets = target_rule::given;
    std::uint64_t seed = 0;

    template <class S>
    using runner = partial_information_runner<partial_information, S>;

    [[nodiscard]] bool targeted() const { return targets != target_rule::untargeted; }
    [[nodiscard]] std::size_t starts_given() const { return starts ? starts->size() : 0; }
    template <class Visit>
    void describe(Visit&& visit) const {
        visit("top", top);
        visit("feedback", feedback == query_feedback::labels ? "labels" : "scores");
        visit("steps", steps);
        visit("samples", samples);
        visit("radius", radius);
        visit("momentum", momentum);
        visit("step_size", step_size);
        visit("least_step", least_step);
        visit("first_shrink", first_shrink);
        visit("least_shrink", least_shrink);
        visit("shakes", shakes);
        visit("shake_radius", shake_radius);
        visit("starts", starts_given());
        visit("targets", name_of(targets));
        visit("seed", seed);
    }
    void validate(std::string_view where) const {
        projection.validate(where);
        require(targeted(), where, "targets of the partial-information attack", "a target", "untargeted");
        require(starts_given() >= 1, where, "starts", "at least one image of the target class", 0);
        require_valid_images(*starts, text(where, ": starts"));
        require(top >= 1, where, "top", "at least 1", top);
        require(steps >= 1 && samples >= 1 && shakes >= 1, where, "steps, samples and shakes", "at least 1",
                std::min({steps, samples, shakes}));
        require(radius > 0 && shake_radius >= 0, where, "radius and shake_radius", "numbers > 0 and >= 0",
                std::min(radius, shake_radius));
        require(momentum >= 0 && momentum < 1, where, "momentum", "a number in [0,1)", momentum);
        require(least_step > 0 && least_step <= step_size && step_size <= 1, where, "step_size", "least_step to 1", step_size);
        require(first_shrink > 0 && least_shrink >= 0, where, "first_shrink", "a number > 0", first_shrink);
    }
};

}  // namespace saddle
