#include "saddle/losses/label_logit.hpp"

#include "losses/loss_block.hpp"
#include "support/catch.hpp"

using namespace saddle;

TEMPLATE_TEST_CASE("label_logit is the label's logit", "[losses]", SADDLE_VALUE_TYPES) {
    using T = lane_scalar<TestType>;
    const auto found = evaluate<TestType>(label_logit{}, std::vector<T>{3, T(.5), 2}, 1);
    CHECK(found.value == T(.5));
    CHECK(found.slopes == std::vector<T>{0, 1, 0});
    CHECK(found.lanes_agree);
    CHECK(evaluate<TestType>(label_logit{}, std::vector<T>{3, T(.5), 2}, 2, true).value == 2);
    CHECK(std::isnan(evaluate<TestType>(label_logit{}, std::vector<T>{0, std::numeric_limits<T>::quiet_NaN(), 1}, 0).value));
}

TEST_CASE("label_logit's slopes agree with finite differences", "[losses]") {
    CHECK(slope_error(label_logit{}, {.3, -1.2, 2.5, .8}, 2) < 1e-8);
}
