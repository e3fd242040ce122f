#pragma once
#include "saddle/attacks/sampling_session.hpp"

namespace saddle {

/// Gradients by simultaneous perturbation (Spall 1992; Uesato et al. 2018): g = mean of (F(x + d v) - F(x - d v)) / (2 d) · v over n
/// directions v of fair signs. A source for `with_source`; forward passes are all it asks for.
///
/// Every point is evaluated at x + d v, which is where CleverHans' torch version fails (issue 1249). `samples` counts directions; a
/// gradient costs 2 · samples passes. CleverHans and torchattacks: radius .01, 64 directions (128 points), the logit margin. The step
/// is that of the attack: the paper's Adam is not part of the source.
struct spsa {
    static constexpr bool needs_gradient = false, antithetic = true;
    static constexpr std::string_view name = "SPSA";

    std::size_t samples = 64;
    double radius = .01;
    double momentum = 0;
    bool random_when_flat = false;

    template <class S>
    using session = sampling_session<S, spsa>;

    template <class V, class T>
    void directions(const random_stream& stream, std::uint64_t id, std::size_t first, std::size_t elements, T* v) const {
        fill_sign_samples<V>(stream, lane_samples<lane_values<V>::size>::of_one(id, first), elements, v);
    }
    [[nodiscard]] double value(double objective, bool) const { return objective; }
    template <class Visit>
    void describe(Visit&& visit) const {
        visit("samples", samples);
        visit("radius", radius);
        visit("source_momentum", momentum);
        visit("random_when_flat", random_when_flat);
    }
    void validate(std::string_view where) const {
        require(samples >= 1 && samples <= 100'000'000, where, "SPSA samples", "1 to 100000000", samples);
        require(radius > 0 && radius <= 1e6, where, "SPSA radius", "a number in (0, 1e6]", radius);
        require(momentum >= 0 && momentum < 1, where, "SPSA momentum", "a number in [0,1)", momentum);
    }
};

}  // namespace saddle
