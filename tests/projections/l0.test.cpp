#include "saddle/projections/l0.hpp"

#include "attacks/toy.hpp"
#include "projections/oracles.hpp"
#include "saddle/attacks/pgd.hpp"
#include "saddle/testing/projection_properties.hpp"
#include "support/catch.hpp"

using namespace saddle;

namespace {

/// The pixels sorted by how much clip(v) on them shortens the way, the first epsilon kept.
template <class T>
std::vector<T> nearest_in_l0(const std::vector<T>& x, const std::vector<T>& v, std::size_t epsilon, std::size_t channels) {
    const std::size_t pixels = x.size() / channels;
    std::vector<std::pair<double, std::size_t>> gains(pixels);
    for (std::size_t p = 0; p < pixels; ++p) {
        gains[p].second = p;
        for (std::size_t e = p; e < x.size(); e += pixels) {
            const double at = static_cast<double>(v[e]), d = at - static_cast<double>(x[e]), rest = at - std::clamp(at, 0., 1.);
            gains[p].first -= d * d - rest * rest;
        }
    }
    std::sort(gains.begin(), gains.end());
    auto z = x;
    for (std::size_t i = 0; i < std::min(epsilon, pixels); ++i)
        for (std::size_t e = gains[i].second; e < x.size(); e += pixels) z[e] = std::clamp(v[e], T(0), T(1));
    return z;
}

}  // namespace

TEMPLATE_TEST_CASE("the L0 projection keeps the pixels that shorten the way most", "[projections][oracle]", SADDLE_VALUE_TYPES) {
    using T = lane_scalar<TestType>;
    for (const double reach : {.3, 2.})
        for (const std::size_t epsilon : {0u, 1u, 7u, 40u, 500u})
            for (const std::size_t channels : {1u, 3u}) {
                INFO("reach " << reach << " epsilon " << epsilon << " channels " << channels);
                const auto x = random_pixels<T>(120, 3);
                const auto v = random_points(x, reach, 5);
                const auto z = ball_fixture<TestType, l0>(l0{.channels = channels}, x, static_cast<double>(epsilon)).project(v);
                CHECK(z == nearest_in_l0(x, v, epsilon, channels));
            }
}

TEST_CASE("the L0 projection is inside, idempotent and independent of other lanes", "[projections]") {
    for (const std::size_t channels : {1u, 2u}) {
        const l0 threat{.channels = channels};
        const auto report = testing::check_projection<lanes<float>>(threat, 9.7, 60, .7, 2, [&](auto x, auto z, double epsilon) {
            return detail::distance(threat, x, z) <= epsilon &&
                   std::all_of(z.begin(), z.end(), [](float v) { return v >= 0 && v <= 1; });
        });
        CHECK(report.inside);
        CHECK(report.idempotent);
        CHECK(report.lanes_independent);
    }
}

TEST_CASE("L0 starts change as many pixels as are allowed, anywhere", "[projections][random]") {
    const std::vector<float> x(64, .5f);
    ball_fixture<float, l0> block(l0{}, x, 10);
    std::vector<int> hits(64);
    for (std::uint64_t id = 0; id < 300; ++id) {
        std::vector<float> v(64);
        block.ball.uniform_start(random_stream({.seed = 3}), &id, v.data());
        int changed = 0;
        for (std::size_t e = 0; e < 64; ++e)
            if (v[e] < .5f || v[e] > .5f) ++changed, ++hits[e];
        CHECK(changed == 10);
    }
    for (const int h : hits) CHECK((h > 15 && h < 85));
}

TEST_CASE("PGD in an L0 ball finds the few pixels that matter", "[projections][attacks]") {
    const testing::linear_model<2> model(toy_shape, random_weights(50, 6));
    const auto x = random_images(40, toy_shape);
    const auto y = predicted(model, x);
    double before = 0;
    for (const double pixels : {1., 3., 6., 25.}) {
        const auto attack = pgd<l0>({.epsilon = pixels, .step_size = 30, .steps = 20});
        const auto found = perturb(attack, model, x, y);
        CHECK(found.rejected == 0);
        CHECK(verify_in_threat(x, found.adversarial, attack.projection).ok());
        for (const auto& d : found.distances) CHECK(d.l0 <= pixels);
        CHECK(found.success_rate() >= before);
        before = found.success_rate();
    }
    CHECK(before == 1);
}

TEST_CASE("channels that do not divide the image are refused", "[projections][errors]") {
    const auto model = toy_linear();
    const auto x = random_images(2, toy_shape);
    CHECK_THROWS_AS(l0{.channels = 0}.validate("test"), invalid_argument);
    auto attack = pgd<l0>({.epsilon = 3, .step_size = 1});
    attack.projection.channels = 3;
    CHECK_THROWS_AS(perturb(attack, model, x, labels{0, 1}), invalid_argument);
}
