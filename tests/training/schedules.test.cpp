#include "saddle/training/schedules.hpp"

#include "support/catch.hpp"

using namespace saddle;

TEST_CASE("the constant schedule is 1") { CHECK(schedules::constant{}({3, 1, 10, 5}) == 1); }

TEST_CASE("the step schedule multiplies at each milestone reached") {
    const schedules::step s{.milestones = {2, 4}, .factor = .1};
    CHECK(s({1, 9, 10, 6}) == 1);
    CHECK(s({2, 0, 10, 6}) == Approx(.1));
    CHECK(s({3, 9, 10, 6}) == Approx(.1));
    CHECK(s({4, 0, 10, 6}) == Approx(.01));
}

TEST_CASE("the step schedule can count steps") {
    const schedules::step s{.milestones = {15}, .factor = .5, .count_steps = true};
    CHECK(s({1, 4, 10, 6}) == 1);
    CHECK(s({1, 5, 10, 6}) == .5);
}

TEST_CASE("the cosine schedule starts at 1, is half way in the middle and ends at its minimum") {
    const schedules::cosine s{.minimum = .2};
    CHECK(s({0, 0, 10, 4}) == 1);
    CHECK(s({2, 0, 10, 4}) == Approx(.6));
    CHECK(s({4, 0, 10, 4}) == Approx(.2));
    CHECK(s({1, 3, 10, 4}) < s({1, 2, 10, 4}));
}

TEST_CASE("the cosine schedule can hold its value for an epoch") {
    const schedules::cosine s{.per_epoch = true};
    CHECK(s({1, 9, 10, 4}) == s({1, 0, 10, 4}));
    CHECK(s({1, 0, 10, 4}) == Approx((1 + std::cos(std::numbers::pi / 4)) / 2));
}

TEST_CASE("the cyclic schedule rises linearly from 0 to 1 and falls back to 0") {
    const schedules::cyclic s{.peak = .4};
    CHECK(s({0, 0, 10, 10}) == 0);
    CHECK(s({2, 0, 10, 10}) == Approx(.5));
    CHECK(s({4, 0, 10, 10}) == Approx(1));
    CHECK(s({7, 0, 10, 10}) == Approx(.5));
    CHECK(s({10, 0, 10, 10}) == 0);
}

TEST_CASE("a lambda is a schedule") {
    STATIC_REQUIRE(Schedule<decltype([](const schedule_position& at) { return 1. / (1. + static_cast<double>(at.epoch)); })>);
    STATIC_REQUIRE_FALSE(Schedule<int>);
}

TEST_CASE("schedules refuse constants outside their range") {
    CHECK_THROWS_AS(schedules::step{.factor = -1}.validate("test"), invalid_argument);
    CHECK_THROWS_AS(schedules::step{.factor = std::nan("")}.validate("test"), invalid_argument);
    CHECK_THROWS_AS(schedules::cosine{.minimum = 1.5}.validate("test"), invalid_argument);
    CHECK_THROWS_AS(schedules::cyclic{.peak = 0}.validate("test"), invalid_argument);
    CHECK_THROWS_AS(schedules::cyclic{.peak = 1}.validate("test"), invalid_argument);
}
