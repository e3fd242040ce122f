#pragma once
#include "saddle/attacks/pgd.hpp"
#include "saddle/attacks/sampling_session.hpp"

namespace saddle {

/// What NES learns from a query.
enum class query_feedback {
    scores,  ///< the attack's objective, from all logits
    labels   ///< 1 where the class is what the attack wants, else 0 (the form of S1)
};

/// Gradients by natural evolution strategies (Ilyas et al. 2018; S1 eq. 5): g = 1/(sigma n) sum_i d_i F(x + sigma d_i), d_i ~ N(0,I), with
/// both ends of each direction unless `antithetic` is false. A source for `with_source`; forward passes are all it asks for.
///
/// `samples` counts directions: a gradient costs 2 · samples passes with antithetic pairs. Points are not cut to [0,1], as in the paper.
/// With labels F is constant unless the samples disagree: sigma must reach the boundary; a flat estimate leaves x where it is, or with
/// `random_when_flat` gives a random direction. Values that are not finite count as 0.
struct nes {
    static constexpr bool needs_gradient = false;
    static constexpr std::string_view name = "NES";

    std::size_t samples = 50;
    double radius = 1e-3;  ///< sigma
    double momentum = .9;
    bool antithetic = true;
    query_feedback feedback = query_feedback::scores;
    bool random_when_flat = false;

    template <class S>
    using session = sampling_session<S, nes>;

    template <class V, class T>
    void directions(const random_stream& stream, std::uint64_t id, std::size_t first, std::size_t elements, T* v) const {
        fill_normal_samples<V>(stream, lane_samples<lane_values<V>::size>::of_one(id, first), elements, v);
    }
    [[nodiscard]] double value(double objective, bool hit) const {
        return feedback == query_feedback::labels ? (hit ? 1. : 0.) : objective;
    }
    template <class Visit>
    void describe(Visit&& visit) const {
        visit("samples", samples);
        visit("radius", radius);
        visit("source_momentum", momentum);
        visit("antithetic", antithetic);
        visit("feedback", feedback == query_feedback::labels ? "labels" : "scores");
        visit("random_when_flat", random_when_flat);
    }
    void validate(std::string_view where) const {
        require(samples >= 1 && samples <= 100'000'000, where, "NES samples", "1 to 100000000", samples);
        require(radius > 0 && radius <= 1e6, where, "NES radius", "a number in (0, 1e6]", radius);
        require(momentum >= 0 && momentum < 1, where, "NES momentum", "a number in [0,1)", momentum);
    }
};

/// The settings of the authors' code (labsix): sigma .001, 50 samples a gradient (25 pairs), momentum .9, steps of .01 at epsilon .05,
/// 10,000 queries, which is 200 steps.
inline constexpr pgd_settings pgd_nes{
    .epsilon = .05, .step_size = .01, .steps = 196, .start = start_rule::none, .keep = keep_rule::best, .early_stop = true};
inline constexpr nes nes_labsix{.samples = 25, .radius = 1e-3, .momentum = .9};

}  // namespace saddle
