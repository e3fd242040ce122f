#include "saddle/evaluation/report_text.hpp"

#include "evaluation/sample_report.hpp"
#include "support/catch.hpp"

#include <sstream>

namespace {

std::vector<std::string> lines_of(const saddle::report& r, std::size_t width = 120) {
    std::ostringstream out;
    saddle::write_text(r, out, width);
    std::vector<std::string> lines;
    std::istringstream in(out.str());
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
}

}  // namespace

TEST_CASE("the text report fits its width, even with very long and wide names", "[evaluation]") {
    auto r = sample_report();
    r.title = std::string(500, 'x') + " " + std::string(90, 'y');
    r.models[0].training = std::string(300, 'z');
    for (auto& row : r.rows) {
        row.model = "模型模型模型模型模型模型模型模型模型模型模型模型 é́";
        row.attack = std::string(80, 'a');
        row.gradient_calls = 18446744073709551615ull;
    }
    for (const std::size_t width : {std::size_t{120}, std::size_t{160}})
        for (const auto& line : lines_of(r, width)) CHECK(saddle::display_width(line) <= width);
}

TEST_CASE("columns of the text report stand under their headings", "[evaluation]") {
    auto r = sample_report();
    for (auto& row : r.rows)
        if (row.model[0] == 'M') row.model = "模型ü";
    std::vector<std::size_t> ends;
    std::size_t heading = 0;
    for (const auto& line : lines_of(r)) {
        if (line.find("gradients") != std::string::npos) heading = saddle::display_width(line.substr(0, line.find("robust %")));
        if (heading && line.find(" Linf ") != std::string::npos)
            ends.push_back(saddle::display_width(line.substr(0, line.find("Linf"))));
    }
    REQUIRE(ends.size() == 12);
    CHECK(heading > ends[0]);
    for (const auto end : ends) CHECK(end == ends[0]);
}

TEST_CASE("the text report states accuracies with their intervals", "[evaluation]") {
    std::string all;
    for (const auto& line : lines_of(sample_report())) all += line + '\n';
    CHECK(all.find("20.0 [2.5, 55.6]") != std::string::npos);
    CHECK(all.find("70.0 [34.8, 93.3]") != std::string::npos);
    CHECK(all.find("8/255") != std::string::npos);
    CHECK(all.find("note: 1 result was <rejected>") != std::string::npos);
    CHECK(all.find("p-value: 0.0625") != std::string::npos);
}

TEST_CASE("an empty report is still text", "[evaluation]") {
    std::string all;
    for (const auto& line : lines_of({})) all += line;
    CHECK(all.find("no attacks were run") != std::string::npos);
}

TEST_CASE("numbers that were not measured are dashes", "[evaluation]") {
    saddle::report r;
    r.rows.emplace_back();
    std::string all;
    for (const auto& line : lines_of(r)) all += line + '\n';
    CHECK(all.find("nan") == std::string::npos);
    CHECK(all.find("–") != std::string::npos);
}

TEST_CASE("the text report refuses a width that cannot hold a table", "[evaluation]") {
    std::ostringstream out;
    CHECK_THROWS_AS(saddle::write_text(saddle::report{}, out, 20), saddle::invalid_argument);
}

TEST_CASE("control characters and invalid UTF-8 never reach the terminal", "[evaluation]") {
    saddle::report r;
    r.title = "a\x1b[31mb\xff\xc3(c";
    const auto title = lines_of(r).front();
    CHECK(title.find('\x1b') == std::string::npos);
    CHECK(title == "a [31mb��(c");
}

TEST_CASE("wide characters take two columns and marks none", "[evaluation]") {
    CHECK(saddle::display_width("abc") == 3);
    CHECK(saddle::display_width("模型") == 4);
    CHECK(saddle::display_width("e\xcc\x81") == 1);
    CHECK(saddle::fitted("模型模型", 5) == "模型…");
    CHECK(saddle::fitted("abc", 3) == "abc");
    CHECK(saddle::fitted("abcd", 3) == "ab…");
    CHECK(saddle::fitted("abcd", 0).empty());
}
