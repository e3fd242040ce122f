#include "saddle/losses/soft_logit_margin.hpp"

#include "losses/loss_block.hpp"
#include "saddle/losses/logit_margin.hpp"
#include "support/catch.hpp"

using namespace saddle;

TEMPLATE_TEST_CASE("the soft logit margin is the log-sum of the other classes minus the label's logit", "[losses]",
                   SADDLE_VALUE_TYPES) {
    using T = lane_scalar<TestType>;
    const std::vector<T> z{3, T(.5), 2, -1};
    const double expected = std::log(std::exp(.5) + std::exp(2.) + std::exp(-1.)) - 3;
    CHECK(evaluate<TestType>(soft_logit_margin{}, z, 0).value == Approx(expected));
    CHECK(evaluate<TestType>(soft_logit_margin{}, z, 0, true).value == Approx(-expected));
    CHECK(evaluate<TestType>(soft_logit_margin{}, z, 0).lanes_agree);
    for (const std::size_t label : {0u, 1u, 2u})
        CHECK(evaluate<TestType>(soft_logit_margin{}, z, label).value >= evaluate<TestType>(logit_margin{}, z, label).value);
    CHECK(evaluate<TestType>(soft_logit_margin{}, std::vector<T>{3, 1}, 0).value == Approx(-2));
}

TEST_CASE("soft margin slopes agree with finite differences", "[losses]") {
    CHECK(slope_error(soft_logit_margin{}, {.3, -1.2, 2.5, .8}, 0) < 1e-8);
    CHECK(slope_error(soft_logit_margin{}, {.3, -1.2, 2.5, .8}, 2, true) < 1e-8);
}

TEMPLATE_TEST_CASE("soft margins of huge and of NaN logits", "[losses][pitfalls]", SADDLE_VALUE_TYPES) {
    using T = lane_scalar<TestType>;
    const auto huge = evaluate<TestType>(soft_logit_margin{}, std::vector<T>{T(3e37), T(-3e37), 0}, 0);
    CHECK(huge.value == T(-3e37));
    CHECK(huge.slopes == std::vector<T>{-1, 0, 1});
    CHECK(
        std::isnan(evaluate<TestType>(soft_logit_margin{}, std::vector<T>{1, std::numeric_limits<T>::quiet_NaN(), 2}, 0).value));
    CHECK(
        std::isnan(evaluate<TestType>(soft_logit_margin{}, std::vector<T>{1, std::numeric_limits<T>::quiet_NaN(), 2}, 1).value));
}
