#include "saddle/losses/logit_margin.hpp"

#include "losses/loss_block.hpp"
#include "support/catch.hpp"

using namespace saddle;

TEMPLATE_TEST_CASE("the logit margin is the best other logit minus the label's", "[losses]", SADDLE_VALUE_TYPES) {
    using T = lane_scalar<TestType>;
    const auto found = evaluate<TestType>(logit_margin{}, std::vector<T>{3, T(.5), 2, -1}, 0);
    CHECK(found.value == -1);
    CHECK(found.slopes == std::vector<T>{-1, 0, 1, 0});
    CHECK(found.lanes_agree);
}

TEMPLATE_TEST_CASE("the margin of negative logits has no masked zero (torchattacks 184)", "[losses][pitfalls]",
                   SADDLE_VALUE_TYPES) {
    using T = lane_scalar<TestType>;
    CHECK(evaluate<TestType>(logit_margin{}, std::vector<T>{-5, -7, -9}, 1).value == 2);
    CHECK(evaluate<TestType>(logit_margin{}, std::vector<T>{-5, -7, -9}, 0).value == -2);
}

TEMPLATE_TEST_CASE("the clipped margin is -(kappa - M)+ and has no slope beyond kappa", "[losses]", SADDLE_VALUE_TYPES) {
    using T = lane_scalar<TestType>;
    const logit_margin zero{.clipped = true}, plus{.clipped = true, .kappa = 50};
    CHECK(evaluate<TestType>(zero, std::vector<T>{3, 1, 0}, 0).value == -2);
    CHECK(evaluate<TestType>(zero, std::vector<T>{3, 1, 0}, 0).slopes == std::vector<T>{-1, 1, 0});
    CHECK(evaluate<TestType>(zero, std::vector<T>{3, 1, 0}, 1).value == 0);
    CHECK(evaluate<TestType>(zero, std::vector<T>{3, 1, 0}, 1).slopes == std::vector<T>{0, 0, 0});
    CHECK(evaluate<TestType>(plus, std::vector<T>{3, 1, 0}, 1).value == -48);
    CHECK(evaluate<TestType>(plus, std::vector<T>{3, 1, 0}, 1).slopes == std::vector<T>{1, -1, 0});
}

TEMPLATE_TEST_CASE("the targeted margin raises the target up to kappa", "[losses]", SADDLE_VALUE_TYPES) {
    using T = lane_scalar<TestType>;
    const std::vector<T> z{3, 1, 0};
    CHECK(evaluate<TestType>(logit_margin{}, z, 1, true).value == -2);
    CHECK(evaluate<TestType>(logit_margin{}, z, 1, true).slopes == std::vector<T>{-1, 1, 0});
    const logit_margin clipped{.clipped = true, .kappa = 3};
    CHECK(evaluate<TestType>(clipped, z, 0, true).value == -1);
    CHECK(evaluate<TestType>(clipped, z, 0, true).slopes == std::vector<T>{1, -1, 0});
    CHECK(evaluate<TestType>(logit_margin{.clipped = true, .kappa = 2}, z, 0, true).value == 0);
}

TEST_CASE("margin slopes agree with finite differences", "[losses]") {
    CHECK(slope_error(logit_margin{}, {.3, -1.2, 2.5, .8}, 0) < 1e-8);
    CHECK(slope_error(logit_margin{.clipped = true, .kappa = 50}, {.3, -1.2, 2.5, .8}, 2, true) < 1e-8);
}

TEMPLATE_TEST_CASE("margins of huge and of NaN logits", "[losses][pitfalls]", SADDLE_VALUE_TYPES) {
    using T = lane_scalar<TestType>;
    CHECK(static_cast<double>(evaluate<TestType>(logit_margin{}, std::vector<T>{T(1e30), T(-1e30)}, 1).value) == Approx(2e30));
    for (const std::size_t y : {0u, 1u, 2u}) {
        const auto found = evaluate<TestType>(logit_margin{}, std::vector<T>{0, std::numeric_limits<T>::quiet_NaN(), 1}, y);
        CHECK(std::isnan(found.value));
    }
}

TEST_CASE("the margin refuses kappa below 0 or not finite", "[losses][errors]") {
    for (const double kappa : {-1., std::nan(""), std::numeric_limits<double>::infinity()})
        CHECK_THROWS_AS((logit_margin{.clipped = true, .kappa = kappa}.validate("test")), invalid_argument);
}
