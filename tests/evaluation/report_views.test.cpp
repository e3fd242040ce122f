#include "saddle/evaluation/report_views.hpp"

#include "evaluation/sample_report.hpp"
#include "support/catch.hpp"

TEST_CASE("the summary shows the epsilon that most rows have", "[evaluation]") {
    saddle::report r;
    CHECK(std::isnan(saddle::summary_epsilon(r)));
    for (const double e : {.1, .2, .2, .3, .3}) {
        r.rows.emplace_back();
        r.rows.back().epsilon = e;
    }
    CHECK(saddle::summary_epsilon(r) == .3);
    r.epsilon = .1;
    CHECK(saddle::summary_epsilon(r) == .1);
}

TEST_CASE("lines against epsilon are sorted and start at the clean accuracy", "[evaluation]") {
    const auto charts = saddle::epsilon_charts(sample_report());
    REQUIRE(charts.size() == 1);
    REQUIRE(charts[0].curves.size() == 4);
    const auto& line = charts[0].curves[3];
    CHECK(line.name == "Madry \"'\", PGD, 2 steps");
    CHECK(line.x == std::vector<double>{0, 8. / 255, .1, .3});
    CHECK(line.y == std::vector<double>{.9, .7, .7, .7});
    CHECK(line.lower[1] == saddle::clopper_pearson(7, 10).lower);
    CHECK(line.color == 1);
    CHECK(line.dash == 1);
}

TEST_CASE("each norm has its own chart and names its attacks apart", "[evaluation]") {
    auto r = sample_report();
    for (std::size_t i = 0; i < 3; ++i) r.rows[i].norm = "L2";
    const auto charts = saddle::epsilon_charts(r);
    REQUIRE(charts.size() == 2);
    CHECK(charts[0].x_label == "epsilon (L2)");
    CHECK(charts[0].curves.size() == 1);
    CHECK(charts[0].curves[0].name == "natural <&>, FGSM (L2)");
    CHECK(charts[1].curves.size() == 3);
}

TEST_CASE("one epsilon makes no curve against epsilon", "[evaluation]") {
    auto r = sample_report();
    std::erase_if(r.rows, [](const auto& row) { return row.epsilon != .1; });
    CHECK(saddle::epsilon_charts(r).empty());
    CHECK(saddle::iteration_charts(r).size() == 1);
}

TEST_CASE("iterations are shown at the summary's epsilon alone", "[evaluation]") {
    auto r = sample_report();
    r.epsilon = .1;
    const auto charts = saddle::iteration_charts(r);
    REQUIRE(charts.size() == 1);
    REQUIRE(charts[0].curves.size() == 4);
    CHECK(charts[0].curves[0].x == std::vector<double>{0, 1, 2});
    CHECK(charts[0].curves[0].y == std::vector<double>{.9, .5, .2});
}

TEST_CASE("settings are written in full", "[evaluation]") {
    CHECK(saddle::settings_text({{"a", 1}, {"b", .1}, {"c", true}, {"d", "x"}}) == "a=1; b=0.1; c=true; d=x");
}
