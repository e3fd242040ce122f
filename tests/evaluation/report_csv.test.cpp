#include "saddle/evaluation/report_csv.hpp"

#include "evaluation/sample_report.hpp"
#include "support/catch.hpp"

namespace {

/// Records of a CSV text by the rules of RFC 4180.
std::vector<std::vector<std::string>> parse(const std::string& s) {
    std::vector<std::vector<std::string>> records(1, std::vector<std::string>(1));
    bool quoted = false;
    for (std::size_t i = 0; i < s.size(); ++i) {
        if (quoted) {
            if (s[i] == '"' && i + 1 < s.size() && s[i + 1] == '"')
                records.back().back() += s[i++];
            else if (s[i] == '"')
                quoted = false;
            else
                records.back().back() += s[i];
        } else if (s[i] == '"') {
            quoted = true;
        } else if (s[i] == ',') {
            records.back().emplace_back();
        } else if (s[i] == '\r') {
            REQUIRE(s[++i] == '\n');
            records.emplace_back(1);
        } else {
            records.back().back() += s[i];
        }
    }
    CHECK_FALSE(quoted);
    records.pop_back();
    return records;
}

}  // namespace

TEST_CASE("fields with commas, quotes and line ends are quoted", "[evaluation]") {
    CHECK(saddle::csv_field("plain") == "plain");
    CHECK(saddle::csv_field("a,b") == "\"a,b\"");
    CHECK(saddle::csv_field("a\"b") == "\"a\"\"b\"");
    CHECK(saddle::csv_field("a\nb") == "\"a\nb\"");
}

TEST_CASE("the CSV holds one record per row with every value under its heading", "[evaluation]") {
    const auto r = sample_report();
    const auto records = parse(saddle::csv_text(r));
    REQUIRE(records.size() == 13);
    for (const auto& record : records) REQUIRE(record.size() == records[0].size());
    const auto value = [&](std::size_t row, const std::string& name) {
        const auto at = std::find(records[0].begin(), records[0].end(), name);
        REQUIRE(at != records[0].end());
        return records[row + 1][static_cast<std::size_t>(at - records[0].begin())];
    };
    CHECK(value(0, "data") == "digits, \"test\"");
    CHECK(value(0, "model") == "natural <&>");
    CHECK(value(3, "attack") == "PGD, 2 steps");
    CHECK(std::stod(value(1, "epsilon")) == 8. / 255);
    CHECK(value(0, "settings") == "step_size=0.025; steps=2; random_start=false; loss=cross_entropy");
    CHECK(value(0, "robust_accuracy") == "0.2");
    CHECK(std::stod(value(0, "robust_lower")) == Approx(.0252).margin(5e-5));
    CHECK(value(0, "rejected") == "1");
    CHECK(value(0, "l2_mean").empty());
    CHECK(value(0, "accuracy_after_step") == "0.9;0.5;0.2");
    CHECK(value(0, "forward_calls") == "40");
    CHECK(value(0, "seed") == "18446744073709551615");
    CHECK(value(11, "date") == "2024-02-29");
}

TEST_CASE("a report without rows is a heading alone", "[evaluation]") { CHECK(parse(saddle::csv_text({})).size() == 1); }
