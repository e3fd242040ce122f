#include "saddle/evaluation/charts.hpp"

#include "support/catch.hpp"

namespace {

std::size_t count(const std::string& s, const std::string& what) {
    std::size_t n = 0;
    for (auto at = s.find(what); at != std::string::npos; at = s.find(what, at + 1)) ++n;
    return n;
}
saddle::chart one_line(std::vector<double> x, std::vector<double> y) {
    return {"t", "", "x", "y", {{"line", std::move(x), std::move(y), {}, {}, -1, 0}}, false};
}

}  // namespace

TEST_CASE("axes have round steps that cover the data", "[evaluation]") {
    const auto a = saddle::detail::axis::covering(.013, .977, 5);
    CHECK(a.low == Approx(0).margin(1e-12));
    CHECK(a.high == Approx(1));
    CHECK(a.step == Approx(.2));
    const auto b = saddle::detail::axis::covering(-1234, 5678, 5);
    CHECK(b.low == Approx(-2000));
    CHECK(b.high == Approx(6000));
    const auto constant = saddle::detail::axis::covering(3, 3, 5);
    CHECK(constant.low < 3);
    CHECK(constant.high > 3);
}

TEST_CASE("points stand where the axes say", "[evaluation]") {
    auto c = one_line({0, .5, 1}, {0, .5, 1});
    c.share = true;
    const auto svg = saddle::line_chart(c);
    const saddle::detail::chart_frame f;
    CHECK(svg.find("M" + saddle::fixed_text(f.left, 1) + " " + saddle::fixed_text(f.bottom, 1) + "L") != std::string::npos);
    CHECK(svg.find("L" + saddle::fixed_text(f.right, 1) + " " + saddle::fixed_text(f.top, 1) + "\"") != std::string::npos);
}

TEST_CASE("values that are not finite leave a gap", "[evaluation]") {
    const double nan = saddle::not_measured, infinite = std::numeric_limits<double>::infinity();
    const auto svg = saddle::line_chart(one_line({1, 2, 3, 4, 5}, {1, 2, nan, infinite, 5}));
    CHECK(count(svg, "<circle") == 3);
    const auto path = svg.substr(svg.find(" d=\""));
    CHECK(count(path.substr(0, path.find("/>")), "M") == 2);
    CHECK(svg.find("nan") == std::string::npos);
    CHECK(svg.find("inf") == std::string::npos);
}

TEST_CASE("charts without any finite point are empty axes", "[evaluation]") {
    CHECK(count(saddle::line_chart({}), "<path") == 0);
    CHECK(count(saddle::line_chart(one_line({1}, {saddle::not_measured})), "<path") == 0);
    CHECK(count(saddle::line_chart(one_line({1}, {2})), "<circle") == 1);
    CHECK(saddle::line_chart(one_line({1e-320, 2e-320}, {1e308, -1e308})).find("nan") == std::string::npos);
}

TEST_CASE("a curve whose vectors differ in length is refused", "[evaluation]") {
    CHECK_THROWS_AS(saddle::line_chart(one_line({1, 2}, {1})), saddle::shape_error);
    auto c = one_line({1, 2}, {1, 2});
    c.curves[0].lower = {0};
    CHECK_THROWS_AS(saddle::line_chart(c), saddle::shape_error);
}

TEST_CASE("names in charts are escaped", "[evaluation]") {
    auto c = one_line({1, 2}, {1, 2});
    c.title = c.x_label = c.curves[0].name = "<&\"'>";
    const auto all = saddle::line_chart(c) + saddle::chart_legend(c);
    CHECK(all.find("<&") == std::string::npos);
    CHECK(count(all, "&lt;&amp;&quot;&#39;&gt;") == 5);
}

TEST_CASE("intervals are bars", "[evaluation]") {
    auto c = one_line({1, 2, 3}, {.5, .5, .5});
    c.curves[0].lower = {.4, saddle::not_measured, .3};
    c.curves[0].upper = {.6, .6, .7};
    CHECK(count(saddle::line_chart(c), "class=\"bar\"") == 2);
}
