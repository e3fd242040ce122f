#include "saddle/projections/l1.hpp"

#include "projections/oracles.hpp"
#include "saddle/testing/projection_properties.hpp"
#include "support/catch.hpp"

using namespace saddle;

namespace {

/// Nearest point of ball ∩ range by bisection on the multiplier of the norm: a clipped soft threshold.
template <class T>
std::vector<long double> nearest_in_l1(const std::vector<T>& x, const std::vector<T>& v, double epsilon) {
    const auto at = [&](std::size_t i, long double m) {
        const long double d = static_cast<long double>(v[i]) - static_cast<long double>(x[i]),
                          rest = std::max(std::abs(d) - m, 0.L);
        return std::clamp(static_cast<long double>(x[i]) + (d < 0 ? -rest : rest), 0.L, 1.L);
    };
    const auto norm = [&](long double m) {
        long double sum = 0;
        for (std::size_t i = 0; i < x.size(); ++i) sum += std::abs(at(i, m) - static_cast<long double>(x[i]));
        return sum;
    };
    const long double m = bisect(norm, static_cast<long double>(epsilon), 1e6L);
    std::vector<long double> z(x.size());
    for (std::size_t i = 0; i < z.size(); ++i) z[i] = at(i, m);
    return z;
}

}  // namespace

TEMPLATE_TEST_CASE("the L1 projection equals bisection on the multiplier", "[projections][oracle]", SADDLE_VALUE_TYPES) {
    using T = lane_scalar<TestType>;
    const double tolerance = sizeof(T) == 4 ? 4e-7 : 1e-11;
    for (const double reach : {.05, .6, 3., 200.})
        for (const double epsilon : {.01, .3, 4., 12.})
            for (const std::size_t n : {1u, 2u, 37u, 300u}) {
                const auto x = random_pixels<T>(n, n);
                const auto v = random_points(x, reach, 5);
                const auto z = ball_fixture<TestType, l1>(l1{}, x, epsilon).project(v);
                const auto expected = nearest_in_l1(x, v, epsilon);
                double worst = 0;
                long double sum = 0;
                for (std::size_t i = 0; i < n; ++i) {
                    worst = std::max(worst, static_cast<double>(std::abs(expected[i] - static_cast<long double>(z[i]))));
                    sum += std::abs(static_cast<long double>(z[i]) - static_cast<long double>(x[i]));
                }
                INFO("reach " << reach << " epsilon " << epsilon << " elements " << n);
                CHECK(worst < tolerance * (1 + epsilon));
                CHECK(sum <= static_cast<long double>(epsilon));
            }
}

TEST_CASE("radial rescaling is not the L1 projection", "[projections][pitfalls]") {
    const std::vector<float> x{.5f, .5f, .5f}, v{.9f, .6f, .55f};
    const auto z = ball_fixture<float, l1>(l1{}, x, .3).project(v);
    CHECK(static_cast<double>(z[0]) == Approx(.8).epsilon(1e-6));
    CHECK(static_cast<double>(z[1]) == Approx(.5).margin(1e-6));
    CHECK(z[2] == .5f);
}

TEST_CASE("projecting on the L1 ball and then on the range is not the projection on both", "[projections][pitfalls]") {
    const std::vector<float> x{.9f, .5f}, v{1.6f, .8f};
    const auto z = ball_fixture<float, l1>(l1{}, x, .4).project(v);
    CHECK(z[0] == 1.f);
    CHECK(static_cast<double>(z[1]) == Approx(.8).epsilon(1e-6));  // ball first would stop at .5
}

TEMPLATE_TEST_CASE("the L1 projection is feasible, nearest, idempotent and lane by lane", "[projections]", SADDLE_VALUE_TYPES) {
    using T = lane_scalar<TestType>;
    for (const double epsilon : {0., 1e-9, .1, 2., 12.})
        for (const double reach : {.01, .7, 30.}) {
            const auto report = testing::check_projection<TestType>(l1{}, epsilon, 65, reach, 13, inside_of<l1, T>(l1{}));
            INFO("epsilon " << epsilon << " reach " << reach);
            CHECK(report.inside);
            CHECK(report.idempotent);
            CHECK(report.lanes_independent);
            if (epsilon > 1e-6) CHECK(report.worst_gain < 1e-4);
        }
}

TEMPLATE_TEST_CASE("the L1 step moves the largest slope that can move", "[projections][pitfalls]", SADDLE_VALUE_TYPES) {
    using T = lane_scalar<TestType>;
    ball_fixture<TestType, l1> f(l1{}, {1, T(.5), T(.5), 0}, 4);
    CHECK_FALSE(f.step({9, -3, 2, -8}, .25));  // 9 and -8 push out of the range
    CHECK(f.result() == std::vector<T>{1, T(.25), T(.5), 0});
    CHECK_FALSE(f.step({T(1e-38), 0, 0, 0}, .25));
    CHECK(f.result() == std::vector<T>{1, T(.25), T(.5), 0});
    CHECK_FALSE(f.step({-T(1e-38), 0, 0, 0}, .25));
    CHECK(f.result() == std::vector<T>{T(.75), T(.25), T(.5), 0});
}

TEMPLATE_TEST_CASE("the top-k L1 step shares its length, first of equals first", "[projections]", SADDLE_VALUE_TYPES) {
    using T = lane_scalar<TestType>;
    const std::vector<T> x(6, T(.5));
    ball_fixture<TestType, l1> f(l1{.largest = 4}, x, 4);
    CHECK_FALSE(f.step({2, 1, -7, 1, 1, T(.5)}, 1));
    CHECK(f.result() == std::vector<T>{T(.75), T(.75), T(.25), T(.75), T(.5), T(.5)});
    ball_fixture<TestType, l1> few(l1{.largest = 4}, x, 4);
    CHECK_FALSE(few.step({0, 3, 0, 0, -1, 0}, 1));
    CHECK(few.result() == std::vector<T>{T(.5), T(.75), T(.5), T(.5), T(.25), T(.5)});
    ball_fixture<TestType, l1> all(l1{.largest = 100}, x, 4);
    CHECK_FALSE(all.step({1, -1, 2, -2, 3, -3}, T(1.5)));
    CHECK(all.result() == std::vector<T>{T(.75), T(.25), T(.75), T(.25), T(.75), T(.25)});
}

TEMPLATE_TEST_CASE("a zero or NaN gradient gives no L1 step", "[projections][pitfalls]", SADDLE_VALUE_TYPES) {
    using T = lane_scalar<TestType>;
    const std::vector<T> x{T(.5), 0, 1};
    for (const std::size_t k : {1u, 2u}) {
        ball_fixture<TestType, l1> f(l1{.largest = k}, x, 1);
        CHECK_FALSE(f.step({0, 0, 0}, .25));
        CHECK(f.result() == x);
        CHECK(f.step({std::numeric_limits<T>::quiet_NaN(), 1, -1}, .25));
        CHECK(f.result() == x);
    }
}

TEMPLATE_TEST_CASE("the L1 start is uniform in the ball", "[projections][random]", float, lanes<float>) {
    constexpr std::size_t count = lane_values<TestType>::size;
    ball_fixture<TestType, l1> f(l1{}, std::vector<float>(3, .5f), .4);
    double mean = 0, cubes = 0;
    constexpr int draws = 4000;
    for (std::uint32_t r = 0; r < draws; ++r) {
        std::array<std::uint64_t, count> ids{};
        ids[count - 1] = 3;
        f.ball.uniform_start(random_stream({.seed = 4, .restart = r}), ids.data(), f.z.data());
        double radius = 0;
        for (const float v : f.result()) radius += std::abs(static_cast<double>(v) - .5) / .4;
        REQUIRE(radius < 1.0001);
        mean += (static_cast<double>(f.result()[0]) - .5) / .4 / draws;
        cubes += radius * radius * radius / draws;  // uniform in [0,1] for a uniform draw from a ball in three dimensions
    }
    CHECK(std::abs(mean) < .03);
    CHECK(std::abs(cubes - .5) < .02);
}

TEST_CASE("L1 refuses to move no element", "[projections][errors]") {
    CHECK_THROWS_AS((l1{.epsilon = 1, .largest = 0}.validate("test")), invalid_argument);
}
