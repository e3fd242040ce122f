#include "saddle/certification/relaxation.hpp"

#include "support/catch.hpp"

using namespace saddle;

namespace {

double value(activation_function f, double slope, double z) {
    using enum activation_function;
    return f == relu         ? std::max(z, 0.)
           : f == leaky_relu ? std::max(z, slope * z)
           : f == sigmoid    ? 1 / (1 + std::exp(-z))
                             : std::tanh(z);
}

}  // namespace

TEST_CASE("both lines of every activation hold on the whole interval", "[relaxation]") {
    using enum activation_function;
    for (const auto f : {relu, leaky_relu, sigmoid, saddle::activation_function::tanh})
        for (const auto rule :
             {lower_slope::area, lower_slope::adaptive, lower_slope::zero, lower_slope::one, lower_slope::parallel})
            for (const double l : {-7., -2., -.3, -1e-6, 0., .4, 3.})
                for (const double width : {0., 1e-7, .5, 2., 9.}) {
                    const auto r = relax<float>(f, .25, l, l + width, rule, 6e-8);
                    for (int k = 0; k <= 100; ++k) {
                        const double z = l + width * k / 100, y = value(f, .25, z);
                        CHECK(r.lower_slope * z + static_cast<double>(round_down<float>(r.lower)) <= y);
                        CHECK(r.upper_slope * z + static_cast<double>(round_up<float>(r.upper)) >= y);
                    }
                }
}

TEST_CASE("the lower line of an open ReLU follows the rule, ties included", "[relaxation]") {
    const auto slope = [](lower_slope rule, double l, double u) {
        return relax<double>(activation_function::relu, 0, l, u, rule, 0).lower_slope;
    };
    CHECK(slope(lower_slope::area, -1, 1) == 1);
    CHECK(slope(lower_slope::adaptive, -1, 1) == 0);
    CHECK(slope(lower_slope::area, -2, 1) == 0);
    CHECK(slope(lower_slope::adaptive, -1, 2) == 1);
    CHECK(slope(lower_slope::zero, -1, 2) == 0);
    CHECK(slope(lower_slope::one, -2, 1) == 1);
    CHECK(slope(lower_slope::parallel, -1, 3) == Approx(.75));
}

TEST_CASE("an activation with a known sign is exact", "[relaxation]") {
    const auto off = relax<float>(activation_function::relu, 0, -2, 0, lower_slope::area, 0);
    CHECK((off.lower_slope == 0 && off.upper_slope == 0 && off.lower == 0 && off.upper == 0));
    const auto on = relax<float>(activation_function::leaky_relu, .1, 0, 2, lower_slope::area, 0);
    CHECK((on.lower_slope == 1 && on.upper_slope == 1 && on.lower == 0 && on.upper == 0));
}
