#include "saddle/losses/carlini_wagner.hpp"

#include "losses/loss_block.hpp"
#include "support/catch.hpp"

using namespace saddle;

namespace {

constexpr cw_objective all_objectives[] = {cw_objective::f1, cw_objective::f2, cw_objective::f3, cw_objective::f4,
                                           cw_objective::f5, cw_objective::f6, cw_objective::f7};

/// f1..f7 as they are printed, corrected: the probabilities by the plain formula.
double by_formula(cw_objective objective, const std::vector<double>& z, std::size_t label, bool targeted, double kappa = 0) {
    double sum = 0;
    for (const double v : z) sum += std::exp(v);
    std::size_t other = label == 0 ? 1 : 0;
    for (std::size_t k = 0; k < z.size(); ++k)
        if (k != label && z[k] > z[other]) other = k;
    const std::size_t t = targeted ? label : other, i = targeted ? other : label;
    const double p = std::exp(z[t]) / sum, m_f = std::exp(z[i]) / sum - p, m_z = z[i] - z[t], ln2 = std::log(2.);
    switch (objective) {
    case cw_objective::f1:
        return -std::log(p) - ln2;
    case cw_objective::f2:
        return std::max(m_f, 0.);
    case cw_objective::f3:
        return std::log(1 + std::exp(m_f)) - ln2;
    case cw_objective::f4:
        return std::max(.5 - p, 0.);
    case cw_objective::f5:
        return std::max(-std::log(2 * p), 0.);
    case cw_objective::f6:
        return std::max(m_z, -kappa);
    case cw_objective::f7:
        return std::log(1 + std::exp(m_z)) - ln2;
    }
    return 0;
}

}  // namespace

TEMPLATE_TEST_CASE("the seven objectives are minus the published formulas, f1 and f5 corrected", "[losses]", SADDLE_VALUE_TYPES) {
    using T = lane_scalar<TestType>;
    const std::vector<double> z{.3, -1.2, 2.5, .8};
    for (const auto objective : all_objectives)
        for (const bool targeted : {false, true})
            for (const std::size_t label : {0u, 1u, 2u}) {
                INFO("f" << static_cast<int>(objective) << " label " << label << " targeted " << targeted);
                const auto found =
                    evaluate<TestType>(carlini_wagner_loss{objective}, std::vector<T>(z.begin(), z.end()), label, targeted);
                CHECK(found.value == Approx(-by_formula(objective, z, label, targeted)).margin(1e-6));
                CHECK(found.lanes_agree);
            }
    CHECK(evaluate<TestType>(carlini_wagner_loss{cw_objective::f6, 5}, std::vector<T>{9, 1, 0}, 0, true).value == 5);
    CHECK(evaluate<TestType>(carlini_wagner_loss{cw_objective::f6, 10}, std::vector<T>{9, 1, 0}, 0, true).value == 8);
    CHECK(evaluate<TestType>(carlini_wagner_loss{}, std::vector<T>{9, 1, 0}, 0, true).slopes == std::vector<T>{0, 0, 0});
}

TEST_CASE("the slopes of the seven objectives agree with finite differences", "[losses]") {
    for (const auto objective : all_objectives)
        for (const bool targeted : {false, true})
            for (const std::size_t label : {0u, 1u, 2u}) {
                INFO("f" << static_cast<int>(objective) << " label " << label << " targeted " << targeted);
                CHECK(slope_error(carlini_wagner_loss{objective}, {.3, -1.2, 2.5, .8}, label, targeted) < 1e-7);
            }
    CHECK(slope_error(carlini_wagner_loss{cw_objective::f6, 40}, {.3, -1.2, 2.5, .8}, 2, true) < 1e-7);
}

TEMPLATE_TEST_CASE("f1 and f5 keep a slope where the target has no probability, f4 loses it", "[losses]", SADDLE_VALUE_TYPES) {
    using T = lane_scalar<TestType>;
    const std::vector<T> z{40, 0, -3};
    for (const auto objective : {cw_objective::f1, cw_objective::f5}) {
        const auto found = evaluate<TestType>(carlini_wagner_loss{objective}, z, 1, true);
        CHECK(found.slopes[1] == Approx(1));
        CHECK(found.slopes[0] == Approx(-1));
    }
    CHECK(evaluate<TestType>(carlini_wagner_loss{cw_objective::f4}, z, 1, true).slopes[1] < 1e-15);
}

TEMPLATE_TEST_CASE("f4 and f5 do not reach 0 at every success, f6 does", "[losses][pitfalls]", SADDLE_VALUE_TYPES) {
    using T = lane_scalar<TestType>;
    const std::vector<T> z{1, T(.9), T(.8)};  // class 0 wins with a probability of .37
    CHECK(evaluate<TestType>(carlini_wagner_loss{cw_objective::f4}, z, 0, true).value < 0);
    CHECK(evaluate<TestType>(carlini_wagner_loss{cw_objective::f5}, z, 0, true).value < 0);
    CHECK(evaluate<TestType>(carlini_wagner_loss{cw_objective::f6}, z, 0, true).value == 0);
}

TEMPLATE_TEST_CASE("objectives of negative, huge and NaN logits (torchattacks 184)", "[losses][pitfalls]", SADDLE_VALUE_TYPES) {
    using T = lane_scalar<TestType>;
    CHECK(evaluate<TestType>(carlini_wagner_loss{}, std::vector<T>{-5, -7, -9}, 0).value == -2);
    const T nan = std::numeric_limits<T>::quiet_NaN();
    for (const auto objective : all_objectives)
        for (const bool targeted : {false, true}) {
            const auto huge =
                evaluate<TestType>(carlini_wagner_loss{objective}, std::vector<T>{T(3e37), T(-3e37), 0}, 1, targeted);
            CHECK_FALSE(std::isnan(huge.value));
            for (const T s : huge.slopes) CHECK(std::isfinite(s));
            CHECK(std::isnan(evaluate<TestType>(carlini_wagner_loss{objective}, std::vector<T>{1, 2, nan}, 0, targeted).value));
        }
}

TEST_CASE("an objective or a kappa that does not exist is refused", "[losses][errors]") {
    CHECK_THROWS_AS((carlini_wagner_loss{cw_objective::f6, -1}.validate("test")), invalid_argument);
    CHECK_THROWS_AS((carlini_wagner_loss{cw_objective::f2, 1}.validate("test")), invalid_argument);
    CHECK_THROWS_AS((carlini_wagner_loss{static_cast<cw_objective>(8)}.validate("test")), invalid_argument);
    CHECK_NOTHROW(carlini_wagner_loss{}.validate("test"));
}
