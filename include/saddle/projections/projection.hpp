#pragma once
#include "saddle/core/error.hpp"
#include "saddle/core/philox.hpp"
#include "saddle/projections/wide.hpp"

#include <cmath>
#include <span>
#include <string_view>

namespace saddle {

/// Throws invalid_argument unless epsilon is a finite number >= 0.
inline void require_epsilon(double epsilon, std::string_view where) {
    require(std::isfinite(epsilon) && epsilon >= 0, where, "epsilon", "a finite number >= 0", epsilon);
}

/// A threat: the set of images that an attack may return for x, always cut with the data range [0,1].
///
/// The struct holds settings only, `epsilon` (a double, the real radius) among them; `ball<V>` is the state of one block of
/// lanes:
/// - `memory(elements)`: values of T it needs; constructor (settings, elements, that memory);
/// - `centre(x, epsilon)`: x [elements][lane] in [0,1], epsilon [lane]; both outlive the ball;
/// - `project(v, z)`: z = nearest point of ball ∩ range to v in L2, never in place; every lane on its own;
/// - `uniform_start(draws, ids, v)`: v = x + a uniform draw from the ball, not yet cut with the range;
/// - `step(z, gradient, size)`: z moves along the steepest-ascent direction by size [lane] and is projected; `gradient` is
///   overwritten; a zero gradient does not move. Returns the lanes whose gradient is not finite; those do not turn into NaN.
/// What `project` and `step` return lies in ball and range in real arithmetic, not only up to rounding. docs/projections.md
template <class P, class V = float>
concept Projection = requires(const P& p, typename P::template ball<V>& ball, const lane_scalar<V>* x, const double* epsilon,
                              lane_scalar<V>* z, const random_stream& draws, const std::uint64_t* ids) {
    { p.epsilon } -> std::convertible_to<double>;
    p.validate(std::string_view());
    { P::template ball<V>::memory(std::size_t()) } -> std::same_as<std::size_t>;
    ball.centre(x, epsilon);
    ball.project(x, z);
    ball.uniform_start(draws, ids, z);
    { ball.step(z, z, x) } -> std::same_as<typename lane_values<V>::mask>;
};

}  // namespace saddle
