#include "saddle/losses/kl_divergence.hpp"

#include "losses/loss_block.hpp"
#include "support/catch.hpp"

using namespace saddle;

TEMPLATE_TEST_CASE("KL divergence and its slopes are exactly 0 at the clean prediction", "[losses]", SADDLE_VALUE_TYPES) {
    using T = lane_scalar<TestType>;
    const std::vector<T> z{T(1.25), T(-3), T(.5), T(7.125)};
    const auto found = evaluate<TestType>(kl_divergence{}, z, 0, false, z);
    CHECK(found.value == 0);
    CHECK(found.slopes == std::vector<T>(4, T(0)));
    CHECK(found.lanes_agree);
}

TEST_CASE("KL divergence equals its definition and finite differences", "[losses]") {
    const std::vector<double> clean{.3, -1.2, 2.5, .8}, z{1.1, .4, -.3, .2};
    double total_clean = 0, total = 0, expected = 0;
    for (std::size_t k = 0; k < 4; ++k) {
        total_clean += std::exp(clean[k]);
        total += std::exp(z[k]);
    }
    for (std::size_t k = 0; k < 4; ++k)
        expected += std::exp(clean[k]) / total_clean * (clean[k] - std::log(total_clean) - z[k] + std::log(total));
    CHECK(evaluate<double>(kl_divergence{}, z, 0, false, clean).value == Approx(expected).epsilon(1e-12));
    CHECK(slope_error(kl_divergence{}, z, 0, false, clean) < 1e-8);
}

TEMPLATE_TEST_CASE("KL divergence stands classes of probability 0 (TRADES issue 30)", "[losses][pitfalls]", SADDLE_VALUE_TYPES) {
    using T = lane_scalar<TestType>;
    const std::vector<T> clean{T(1e30), 0, T(-1e30)};
    const auto far = evaluate<TestType>(kl_divergence{}, std::vector<T>{0, 0, 0}, 0, false, clean);
    CHECK(static_cast<double>(far.value) == Approx(std::log(3.)));
    const auto infinite =
        evaluate<TestType>(kl_divergence{}, std::vector<T>{T(1e4), 0, -std::numeric_limits<T>::infinity()}, 0, false, clean);
    CHECK(infinite.value == 0);
    for (const T s : infinite.slopes) CHECK(s == 0);
}

TEMPLATE_TEST_CASE("KL divergence of NaN logits is NaN", "[losses][pitfalls]", SADDLE_VALUE_TYPES) {
    using T = lane_scalar<TestType>;
    const std::vector<T> clean{T(1e30), 0, 0};
    const auto found =
        evaluate<TestType>(kl_divergence{}, std::vector<T>{0, std::numeric_limits<T>::quiet_NaN(), 0}, 0, false, clean);
    CHECK(std::isnan(found.value));
}
