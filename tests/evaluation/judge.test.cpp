#include "saddle/evaluation/judge.hpp"

#include "support/catch.hpp"

namespace {

const float nan_value = std::numeric_limits<float>::quiet_NaN(), infinite = std::numeric_limits<float>::infinity();

/// Six examples of two pixels in two channels and two classes; example by example: survives, falls, is wrong already, has a NaN
/// after the attack, lies outside, claims a success that is none.
struct six_examples {
    saddle::images x{6, {2, 1, 2}}, z{6, {2, 1, 2}};
    saddle::labels y{0, 0, 0, 0, 0, 0};
    std::vector<float> clean{2, 1, 2, 1, 1, 2, 2, 1, 2, 1, 2, 1};
    std::vector<float> after{2, 1, 1, 2, 1, 2, nan_value, 2, 1, 2, 2, 1};
    std::vector<std::uint8_t> inside{1, 1, 1, 1, 0, 1}, claimed{0, 1, 0, 0, 1, 1};

    six_examples() {
        z[1][0] = .3f;  // first pixel, first channel
        z[1][2] = .4f;  // first pixel, second channel
    }
    [[nodiscard]] saddle::attack_evidence<float> evidence() const { return {x, z, y, 2, clean, after, inside, claimed}; }
};

}  // namespace

TEST_CASE("the largest logit wins, the first of equals, and unusable logits choose nothing", "[evaluation]") {
    const auto top = [](std::vector<float> z) { return saddle::top_class(std::span<const float>(z)); };
    CHECK(top({-3, -1, -2}) == 1);
    CHECK(top({1, 1, 1}) == 0);
    CHECK(top({-infinite, -1}) == 1);
    CHECK(top({0, infinite}) == -1);
    CHECK(top({-infinite, -infinite}) == -1);
    CHECK(top({5, nan_value}) == -1);
    CHECK(top({nan_value, 5}) == -1);
    CHECK(top({}) == -1);
}

TEST_CASE("cross-entropy holds for huge logits", "[evaluation]") {
    const std::vector<float> equal{0, 0}, huge{3e38f, 0}, odd{0, nan_value};
    CHECK(saddle::cross_entropy_of<float>(equal, 1) == Approx(std::log(2.)));
    CHECK(saddle::cross_entropy_of<float>(huge, 0) == 0);
    CHECK(saddle::cross_entropy_of<float>(huge, 1) == Approx(3e38));
    CHECK(std::isnan(saddle::cross_entropy_of<float>(odd, 0)));
}

TEST_CASE("distances of a perturbation count a pixel once", "[evaluation]") {
    const std::vector<float> x{0, 0, 0, 0}, z{.25f, 0, -.5f, 0};
    const auto size = saddle::measure_perturbation<float>(x, z, {2, 1, 2});
    CHECK(size.linf == .5);
    CHECK(size.l1 == .75);
    CHECK(size.l2 == Approx(std::sqrt(.3125)));
    CHECK(size.l0 == 1);
}

TEST_CASE("each example is judged on its own", "[evaluation]") {
    const six_examples six;
    saddle::attack_row row;
    saddle::judge(row, six.evidence());
    CHECK(row.clean.correct == 5);
    CHECK(row.clean.examples == 6);
    CHECK(row.robust.correct == 3);
    CHECK(row.survived == std::vector<std::uint8_t>{1, 0, 0, 0, 1, 1});
    CHECK(row.successes == 1);
    CHECK(row.rejected == 2);
    CHECK(row.invalid_logits == 1);
    CHECK(row.distortion.linf.mean == Approx(.4));
    CHECK(row.distortion.l1.median == Approx(.7));
    CHECK(row.distortion.l0.mean == 1);
    const double right = std::log1p(std::exp(-1.)), wrong = std::log1p(std::exp(1.));
    CHECK(row.loss == Approx((right + wrong + wrong + right) / 4));  // without the NaN and the one outside
}

TEST_CASE("a result outside the ball does not lower the robust accuracy", "[evaluation]") {
    six_examples six;
    six.after.assign(12, 0);
    for (std::size_t i = 0; i < 6; ++i) six.after[2 * i + 1] = 1;
    six.inside.assign(6, 0);
    saddle::attack_row row;
    saddle::judge(row, six.evidence());
    CHECK(row.robust.correct == row.clean.correct);
    CHECK(row.rejected == 6);
    CHECK(row.successes == 0);
    CHECK(std::isnan(row.distortion.l2.mean));
    CHECK(std::isnan(row.loss));
}

TEST_CASE("what was not counted is said", "[evaluation]") {
    const six_examples six;
    saddle::attack_row row;
    row.model = "m", row.attack = "a", row.epsilon = .1;
    CHECK(saddle::notes_of(row).empty());
    saddle::judge(row, six.evidence());
    const auto notes = saddle::notes_of(row);
    REQUIRE(notes.size() == 2);
    CHECK(notes[0].find("m, a, epsilon 0.1: 2 results") == 0);
    CHECK(notes[1].find("m, a, epsilon 0.1: 1 examples") == 0);
}

TEST_CASE("evidence of unlike sizes is refused", "[evaluation]") {
    six_examples six;
    saddle::attack_row row;
    six.inside.pop_back();
    CHECK_THROWS_AS(saddle::judge(row, six.evidence()), saddle::shape_error);
    six.inside.push_back(1);
    six.y[3] = 2;
    CHECK_THROWS_AS(saddle::judge(row, six.evidence()), saddle::data_error);
}

TEST_CASE("the worst case survives only what every attack leaves", "[evaluation]") {
    std::vector<saddle::attack_row> rows(2);
    rows[0].attack = "A", rows[1].attack = "B";
    rows[0].clean = rows[1].clean = {3, 4};
    rows[0].survived = {1, 1, 0, 0}, rows[1].survived = {1, 0, 1, 0};
    rows[0].gradient_calls = 5, rows[1].gradient_calls = 7;
    rows[0].seconds = 1, rows[1].seconds = 2;
    const auto all = saddle::worst_case(rows);
    CHECK(all.survived == std::vector<std::uint8_t>{1, 0, 0, 0});
    CHECK(all.robust.correct == 1);
    CHECK(all.successes == 2);
    CHECK(all.gradient_calls == 12);
    CHECK(all.seconds == 3);
    CHECK(std::get<std::string>(all.settings[0].value) == "A + B");
    rows[1].survived.pop_back();
    CHECK_THROWS_AS(saddle::worst_case(rows), saddle::shape_error);
    CHECK_THROWS_AS(saddle::worst_case({}), saddle::invalid_argument);
}

TEST_CASE("two models are compared example by example", "[evaluation]") {
    saddle::attack_row first, second;
    first.model = "a", second.model = "b", first.attack = "PGD", first.epsilon = .5;
    first.survived = {1, 1, 0, 0, 0, 0}, second.survived = {1, 0, 1, 1, 1, 0};
    const auto c = saddle::compare(first, second);
    CHECK(c.both == 1);
    CHECK(c.only_first == 1);
    CHECK(c.only_second == 3);
    CHECK(c.neither == 1);
    CHECK(c.p_value == Approx(2. * 5 / 16));
    CHECK(c.setting == "PGD, epsilon 0.5");
    second.survived.pop_back();
    CHECK_THROWS_AS(saddle::compare(first, second), saddle::shape_error);
    CHECK_THROWS_AS(saddle::compare({}, {}), saddle::shape_error);
}
