#include "saddle/projections/box_only.hpp"

#include "projections/oracles.hpp"
#include "saddle/testing/projection_properties.hpp"
#include "support/catch.hpp"

using namespace saddle;

TEMPLATE_TEST_CASE("the data range alone clips, steps by signs and starts anywhere", "[projections]", SADDLE_VALUE_TYPES) {
    using T = lane_scalar<TestType>;
    ball_fixture<TestType, box_only> f(box_only{}, {T(.5), T(.5), T(.5)}, 0);
    CHECK(f.project({-3, T(.25), 7}) == std::vector<T>{0, T(.25), 1});
    CHECK(f.project({std::numeric_limits<T>::quiet_NaN(), T(.25), 7}) == std::vector<T>{T(.5), T(.25), 1});
    CHECK_FALSE(f.step({0, 2, -2}, .5));
    CHECK(f.result() == std::vector<T>{T(.5), T(.75), T(.5)});

    const auto report = testing::check_projection<TestType>(box_only{}, 1, 33, 2, 3, inside_of<box_only, T>(box_only{}));
    CHECK(report.inside);
    CHECK(report.idempotent);
    CHECK(report.lanes_independent);
    CHECK(report.worst_gain < 1e-6);
}
