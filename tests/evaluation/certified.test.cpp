#include "saddle/evaluation/certified.hpp"

#include "evaluation/sample_report.hpp"
#include "io/says.hpp"
#include "io/scratch_folder.hpp"
#include "saddle/evaluation/certified_csv.hpp"
#include "saddle/evaluation/report_html.hpp"
#include "saddle/evaluation/report_json_reader.hpp"
#include "saddle/evaluation/report_text.hpp"

#include <sstream>

using namespace saddle;

namespace {

certification_result found(const std::string& letters) {
    certification_result c;
    c.domain = "DeepPoly";
    for (const char l : letters) c.status.push_back(detail::certificate_of(l));
    c.seconds.assign(letters.size(), .002);
    return c;
}

/// Model "net" on five examples: proofs at two radii, attacks at three.
report certified_report() {
    report r;
    r.data_name = "digits, \"test\"";
    r.models.push_back({"net <&>", "conv_small", "", 10, {4, 5}});
    certified_curve_result curve{{.01, .1}, {found("vvvum"), found("vuuum")}};
    add_certification(r, "net <&>", curve);
    for (const auto& [epsilon, survived] : {std::pair{.01, "11110"}, std::pair{.1, "11100"}, std::pair{.3, "00100"}}) {
        attack_row row{.model = "net <&>", .attack = "PGD", .norm = "Linf", .epsilon = epsilon};
        for (const char c : std::string(survived)) row.survived.push_back(c == '1');
        row.clean = {4, 5};
        row.robust = {static_cast<std::size_t>(std::count(row.survived.begin(), row.survived.end(), 1)), 5};
        r.rows.push_back(row);
    }
    attack_row other = r.rows[0];
    other.norm = "L2";
    other.survived.assign(5, 0);
    other.robust.correct = 0;
    r.rows.push_back(other);
    return r;
}

std::string text_of(const report& r) {
    std::ostringstream out;
    write_text(r, out);
    return out.str();
}

}  // namespace

TEST_CASE("a certification adds its shares to the report", "[evaluation]") {
    const auto r = certified_report();
    REQUIRE(r.certified.size() == 2);
    CHECK(r.certified[0].clean.correct == 4);
    CHECK(r.certified[0].certified.correct == 3);
    CHECK(r.certified[1].certified.correct == 1);
    CHECK(r.certified[1].certified.examples == 5);
    CHECK(r.certified[1].epsilon == .1);
    CHECK(r.certified[1].seconds == Approx(.01));
    CHECK(r.certified[0].level == name_of(soundness::float_program));
}

TEST_CASE("an example's bracket is what was proved and what was broken", "[evaluation]") {
    const auto lists = brackets_of(certified_report());
    REQUIRE(lists.size() == 1);
    const auto& b = lists[0].brackets;
    REQUIRE(b.size() == 4);  // the misclassified one has none
    const double proved[] = {.1, .01, .01, 0}, broken[] = {.3, .3, 0, .1};
    for (std::size_t i = 0; i < 4; ++i) {
        CHECK(b[i].example == i);
        CHECK(b[i].proved == proved[i]);
        if (i == 2)
            CHECK(std::isnan(b[i].broken));
        else
            CHECK(b[i].broken == broken[i]);
    }
    CHECK(lists[0].closed() == 3);
    CHECK(lists[0].contradictions() == 0);
    CHECK(bracket_notes(certified_report()).empty());
}

TEST_CASE("largest radii are ends of brackets", "[evaluation]") {
    auto r = certified_report();
    radius_result radii;
    radii.certified = {.2, 0, .25, .03, not_measured};
    radii.seconds.assign(5, .1);
    radii.upper = .5, radii.tolerance = .01;
    add_certification(r, "net <&>", radii);
    const auto b = brackets_of(r)[0].brackets;
    CHECK(b[0].proved == .2);
    CHECK(b[1].proved == .01);
    CHECK(b[2].proved == .25);
    CHECK(b[3].proved == .03);
    r.certified.clear();
    CHECK(brackets_of(r)[0].brackets.size() == 4);
}

TEST_CASE("an example that is broken where it was proven is noted everywhere", "[evaluation]") {
    auto r = certified_report();
    r.rows[0].survived[1] = 0;
    CHECK(brackets_of(r)[0].contradictions() == 1);
    const std::string sentence = "1 examples are broken by an attack at a radius that was proven";
    REQUIRE(bracket_notes(r).size() == 1);
    CHECK_THAT(bracket_notes(r)[0], says(sentence));
    CHECK_THAT(html_text(r), says(sentence));
    CHECK_THAT(text_of(r), says("note: net <&>: " + sentence));
    CHECK(nlohmann::json::parse(json_text(r)).at("brackets")[0].at("contradictions") == 1);
}

TEST_CASE("the accuracy under attack is the lowest of the same Linf epsilon", "[evaluation]") {
    auto r = certified_report();
    CHECK(attacked_accuracy(r, "net <&>", .1).correct == 3);
    CHECK(attacked_accuracy(r, "net <&>", .2).examples == 0);
    CHECK(attacked_accuracy(r, "other", .1).examples == 0);
    auto stronger = r.rows[1];
    stronger.robust.correct = 2;
    r.rows.push_back(stronger);
    CHECK(attacked_accuracy(r, "net <&>", .1).correct == 2);
}

TEST_CASE("the text report has a line per domain and radius, and a sentence on brackets", "[evaluation]") {
    const auto page = text_of(certified_report());
    CHECK_THAT(page, says("certified % [95 %]"));
    CHECK_THAT(page, says("DeepPoly"));
    CHECK_THAT(page, says("60.0 [14.7, 94.7]"));  // 3 of 5, Clopper-Pearson
    CHECK_THAT(page, says("4 correct examples, proved up to 0.01 (median), 3 broken, from 0.3 (median)"));
    CHECK(text_of(sample_report()).find("certified") == std::string::npos);
    std::istringstream lines(page);
    for (std::string line; std::getline(lines, line);) CHECK(display_width(line) <= 120);
}

TEST_CASE("certification survives JSON unchanged", "[evaluation]") {
    auto r = certified_report();
    r.certified[0].settings = {{"slope", 0}};
    radius_result radii;
    radii.certified = {.2, 0, .25, .03, not_measured};
    add_certification(r, "net <&>", radii);
    const auto content = json_text(r);
    const auto back = parse_report(content);
    CHECK(json_text(back) == content);
    CHECK(back.certified[1].status == r.certified[1].status);
    CHECK(std::isnan(back.radii[0].radius[4]));
    const auto parsed = nlohmann::json::parse(content);
    CHECK(parsed.at("certified")[0].at("status") == "vvvum");
    CHECK(parsed.at("certified")[0].at("certified").at("share") == .6);
    CHECK(parsed.at("brackets")[0].at("examples")[2].at("broken").is_null());
    CHECK(parsed.at("brackets")[0].at("examples")[0].at("proved") == .2);
}

TEST_CASE("a report of an older file has no certification", "[evaluation]") {
    auto j = nlohmann::ordered_json::parse(json_text(sample_report()));
    j.erase("certified"), j.erase("certified_radii"), j.erase("brackets");
    CHECK(parse_report(j.dump()).certified.empty());
    auto bad = nlohmann::ordered_json::parse(json_text(certified_report()));
    bad["certified"][0]["status"] = "vvxum";
    CHECK_THROWS_AS(parse_report(bad.dump()), io_error);
}

TEST_CASE("the CSV files hold certified rows and brackets", "[evaluation]") {
    const scratch_folder folder;
    const auto r = certified_report();
    write_certified_csv(r, folder / "certified.csv");
    write_bracket_csv(r, folder / "brackets.csv");
    const auto rows = read_text(folder / "certified.csv"), brackets = read_text(folder / "brackets.csv");
    CHECK_THAT(rows, says("\"digits, \"\"test\"\"\",net <&>,DeepPoly,"));
    CHECK_THAT(rows, says(",0.1,,5,4,0.8,1,0.2,0.95,"));
    CHECK(std::count(rows.begin(), rows.end(), '\n') == 3);
    CHECK_THAT(brackets, says("net <&>,0,0.1,0.3\r\n"));
    CHECK_THAT(brackets, says("net <&>,2,0.01,\r\n"));
    CHECK(std::count(brackets.begin(), brackets.end(), '\n') == 5);
}

TEST_CASE("the page shows certified accuracy beside robust accuracy, as table and curve", "[evaluation]") {
    const auto page = html_text(certified_report());
    CHECK_THAT(page, says("<h2>Certified</h2>"));
    CHECK_THAT(page, says("net &lt;&amp;&gt;: 4 correct examples"));
    CHECK_THAT(page, says("Certified accuracy against epsilon"));
    CHECK_THAT(page, says("<td>0.01</td><td>0.3</td>"));
    const auto charts = certified_charts(certified_report());
    REQUIRE(charts.size() == 1);
    REQUIRE(charts[0].curves.size() == 2);
    CHECK(charts[0].curves[0].x == std::vector<double>{0, .01, .1});
    CHECK(charts[0].curves[0].y == std::vector<double>{.8, .6, .2});
    CHECK(charts[0].curves[1].name == "under attack");
    CHECK(charts[0].curves[1].y == std::vector<double>{.8, .8, .6});
    CHECK(html_text(sample_report()).find("<h2>Certified</h2>") == std::string::npos);
}

TEST_CASE("a partition enters the report once it is complete", "[evaluation]") {
    partition p;
    p.identity = {.images = 3, .box = "Linf ball, epsilon 0.1", .epsilon = .1, .domain = "Box", .level = "exact arithmetic"};
    p.status = {certificate::verified, certificate::misclassified, certificate::unverified};
    p.margin.assign(3, 0.);
    p.done = 2;
    report r;
    CHECK_THROWS_WITH(add_certification(r, "net", p), says("images done; expected 3, found 2"));
    p.done = 3;
    add_certification(r, "net", p);
    CHECK(r.certified[0].certified.correct == 1);
    CHECK(r.certified[0].clean.correct == 2);
    CHECK(r.certified[0].domain == "Box");
    p.identity.epsilon = not_measured;
    p.identity.box = "brightening, delta 0.1";
    CHECK_THROWS_WITH(add_certification(r, "net", p), says("expected Linf balls, found brightening"));
    CHECK_THROWS_AS(add_certification(r, "net", found("vv"), .1, 1.5), invalid_argument);
}
