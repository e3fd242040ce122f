#include "saddle/projections/linf.hpp"

#include "projections/oracles.hpp"
#include "saddle/testing/projection_properties.hpp"
#include "support/catch.hpp"

using namespace saddle;

TEMPLATE_TEST_CASE("lo and hi are the extreme values within epsilon in exact arithmetic", "[projections][exact]",
                   SADDLE_VALUE_TYPES) {
    using T = lane_scalar<TestType>;
    constexpr std::size_t lanes = lane_values<TestType>::size;
    std::vector<T> pixels;
    for (int level = 0; level < 256; ++level) pixels.push_back(static_cast<T>(level) / 255);
    const auto drawn = random_pixels<T>(512, 3);
    pixels.insert(pixels.end(), drawn.begin(), drawn.end());
    for (const double epsilon : {0., .1, .3, 8. / 255, .031, .5, 1., 2. / 3}) {
        std::size_t wrong = 0;
        for (const T pixel : pixels) {
            lane_vector<T> x(lanes, pixel), lo(lanes), hi(lanes);
            typename wide<TestType>::buffer radius;
            for (auto& r : radius.at) r = epsilon;
            linf_interval<TestType>(x.data(), radius.at, lo.data(), hi.data());
            const exact_number centre = exact(static_cast<double>(pixel)), reach = exact(epsilon);
            const T low = lo[lanes - 1], high = hi[lanes - 1];
            const T below = std::nextafter(low, T(-1)), above = std::nextafter(high, T(2));
            wrong += centre - exact(static_cast<double>(low)) > reach || exact(static_cast<double>(high)) - centre > reach;
            wrong += low < 0 || high > 1;
            wrong += low > 0 && centre - exact(static_cast<double>(below)) <= reach && below >= T(0x1p-40);
            wrong += high < 1 && exact(static_cast<double>(above)) - centre <= reach && above >= T(0x1p-40);
        }
        INFO("epsilon " << epsilon);
        CHECK(wrong == 0);
    }
}

TEST_CASE("plain rounding of x + epsilon would leave the real ball for many pixels", "[projections][exact]") {
    std::size_t outside = 0;
    for (int level = 0; level < 128; ++level) {
        const float x = static_cast<float>(level) / 255;
        outside += exact(static_cast<double>(x + .1f)) - exact(static_cast<double>(x)) > exact(.1);
    }
    CHECK(outside > 40);
}

TEMPLATE_TEST_CASE("the Linf projection is feasible, nearest, idempotent and lane by lane", "[projections]", SADDLE_VALUE_TYPES) {
    using T = lane_scalar<TestType>;
    for (const double epsilon : {0., .1, .3, 8. / 255, 2.}) {
        const auto report = testing::check_projection<TestType>(linf{}, epsilon, 41, .7, 11, inside_of<linf, T>(linf{}));
        CHECK(report.inside);
        CHECK(report.idempotent);
        CHECK(report.lanes_independent);
        CHECK(report.worst_gain < 1e-5);
    }
}

TEMPLATE_TEST_CASE("the Linf step is a sign step with sign(0) = 0", "[projections][pitfalls]", SADDLE_VALUE_TYPES) {
    using T = lane_scalar<TestType>;
    ball_fixture<TestType, linf> f(linf{}, {T(.5), T(.5), T(.5), T(.75), T(0), T(1)}, .25);
    CHECK_FALSE(f.step({T(1e-30), -3, 0, 2, -1, 1}, .125));
    CHECK(f.result() == std::vector<T>{T(.625), T(.375), T(.5), T(.875), 0, 1});
    for (int i = 0; i < 5; ++i) (void)f.step({1, -1, 0, 1, 1, -1}, .125);
    CHECK(f.result() == std::vector<T>{T(.75), T(.25), T(.5), 1, T(.25), T(.75)});
}

TEMPLATE_TEST_CASE("a NaN slope is reported and does not move its pixel", "[projections][pitfalls]", SADDLE_VALUE_TYPES) {
    using T = lane_scalar<TestType>;
    ball_fixture<TestType, linf> f(linf{}, {T(.5), T(.5)}, .25);
    CHECK(f.step({std::numeric_limits<T>::quiet_NaN(), 1}, .125));
    CHECK(f.result() == std::vector<T>{T(.5), T(.625)});
    CHECK(f.step({std::numeric_limits<T>::infinity(), 1}, .125));
    CHECK(f.project({std::numeric_limits<T>::quiet_NaN(), 9}) == std::vector<T>{T(.5), T(.75)});
}

TEMPLATE_TEST_CASE("each lane has its own epsilon", "[projections]", lanes<float>, lanes<double>) {
    using T = lane_scalar<TestType>;
    constexpr std::size_t count = lane_values<TestType>::size;
    ball_fixture<TestType, linf> f(linf{}, {T(.5)}, 0);
    for (std::size_t l = 0; l < count; ++l) f.epsilon.at[l] = static_cast<double>(l) / 64;
    f.ball.centre(f.x.data(), f.epsilon.at);
    lane_vector<T> v(count, T(1));
    f.ball.project(v.data(), f.z.data());
    for (std::size_t l = 0; l < count; ++l) CHECK(f.z[l] == T(.5) + static_cast<T>(l) / 64);
}

TEMPLATE_TEST_CASE("the Linf start is uniform in [-epsilon, epsilon)", "[projections][random]", float, lanes<float>) {
    constexpr std::size_t elements = 4000, count = lane_values<TestType>::size;
    ball_fixture<TestType, linf> f(linf{}, std::vector<float>(elements, .5f), .25);
    std::array<std::uint64_t, count> ids{};
    ids[count - 1] = 17;
    f.ball.uniform_start(random_stream({.seed = 4}), ids.data(), f.z.data());
    std::array<std::size_t, 10> bins{};
    for (const float v : f.result()) {
        REQUIRE(v >= .25f);
        REQUIRE(v < .75f);
        ++bins[static_cast<std::size_t>((v - .25f) * 20)];
    }
    double chi_square = 0;
    for (const auto b : bins) chi_square += (static_cast<double>(b) - 400) * (static_cast<double>(b) - 400) / 400;
    CHECK(chi_square < 27.9);  // 99.9 % of chi-square with 9 degrees of freedom
    const random_stream draws({.seed = 4});
    CHECK(f.result()[9] == .5f + .25f * (2 * draws.uniform(17, 9) - 1));
}

TEST_CASE("projections refuse a negative, NaN or infinite epsilon", "[projections][errors]") {
    for (const double epsilon : {-.1, std::nan(""), std::numeric_limits<double>::infinity()}) {
        CHECK_THROWS_AS(linf{epsilon}.validate("test"), invalid_argument);
        CHECK_THROWS_AS(l2{epsilon}.validate("test"), invalid_argument);
        CHECK_THROWS_AS(l1{epsilon}.validate("test"), invalid_argument);
    }
    CHECK_NOTHROW(linf{0}.validate("test"));
}

TEST_CASE("an Linf epsilon beyond the data range is refused, with the unit", "[projections][errors]") {
    CHECK_THROWS_WITH(linf{8}.validate("test"), Catch::Contains("8 of 255 is 8. / 255"));
    CHECK_NOTHROW(linf{1}.validate("test"));
    CHECK_NOTHROW(l2{8}.validate("test"));
}
