#pragma once
#include "saddle/core/arena.hpp"
#include "saddle/projections/draws.hpp"
#include "saddle/projections/projection.hpp"

namespace saddle::testing {

/// What `check_projection` measured over all lanes.
struct projection_report {
    bool inside = true;             ///< every result satisfies the caller's test of ball and range
    bool idempotent = true;         ///< projecting a result changes no bit
    bool lanes_independent = true;  ///< a lane's bits do not depend on what the other lanes hold
    double worst_gain = -1;  ///< max over feasible w of <v - z, w - z> / (‖v - z‖ ‖w - z‖): <= rounding for a nearest point
};

/// Draws `elements` pixels x in [0,1] and points v up to `reach` around them in every lane, projects v, and measures the
/// properties that any Projection must have. `inside(x, z, epsilon)` judges one image (spans of T): ball and range, in real
/// arithmetic.
template <class V, class P, class Inside>
[[nodiscard]] projection_report check_projection(const P& projection, double epsilon, std::size_t elements, double reach,
                                                 std::uint64_t seed, Inside&& inside) {
    using T = lane_scalar<V>;
    using ball_type = typename P::template ball<V>;
    constexpr std::size_t lanes = lane_values<V>::size;
    const std::size_t size = elements * lanes;
    lane_vector<T> x(size), v(size), z(size), again(size), w(size), memory(ball_type::memory(elements));
    typename wide<V>::buffer radius;
    std::array<std::uint64_t, lanes> ids{};
    for (std::size_t l = 0; l < lanes; ++l) {
        radius.at[l] = epsilon;
        ids[l] = l;
    }
    const auto draw = [&](std::uint32_t sample) { return random_stream({.seed = seed, .sample = sample}); };
    for (std::size_t i = 0; i < size; ++i) {
        const float u = draw(0).uniform(i % lanes, i / lanes);
        x[i] = u < .1f   ? T(0)
               : u > .9f ? T(1)
                         : static_cast<T>(draw(1).uniform(i % lanes, i / lanes));  // ends of the range included
        v[i] = x[i] + static_cast<T>(reach) * static_cast<T>(2 * draw(2).uniform(i % lanes, i / lanes) - 1);
    }
    ball_type ball(projection, elements, std::span<T>(memory.data(), memory.size()));
    ball.centre(x.data(), radius.at);
    ball.project(v.data(), z.data());
    ball.project(z.data(), again.data());

    projection_report report;
    report.idempotent = std::equal(z.begin(), z.end(), again.begin());
    const auto lane = [&](const lane_vector<T>& block, std::size_t l) {
        std::vector<T> values(elements);
        for (std::size_t e = 0; e < elements; ++e) values[e] = block[e * lanes + l];
        return values;
    };
    for (std::size_t l = 0; l < lanes; ++l) {
        const auto centre = lane(x, l), result = lane(z, l);
        report.inside = report.inside && inside(std::span<const T>(centre), std::span<const T>(result), epsilon);
    }
    for (std::uint32_t sample = 10; sample < 30; ++sample) {
        ball.uniform_start(draw(sample), ids.data(), again.data());
        ball.project(again.data(), w.data());
        for (std::size_t l = 0; l < lanes; ++l) {
            double product = 0, there = 0, gap = 0;
            for (std::size_t e = l; e < size; e += lanes) {
                const double a = static_cast<double>(v[e]) - static_cast<double>(z[e]),
                             b = static_cast<double>(w[e]) - static_cast<double>(z[e]);
                product += a * b;
                there += b * b;
                gap += a * a;
            }
            if (there > 0 && gap > 0) report.worst_gain = std::max(report.worst_gain, product / std::sqrt(there * gap));
        }
    }
    for (std::size_t i = 0; i < size; ++i)
        if (i % lanes != 0) v[i] = x[i] + static_cast<T>(i % 7 == 0 ? 50 : -1e-3);
    ball.project(v.data(), again.data());
    for (std::size_t i = 0; i < size; i += lanes) report.lanes_independent = report.lanes_independent && again[i] == z[i];
    return report;
}

}  // namespace saddle::testing
