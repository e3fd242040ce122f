#include "saddle/projections/l2.hpp"

#include "projections/oracles.hpp"
#include "saddle/testing/projection_properties.hpp"
#include "support/catch.hpp"

using namespace saddle;

namespace {

/// Nearest point of ball ∩ range by bisection on the multiplier of the norm: z = clip((v + m x) / (1 + m)).
template <class T>
std::vector<long double> nearest_in_l2(const std::vector<T>& x, const std::vector<T>& v, double epsilon) {
    const auto at = [&](std::size_t i, long double m) {
        return std::clamp((static_cast<long double>(v[i]) + m * static_cast<long double>(x[i])) / (1 + m), 0.L, 1.L);
    };
    const auto norm = [&](long double m) {
        long double sum = 0;
        for (std::size_t i = 0; i < x.size(); ++i)
            sum += (at(i, m) - static_cast<long double>(x[i])) * (at(i, m) - static_cast<long double>(x[i]));
        return std::sqrt(sum);
    };
    const long double m = bisect(norm, static_cast<long double>(epsilon), 1e12L);
    std::vector<long double> z(x.size());
    for (std::size_t i = 0; i < z.size(); ++i) z[i] = at(i, m);
    return z;
}

template <class T>
long double l2_norm(const std::vector<T>& x, const std::vector<T>& z) {
    long double sum = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
        const long double d = static_cast<long double>(z[i]) - static_cast<long double>(x[i]);
        sum += d * d;
    }
    return std::sqrt(sum);
}

}  // namespace

TEMPLATE_TEST_CASE("the L2 projection equals bisection on the multiplier", "[projections][oracle]", SADDLE_VALUE_TYPES) {
    using T = lane_scalar<TestType>;
    const double tolerance = sizeof(T) == 4 ? 3e-7 : 1e-12;
    for (const double reach : {.05, .6, 3., 200.})
        for (const double epsilon : {.01, .3, 1.5, 4.})
            for (const std::size_t n : {1u, 2u, 37u, 300u}) {
                const auto x = random_pixels<T>(n, n);
                const auto v = random_points(x, reach, 5);
                ball_fixture<TestType, l2> f(l2{}, x, epsilon);
                const auto z = f.project(v);
                const auto expected = nearest_in_l2(x, v, epsilon);
                double worst = 0;
                for (std::size_t i = 0; i < n; ++i)
                    worst = std::max(worst, static_cast<double>(std::abs(expected[i] - static_cast<long double>(z[i]))));
                INFO("reach " << reach << " epsilon " << epsilon << " elements " << n);
                CHECK(worst < tolerance * (1 + epsilon));
                CHECK(l2_norm(x, z) <= static_cast<long double>(epsilon));
            }
}

TEST_CASE("projecting on the ball and then on the range is not the L2 projection on both", "[projections][pitfalls]") {
    const std::vector<float> x{.9f, .5f}, v{2.9f, 1.5f};
    ball_fixture<float, l2> f(l2{}, x, .5);
    const auto z = f.project(v);
    const double scale = .5 / std::sqrt(4 + 1.);
    const double naive_first = std::min(1., .9 + 2 * scale), naive_second = .5 + scale;
    const auto gap = [&](double a, double b) { return std::hypot(2.9 - a, 1.5 - b); };
    CHECK(gap(static_cast<double>(z[0]), static_cast<double>(z[1])) < gap(naive_first, naive_second) - .05);
    CHECK(z[0] == 1.f);
    CHECK(static_cast<double>(z[1]) == Approx(.5 + std::sqrt(.25 - .01)).epsilon(1e-6));
}

TEMPLATE_TEST_CASE("the L2 projection is feasible, nearest, idempotent and lane by lane", "[projections]", SADDLE_VALUE_TYPES) {
    using T = lane_scalar<TestType>;
    for (const double epsilon : {0., 1e-9, .1, .5, 3.})
        for (const double reach : {.01, .7, 30.}) {
            const auto report = testing::check_projection<TestType>(l2{}, epsilon, 65, reach, 12, inside_of<l2, T>(l2{}));
            INFO("epsilon " << epsilon << " reach " << reach);
            CHECK(report.inside);
            CHECK(report.idempotent);
            CHECK(report.lanes_independent);
            if (epsilon > 1e-6) CHECK(report.worst_gain < 1e-4);
        }
}

TEMPLATE_TEST_CASE("epsilon 0 returns x and a huge epsilon the nearest image", "[projections]", SADDLE_VALUE_TYPES) {
    using T = lane_scalar<TestType>;
    const auto x = random_pixels<T>(20, 1);
    const auto v = random_points(x, 2, 2);
    CHECK(ball_fixture<TestType, l2>(l2{}, x, 0).project(v) == x);
    auto clipped = v;
    for (auto& p : clipped) p = std::clamp(p, T(0), T(1));
    CHECK(ball_fixture<TestType, l2>(l2{}, x, 1e200).project(v) == clipped);
}

TEMPLATE_TEST_CASE("an L2 step has its length whatever the gradient's size (CleverHans PR 1175)", "[projections][pitfalls]",
                   SADDLE_VALUE_TYPES) {
    using T = lane_scalar<TestType>;
    for (const T size : {T(1), T(1e-7), T(1e-20), T(1e-38), T(1e20), T(1e37)}) {
        ball_fixture<TestType, l2> f(l2{}, {T(.5), T(.5), T(.5)}, 1);
        CHECK_FALSE(f.step({3 * size, 0, -4 * size}, .25));
        INFO("gradient of size " << size);
        CHECK(static_cast<double>(f.result()[0]) == Approx(.65).epsilon(1e-5));
        CHECK(f.result()[1] == T(.5));
        CHECK(static_cast<double>(f.result()[2]) == Approx(.3).epsilon(1e-5));
    }
}

TEMPLATE_TEST_CASE("a zero gradient gives no L2 step and never NaN", "[projections][pitfalls]", SADDLE_VALUE_TYPES) {
    using T = lane_scalar<TestType>;
    const std::vector<T> x{T(.5), 0, 1};
    ball_fixture<TestType, l2> f(l2{}, x, 1);
    CHECK_FALSE(f.step({0, 0, 0}, .25));
    CHECK(f.result() == x);
    CHECK(f.step({std::numeric_limits<T>::quiet_NaN(), 1, 1}, .25));
    CHECK(f.result() == x);
    CHECK(f.step({std::numeric_limits<T>::infinity(), 1, 1}, .25));
    CHECK(f.result() == x);
    CHECK(f.project({std::numeric_limits<T>::quiet_NaN(), 0, 1}) == x);
}

TEMPLATE_TEST_CASE("the L2 start is uniform in the ball", "[projections][random]", float, lanes<float>) {
    constexpr std::size_t count = lane_values<TestType>::size;
    const std::size_t n = 3;
    ball_fixture<TestType, l2> f(l2{}, std::vector<float>(n, .5f), .4);
    double mean = 0, cubes = 0;
    constexpr int draws = 4000;
    for (std::uint32_t r = 0; r < draws; ++r) {
        std::array<std::uint64_t, count> ids{};
        ids[count - 1] = 3;
        f.ball.uniform_start(random_stream({.seed = 4, .restart = r}), ids.data(), f.z.data());
        double square = 0;
        for (const float v : f.result()) square += (static_cast<double>(v) - .5) * (static_cast<double>(v) - .5);
        const double radius = std::sqrt(square) / .4;
        REQUIRE(radius < 1.0001);
        mean += (static_cast<double>(f.result()[0]) - .5) / .4 / draws;
        cubes += radius * radius * radius / draws;  // uniform in [0,1] for a uniform draw from the ball
    }
    CHECK(std::abs(mean) < .03);
    CHECK(std::abs(cubes - .5) < .02);
}
