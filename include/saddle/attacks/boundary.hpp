#pragma once
#include "saddle/attacks/boundary_runner.hpp"
#include "saddle/projections/box_only.hpp"

#include <memory>

namespace saddle {

/// The boundary attack (Brendel et al. 2018): a random walk along the decision boundary towards x, for L2. Black box: labels alone.
///
/// An adversarial image is moved by spherical_step · D across and source_step · D towards x, D its distance; it stays where the result
/// is no longer adversarial or no nearer. Every check_every steps the sphere alone is asked about too; over the last sphere_history
/// answers, a share above .5 (below .2) multiplies (divides) both steps by `adaptation`; over the last candidate_history candidates,
/// above .25 (below .1) the source step. These are foolbox's rules and settings, per image; the walk ends at `steps`, or where the
/// source step falls below least_source_step.
///
/// The start: the first of `starts`, then of uniform noise, that is adversarial, brought nearer by start_halvings bisections of the
/// line to x (foolbox: a linear search in 1000 steps). An image without an adversarial start, or misclassified already, keeps its
/// pixels. A targeted attack needs images of the target class in `starts`, unless noise happens to be one.
struct boundary {
    using projection_type = box_only;
    static constexpr bool needs_gradient = false;
    static constexpr std::string_view norm = "l2";

    std::string_view name = "boundary";
    box_only projection{};
    std::size_t steps = 25'000;
    double spherical_step = .01, source_step = .01;
    double adaptation = 1.5;
    double least_source_step = 1e-7;
    std::size_t check_every = 10, sphere_history = 100, candidate_history = 30;
    std::size_t start_draws = 1000, start_halvings = 20;
    std::shared_ptr<const images> starts{};  ///< candidates for the start, tried in order before noise
    target_rule targets = target_rule::untargeted;
    std::uint64_t seed = 0;

    template <class S>
    using runner = boundary_runner<boundary, S>;

    [[nodiscard]] bool targeted() const { return targets != target_rule::untargeted; }
    [[nodiscard]] std::size_t starts_given() const { return starts ? starts->size() : 0; }
    template <class Visit>
    void describe(Visit&& visit) const {
        visit("steps", steps);
        visit("spherical_step", spherical_step);
        visit("source_step", source_step);
        visit("adaptation", adaptation);
        visit("least_source_step", least_source_step);
        visit("check_every", check_every);
        visit("start_draws", start_draws);
        visit("start_halvings", start_halvings);
        visit("starts", starts_given());
        visit("targets", name_of(targets));
        visit("seed", seed);
    }
    void validate(std::string_view where) const {
        require(steps >= 1 && steps <= 100'000'000, where, "steps", "1 to 100000000", steps);
        require(spherical_step > 0 && spherical_step <= 10, where, "spherical_step", "a number in (0,10]", spherical_step);
        require(source_step > 0 && source_step <= 1, where, "source_step", "a number in (0,1]", source_step);
        require(adaptation > 1 && adaptation <= 100, where, "adaptation", "a number in (1,100]", adaptation);
        require(least_source_step >= 0, where, "least_source_step", "a number >= 0", least_source_step);
        require(check_every >= 1, where, "check_every", "at least 1", check_every);
        require(sphere_history >= 1 && candidate_history >= 1, where, "histories", "at least 1",
                std::min(sphere_history, candidate_history));
        require(start_draws + starts_given() >= 1, where, "start_draws", "at least 1, or images in starts", start_draws);
        if (starts) require_valid_images(*starts, text(where, ": starts"));
    }
};

}  // namespace saddle
