#include "saddle/losses/label_smoothed.hpp"

#include "losses/loss_block.hpp"
#include "saddle/core/random.hpp"
#include "saddle/losses/cross_entropy.hpp"
#include "support/catch.hpp"

using namespace saddle;

TEMPLATE_TEST_CASE("label smoothing with alpha 0 is cross-entropy bit for bit", "[losses]", SADDLE_VALUE_TYPES) {
    using T = lane_scalar<TestType>;
    const std::vector<T> z{T(1.25), T(-3), T(.5), T(7)};
    for (const bool targeted : {false, true}) {
        const auto smoothed = evaluate<TestType>(label_smoothed{.alpha = 0}, z, 2, targeted);
        const auto plain = evaluate<TestType>(cross_entropy{}, z, 2, targeted);
        CHECK(smoothed.value == plain.value);
        CHECK(smoothed.slopes == plain.slopes);
        CHECK(smoothed.lanes_agree);
    }
}

TEST_CASE("label smoothing equals its definition", "[losses]") {
    const std::vector<double> z{.3, -1.2, 2.5, .8, -.4};
    for (const double alpha : {0., .1, .5, 1.}) {
        double total = 0, expected = 0;
        for (const double v : z) total += std::exp(v);
        for (std::size_t k = 0; k < z.size(); ++k) expected -= (k == 3 ? 1 - alpha : alpha / 4) * (z[k] - std::log(total));
        CHECK(evaluate<double>(label_smoothed{alpha}, z, 3).value == Approx(expected).epsilon(1e-12));
        CHECK(slope_error(label_smoothed{alpha}, z, 3) < 1e-8);
    }
}

TEST_CASE("ascent on the smoothed loss raises the true logit exactly where p_y > 1 - alpha", "[losses]") {
    const random_stream draws({.seed = 5});
    std::size_t raised = 0;
    for (std::size_t i = 0; i < 300; ++i) {
        std::vector<double> z(4);
        double total = 0;
        for (std::size_t k = 0; k < 4; ++k) total += std::exp(z[k] = 6 * normal(draws, i, k));
        const double alpha = draws.uniform(1000 + i, 0), p = std::exp(z[1]) / total;
        const auto found = evaluate<double>(label_smoothed{alpha}, z, 1);
        if (std::abs(p - (1 - alpha)) < 1e-9) continue;
        CHECK((found.slopes[1] > 0) == (p > 1 - alpha));
        raised += found.slopes[1] > 0;
    }
    CHECK(raised > 50);
    CHECK(raised < 250);
}

TEMPLATE_TEST_CASE("label smoothing stands logits of 1e30", "[losses]", SADDLE_VALUE_TYPES) {
    using T = lane_scalar<TestType>;
    const auto found = evaluate<TestType>(label_smoothed{.alpha = .5}, std::vector<T>{T(1e30), T(-1e30), 0}, 0);
    CHECK(static_cast<double>(found.value) == Approx(.25 * 3e30));
    for (const T s : found.slopes) CHECK(std::isfinite(s));
}

TEST_CASE("label smoothing refuses alpha outside [0,1]", "[losses][errors]") {
    for (const double alpha : {-.1, 1.1, std::nan("")}) CHECK_THROWS_AS(label_smoothed{alpha}.validate("test"), invalid_argument);
    CHECK_NOTHROW(label_smoothed{1}.validate("test"));
}
