#pragma once
#include "attacks/toy.hpp"
#include "support/catch.hpp"

/// Images away from the ends of the range, so that the nearest boundary of a linear model lies inside it.
inline saddle::images central_images(std::size_t count, std::uint64_t seed = 4) {
    auto x = random_images(count, toy_shape, seed);
    for (auto& v : x.values()) v = .4f + .2f * v;
    return x;
}

/// Distance of x to the nearest boundary between its class and another, for logits w_k · x + b_k given as rows of `weights`; with
/// `strongest`, to that with the class of the largest other logit.
inline double boundary_distance(const std::vector<float>& weights, std::span<const float> bias, std::span<const float> x,
                                std::size_t label, bool linf, bool strongest = false) {
    const std::size_t n = x.size();
    double nearest = 1e30, smallest_gap = 1e30;
    for (std::size_t k = 0; k < bias.size(); ++k) {
        if (k == label) continue;
        double gap = static_cast<double>(bias[label]) - static_cast<double>(bias[k]), norm = 0;
        for (std::size_t e = 0; e < n; ++e) {
            const double w = static_cast<double>(weights[label * n + e]) - static_cast<double>(weights[k * n + e]);
            gap += w * static_cast<double>(x[e]);
            norm += linf ? std::abs(w) : w * w;
        }
        const double distance = gap / (linf ? norm : std::sqrt(norm));
        if (strongest ? gap < smallest_gap : distance < nearest) nearest = distance;
        smallest_gap = std::min(smallest_gap, gap);
    }
    return nearest;
}

/// The attack's distance is that of the boundary, at most `slack` times (`strongest`: of the boundary with that class); on the linear model and on the quadratic one, whose
/// boundaries are planes too.
template <class A>
void check_nearest(const A& attack, double slack, bool linf = false, bool strongest = false) {
    const double tolerance = 1e-5;
    const auto x = central_images(24);
    const auto linear = toy_linear();
    const auto quadratic = toy_quadratic();
    std::vector<float> rows(75), zero(3), bias(3);
    {
        // -c/2 ‖x - m_k‖² = c m_k · x - c/2 ‖m_k‖² + what all classes share
        auto centres = random_weights(75, 9);
        for (std::size_t k = 0; k < 3; ++k)
            for (std::size_t e = 0; e < 25; ++e) {
                const float m = .5f + .3f * centres[k * 25 + e];
                rows[k * 25 + e] = 2 * m;
                bias[k] -= m * m;
            }
    }
    const auto check = [&](const auto& model, const std::vector<float>& weights, const std::vector<float>& offsets) {
        const auto y = predicted(model, x);
        const auto found = saddle::perturb(attack, model, x, y);
        std::size_t inside = 0;
        for (std::size_t i = 0; i < x.size(); ++i) {
            const double exact = boundary_distance(weights, offsets, x[i], static_cast<std::size_t>(y[i]), linf);
            if (exact > (linf ? .35 : 1.)) continue;  // the range may be in the way
            ++inside;
            REQUIRE(found.success[i] == 1);
            const double distance = linf ? found.distances[i].linf : found.distances[i].l2;
            CHECK(distance >= exact * (1 - 1e-4) - tolerance);
            const double reach = boundary_distance(weights, offsets, x[i], static_cast<std::size_t>(y[i]), linf, strongest);
            CHECK(distance <= reach * slack + tolerance);
        }
        CHECK(inside >= 10);
        CHECK(found.rejected == 0);
        CHECK(found.adversarial_predictions == predicted(model, found.adversarial));
    };
    check(linear, linear.weights(), zero);
    check(quadratic, rows, bias);
}
