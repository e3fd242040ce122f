#include "saddle/losses/dlr.hpp"

#include "losses/loss_block.hpp"
#include "support/catch.hpp"

using namespace saddle;

namespace {

/// The ratio by sorting, in long double: independent of the loss' own selection.
template <class T>
long double by_sorting(const std::vector<T>& logits, std::size_t y, std::size_t target, bool targeted) {
    auto sorted = logits;
    std::sort(sorted.begin(), sorted.end(), std::greater<>());
    long double other = -1e30L;
    for (std::size_t k = 0; k < logits.size(); ++k)
        if (k != y) other = std::max(other, static_cast<long double>(logits[k]));
    const auto z = [&](std::size_t i) { return static_cast<long double>(sorted[i]); };
    return targeted ? (static_cast<long double>(logits[target]) - static_cast<long double>(logits[y])) /
                          (z(0) - (z(2) + z(3)) / 2 + 1e-12L)
                    : (other - static_cast<long double>(logits[y])) / (z(0) - z(2) + 1e-12L);
}

}  // namespace

TEMPLATE_TEST_CASE("DLR is the margin over the difference of the first and the third logit", "[losses]", SADDLE_VALUE_TYPES) {
    using T = lane_scalar<TestType>;
    const auto value = [](std::size_t y) {
        return static_cast<double>(evaluate<TestType>(dlr{}, std::vector<T>{4, 1, 3, 2}, y).value);
    };
    CHECK(value(0) == Approx(-.5));
    CHECK(value(2) == Approx(.5));
    CHECK(value(1) == Approx(1.5));
    const auto found = evaluate<TestType>(dlr{}, std::vector<T>{4, 1, 3, 2}, 0);
    const std::vector<double> expected{-.25, 0, .5, -.25};
    for (std::size_t k = 0; k < 4; ++k) CHECK(static_cast<double>(found.slopes[k]) == Approx(expected[k]));
    CHECK(found.lanes_agree);
}

TEMPLATE_TEST_CASE("targeted DLR leads from the label to the target", "[losses]", SADDLE_VALUE_TYPES) {
    using T = lane_scalar<TestType>;
    const auto found = evaluate<TestType>(dlr{}, std::vector<T>{4, 1, 3, 2}, 1, true, {}, 0);
    CHECK(static_cast<double>(found.value) == Approx(-3. / 2.5));
    CHECK(found.lanes_agree);
    CHECK(static_cast<double>(evaluate<TestType>(dlr{}, std::vector<T>{4, 1, 3, 2}, 0, true, {}, 2).value) == Approx(1. / 2.5));
}

TEST_CASE("DLR equals the formula by sorting for every label and target", "[losses][oracle]") {
    const std::vector<double> z{.3, -1.2, 2.5, .8, .1, -4, 2.4};
    for (std::size_t y = 0; y < z.size(); ++y) {
        CHECK(evaluate<double>(dlr{}, z, y).value == Approx(static_cast<double>(by_sorting(z, y, 0, false))).epsilon(1e-12));
        CHECK(slope_error(dlr{}, z, y) < 1e-8);
        for (std::size_t t = 0; t < z.size(); ++t) {
            CHECK(evaluate<double>(dlr{}, z, t, true, {}, y).value ==
                  Approx(static_cast<double>(by_sorting(z, y, t, true))).margin(1e-12));
            if (t != y) CHECK(slope_error(dlr{}, z, t, true, {}, y) < 1e-8);
        }
    }
}

TEST_CASE("neither a shift nor a scale of the logits changes DLR", "[losses]") {
    const std::vector<double> z{.3, -1.2, 2.5, .8};
    std::vector<double> moved = z;
    for (auto& v : moved) v = 1000 * v - 77;
    CHECK(evaluate<double>(dlr{}, moved, 2).value == Approx(evaluate<double>(dlr{}, z, 2).value).epsilon(1e-10));
    CHECK(evaluate<double>(dlr{}, moved, 1, true, {}, 2).value ==
          Approx(evaluate<double>(dlr{}, z, 1, true, {}, 2).value).epsilon(1e-10));
}

TEST_CASE("DLR with too few classes is refused or falls back (AutoAttack 70, ART 2399)", "[losses][pitfalls]") {
    CHECK(least_classes(dlr{}, false) == 3);
    CHECK(least_classes(dlr{}, true) == 4);
    CHECK(least_classes(dlr{.few_classes = true}, true) == 2);
    CHECK(std::isnan(evaluate<double>(dlr{}, {1, 2}, 0).value));
    CHECK(std::isnan(evaluate<double>(dlr{}, {1, 2, 4}, 0, true, {}, 2).value));
    const dlr few{.few_classes = true};
    CHECK(evaluate<double>(few, {1, 3}, 1).value == -2);
    CHECK(evaluate<double>(few, {1, 3}, 1).slopes == std::vector<double>{1, -1});
    CHECK(evaluate<double>(few, {1, 3}, 0, true, {}, 1).value == -2);
    CHECK(evaluate<double>(few, {1, 2, 4}, 0, true, {}, 2).value == Approx(-1));
    CHECK(slope_error(few, {1, 2, 4}, 0, true, {}, 2) < 1e-8);
    CHECK(slope_error(few, {1, 2}, 0) < 1e-8);
}

TEMPLATE_TEST_CASE("DLR of equal, huge and NaN logits", "[losses][pitfalls]", SADDLE_VALUE_TYPES) {
    using T = lane_scalar<TestType>;
    CHECK(evaluate<TestType>(dlr{}, std::vector<T>{1, 1, 1, 1}, 2).value == 0);
    CHECK(static_cast<double>(evaluate<TestType>(dlr{}, std::vector<T>{T(1e30), T(-1e30), 0}, 0).value) == Approx(-.5));
    for (const std::size_t y : {0u, 1u, 2u})
        CHECK(std::isnan(evaluate<TestType>(dlr{}, std::vector<T>{0, std::numeric_limits<T>::quiet_NaN(), 1}, y).value));
}
