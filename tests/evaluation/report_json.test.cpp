#include "saddle/evaluation/report_json_reader.hpp"

#include "evaluation/sample_report.hpp"
#include "support/catch.hpp"

TEST_CASE("a report survives JSON unchanged", "[evaluation]") {
    auto r = sample_report();
    const auto content = saddle::json_text(r);
    const auto back = saddle::parse_report(content);
    CHECK(saddle::json_text(back) == content);
    CHECK(back.seed == r.seed);
    CHECK(back.title == r.title);
    CHECK(back.image == r.image);
    REQUIRE(back.rows.size() == r.rows.size());
    CHECK(back.rows[1].epsilon == r.rows[1].epsilon);
    CHECK(back.rows[1].survived == r.rows[1].survived);
    CHECK(back.rows[1].accuracy_after_step == r.rows[1].accuracy_after_step);
    CHECK(std::get<std::int64_t>(back.rows[0].settings[1].value) == 2);
    CHECK(std::get<double>(back.rows[0].settings[0].value) == .025);
    CHECK(std::get<bool>(back.rows[0].settings[2].value) == false);
    CHECK(std::get<std::string>(back.rows[0].settings[3].value) == "cross_entropy");
}

TEST_CASE("numbers that are not finite are null in JSON and NaN when read", "[evaluation]") {
    saddle::report r;
    r.rows.emplace_back();
    r.rows[0].accuracy_after_step = {1, saddle::not_measured, std::numeric_limits<double>::infinity()};
    const auto content = saddle::json_text(r);
    const auto parsed = nlohmann::json::parse(content);
    CHECK(parsed.at("rows")[0].at("loss").is_null());
    CHECK(parsed.at("epsilon").is_null());
    const auto back = saddle::parse_report(content);
    CHECK(std::isnan(back.rows[0].loss));
    CHECK(back.rows[0].accuracy_after_step[0] == 1);
    CHECK(std::isnan(back.rows[0].accuracy_after_step[1]));
    CHECK(std::isnan(back.rows[0].accuracy_after_step[2]));
}

TEST_CASE("JSON states shares and intervals for other programs", "[evaluation]") {
    const auto parsed = nlohmann::json::parse(saddle::json_text(sample_report()));
    const auto& robust = parsed.at("rows")[0].at("robust");
    CHECK(robust.at("share") == .2);
    CHECK(robust.at("clopper_pearson")[1].get<double>() == Approx(.5561).margin(5e-5));
    CHECK(parsed.at("settings").at("rate") == .1);
    CHECK(parsed.at("rows")[0].at("survived") == "1010000000");
}

TEST_CASE("invalid UTF-8 in a name still gives valid JSON", "[evaluation]") {
    saddle::report r;
    r.title = "bad \xff byte";
    CHECK(nlohmann::json::parse(saddle::json_text(r)).at("title") == "bad \xEF\xBF\xBD byte");
}

TEST_CASE("text that is not a report is a clear error", "[evaluation]") {
    const auto good = saddle::json_text(sample_report());
    CHECK_THROWS_AS(saddle::parse_report(""), saddle::io_error);
    CHECK_THROWS_AS(saddle::parse_report("[1,2]"), saddle::io_error);
    CHECK_THROWS_AS(saddle::parse_report("{}"), saddle::io_error);
    CHECK_THROWS_AS(saddle::parse_report(good.substr(0, good.size() / 2)), saddle::io_error);
    const auto change = [&](const std::string& from, const std::string& to) {
        auto s = good;
        s.replace(s.find(from), from.size(), to);
        return s;
    };
    CHECK_THROWS_AS(saddle::parse_report(change("\"format_version\": 1", "\"format_version\": 7")), saddle::io_error);
    CHECK_THROWS_AS(saddle::parse_report(change("\"correct\": 9", "\"correct\": 11")), saddle::io_error);
    CHECK_THROWS_AS(saddle::parse_report(change("\"rows\"", "\"rags\"")), saddle::io_error);
    CHECK_THROWS_AS(saddle::read_report("no such file.json"), saddle::io_error);
}
