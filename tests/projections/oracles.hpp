#pragma once
#include "saddle/core/lanes.hpp"
#include "saddle/core/random.hpp"
#include "saddle/projections/projection.hpp"
#include "saddle/projections/verify.hpp"

#include <cmath>
#include <vector>

#define SADDLE_VALUE_TYPES float, double, saddle::lanes<float>, saddle::lanes<double>

__extension__ typedef __int128 exact_number;

/// v in [0,1] times 2^100 as an integer: exact for 0 and for values >= 2^-47 (doubles) or 2^-76 (floats).
inline exact_number exact(double v) {
    int exponent = 0;
    const double fraction = std::frexp(v, &exponent);
    const auto mantissa = static_cast<exact_number>(static_cast<long long>(std::ldexp(fraction, 53)));
    const int shift = exponent - 53 + 100;
    return shift >= 0 ? mantissa << shift : shift > -64 ? mantissa >> -shift : 0;
}

/// A ball of one block with its memory; every lane has the same centre and radius unless told otherwise.
template <class V, class P>
struct ball_fixture {
    using T = saddle::lane_scalar<V>;
    static constexpr std::size_t lanes = saddle::lane_values<V>::size;
    std::size_t elements;
    saddle::lane_vector<T> x, z, memory;
    typename saddle::wide<V>::buffer epsilon;
    typename P::template ball<V> ball;

    ball_fixture(const P& projection, const std::vector<T>& centre, double radius)
        : elements(centre.size()), x(elements * lanes), z(elements * lanes), memory(P::template ball<V>::memory(elements)),
          ball(projection, elements, std::span<T>(memory.data(), memory.size())) {
        for (std::size_t i = 0; i < x.size(); ++i) z[i] = x[i] = centre[i / lanes];
        for (auto& e : epsilon.at) e = radius;
        ball.centre(x.data(), epsilon.at);
    }
    /// The projection of `v` in the last lane.
    std::vector<T> project(const std::vector<T>& v) {
        saddle::lane_vector<T> from(elements * lanes);
        for (std::size_t i = 0; i < from.size(); ++i) from[i] = v[i / lanes];
        ball.project(from.data(), z.data());
        return result();
    }
    /// One step from the current point; returns whether the last lane's gradient was reported as not finite.
    bool step(const std::vector<T>& gradient, double size) {
        saddle::lane_vector<T> g(elements * lanes), sizes(lanes, static_cast<T>(size)), marks(lanes);
        for (std::size_t i = 0; i < g.size(); ++i) g[i] = gradient[i / lanes];
        saddle::lane_values<V>::store(marks.data(), saddle::choose(ball.step(z.data(), g.data(), sizes.data()), V(1), V(0)));
        return marks[lanes - 1] > 0;
    }
    std::vector<T> result() const {
        std::vector<T> values(elements);
        for (std::size_t e = 0; e < elements; ++e) values[e] = z[e * lanes + lanes - 1];
        return values;
    }
};

/// Whether one image lies in ball and range, by the library's independent check.
template <class P, class T>
auto inside_of(const P& projection) {
    return [projection](std::span<const T> x, std::span<const T> z, double epsilon) {
        for (const T v : z)
            if (!(v >= 0 && v <= 1)) return false;
        return saddle::detail::within(projection, x, z, epsilon, saddle::detail::distance(projection, x, z));
    };
}

/// Root of a decreasing function of a multiplier by bisection in long double; 0 when the constraint already holds there.
template <class F>
long double bisect(F&& distance, long double epsilon, long double high) {
    if (distance(0.L) <= epsilon) return 0;
    long double low = 0;
    for (int i = 0; i < 300; ++i) {
        const long double middle = (low + high) / 2;
        (distance(middle) > epsilon ? low : high) = middle;
    }
    return high;
}

/// Random pixels, a tenth of them at each end of the range, and points around them.
template <class T>
std::vector<T> random_pixels(std::size_t n, std::uint64_t seed) {
    const saddle::random_stream draws({.seed = seed});
    std::vector<T> v(n);
    for (std::size_t i = 0; i < n; ++i) {
        const float u = draws.uniform(0, i);
        v[i] = u < .1f ? T(0) : u > .9f ? T(1) : static_cast<T>(draws.uniform(1, i));
    }
    return v;
}
template <class T>
std::vector<T> random_points(const std::vector<T>& around, double reach, std::uint64_t seed) {
    const saddle::random_stream draws({.seed = seed, .sample = 7});
    auto v = around;
    for (std::size_t i = 0; i < v.size(); ++i)
        v[i] += static_cast<T>(reach * (2. * static_cast<double>(draws.uniform(0, i)) - 1));
    return v;
}
