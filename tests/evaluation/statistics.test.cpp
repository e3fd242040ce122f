#include "saddle/evaluation/statistics.hpp"

#include "support/catch.hpp"

using saddle::clopper_pearson;

TEST_CASE("incomplete beta agrees with closed forms", "[evaluation]") {
    for (const double x : {.001, .2, .5, .77, .999}) {
        CHECK(saddle::incomplete_beta(1, 1, x) == Approx(x).epsilon(1e-13));
        CHECK(saddle::incomplete_beta(3, 1, x) == Approx(x * x * x).epsilon(1e-12));
        CHECK(saddle::incomplete_beta(1, 4, x) == Approx(1 - std::pow(1 - x, 4)).epsilon(1e-12));
        CHECK(saddle::incomplete_beta(.5, .5, x) == Approx(2 / std::acos(-1.) * std::asin(std::sqrt(x))).epsilon(1e-12));
        CHECK(saddle::incomplete_beta(2.5, 7, x) + saddle::incomplete_beta(7, 2.5, 1 - x) == Approx(1).epsilon(1e-13));
    }
}

TEST_CASE("incomplete beta equals the binomial tail for many trials", "[evaluation]") {
    // P(X >= 60) for X ~ Bin(100, .5), summed term by term
    double tail = 0;
    for (int k = 60; k <= 100; ++k)
        tail += std::exp(std::lgamma(101.) - std::lgamma(k + 1.) - std::lgamma(101. - k) + 100 * std::log(.5));
    CHECK(saddle::incomplete_beta(60, 41, .5) == Approx(tail).epsilon(1e-11));
}

TEST_CASE("incomplete beta refuses arguments outside its domain", "[evaluation]") {
    CHECK_THROWS_AS(saddle::incomplete_beta(0, 1, .5), saddle::invalid_argument);
    CHECK_THROWS_AS(saddle::incomplete_beta(1, 1, 1.5), saddle::invalid_argument);
    CHECK_THROWS_AS(saddle::incomplete_beta(1, 1, std::nan("")), saddle::invalid_argument);
}

TEST_CASE("Clopper-Pearson gives the published intervals", "[evaluation]") {
    const auto expect = [](std::size_t k, std::size_t n, double lower, double upper) {
        const auto ends = clopper_pearson(k, n);
        CAPTURE(k, n);
        CHECK(ends.lower == Approx(lower).margin(5e-5));
        CHECK(ends.upper == Approx(upper).margin(5e-5));
    };
    expect(0, 10, 0, .3085);
    expect(1, 10, .0025, .4450);
    expect(5, 10, .1871, .8129);
    expect(10, 10, .6915, 1);
    expect(50, 100, .3983, .6017);
    expect(0, 0, 0, 1);
    CHECK(clopper_pearson(0, 10).lower == 0);
    CHECK(clopper_pearson(10, 10).upper == 1);
}

TEST_CASE("Clopper-Pearson's ends put half the error in each tail", "[evaluation]") {
    const auto ends = clopper_pearson(9713, 10000, .99);
    CHECK(saddle::incomplete_beta(9713, 288, ends.lower) == Approx(.005).epsilon(1e-9));
    CHECK(1 - saddle::incomplete_beta(9714, 287, ends.upper) == Approx(.005).epsilon(1e-9));
    CHECK(ends.lower < .9713);
    CHECK(ends.upper > .9713);
}

TEST_CASE("Wilson gives the published intervals", "[evaluation]") {
    const auto zero = saddle::wilson(0, 10), half = saddle::wilson(5, 10), all = saddle::wilson(10, 10);
    CHECK(zero.lower == 0);
    CHECK(zero.upper == Approx(.2775).margin(5e-5));
    CHECK(half.lower == Approx(.2366).margin(5e-5));
    CHECK(half.upper == Approx(.7634).margin(5e-5));
    CHECK(all.lower == Approx(.7225).margin(5e-5));
    CHECK(all.upper == 1);
}

TEST_CASE("intervals refuse more successes than trials and impossible confidence", "[evaluation]") {
    CHECK_THROWS_AS(clopper_pearson(11, 10), saddle::invalid_argument);
    CHECK_THROWS_AS(clopper_pearson(1, 10, 1.), saddle::invalid_argument);
    CHECK_THROWS_AS(saddle::wilson(1, 10, 0.), saddle::invalid_argument);
}

TEST_CASE("normal quantile inverts the distribution function", "[evaluation]") {
    CHECK(saddle::normal_quantile(.975) == Approx(1.959963984540054).epsilon(1e-12));
    CHECK(saddle::normal_quantile(.5) == Approx(0).margin(1e-12));
    CHECK(saddle::normal_quantile(1e-10) == Approx(-6.361340902404056).epsilon(1e-9));
}

TEST_CASE("McNemar's exact test is the two-sided binomial test on the examples that differ", "[evaluation]") {
    CHECK(saddle::mcnemar_exact(0, 0) == 1);
    CHECK(saddle::mcnemar_exact(7, 7) == 1);
    CHECK(saddle::mcnemar_exact(0, 5) == Approx(2. / 32).epsilon(1e-12));
    CHECK(saddle::mcnemar_exact(2, 8) == Approx(2. * (1 + 10 + 45) / 1024).epsilon(1e-12));
    CHECK(saddle::mcnemar_exact(8, 2) == saddle::mcnemar_exact(2, 8));
}

TEST_CASE("mean and median of odd, even and empty samples", "[evaluation]") {
    const std::vector<double> odd{5, 1, 3}, even{4, 1, 3, 2};
    CHECK(saddle::summarize(odd).mean == 3);
    CHECK(saddle::summarize(odd).median == 3);
    CHECK(saddle::summarize(even).median == 2.5);
    CHECK(std::isnan(saddle::summarize({}).mean));
    CHECK(std::isnan(saddle::summarize({}).median));
}
