#include "saddle/evaluation/report_html.hpp"

#include "evaluation/sample_report.hpp"
#include "support/catch.hpp"

#include <set>

namespace {

/// Opens and closes every tag of a page in order; returns what does not match, or nothing.
std::string tag_problem(const std::string& page) {
    static const std::set<std::string> empty{"meta", "img", "br", "!DOCTYPE"};
    std::vector<std::string> open;
    for (std::size_t at = page.find('<'); at != std::string::npos; at = page.find('<', at + 1)) {
        bool quoted = false;
        std::size_t end = at + 1;
        for (; end < page.size() && (quoted || page[end] != '>'); ++end) {
            if (page[end] == '"')
                quoted = !quoted;
            else if (page[end] == '<')
                return "'<' inside " + page.substr(at, 40);
        }
        if (end >= page.size()) return "unfinished tag " + page.substr(at, 40);
        const bool closing = page[at + 1] == '/';
        const auto from = at + 1 + closing;
        const auto name = page.substr(from, page.find_first_of(" >/\n", from) - from);
        if (closing) {
            if (open.empty() || open.back() != name)
                return "unexpected </" + name + "> in " + (open.empty() ? "nothing" : open.back());
            open.pop_back();
        } else if (!empty.count(name) && page[end - 1] != '/') {
            open.push_back(name);
        }
        if (name == "style" && !closing)
            at = page.find("</style", end) - 1;
        else
            at = end;
    }
    return open.empty() ? "" : "never closed: " + open.back();
}

}  // namespace

TEST_CASE("the page is well formed whatever the names hold", "[evaluation]") {
    auto r = sample_report();
    CHECK(tag_problem(saddle::html_text(r)) == "");
    for (auto& model : r.models) model.name = "</h3><script>alert(1)</script>\"'&\xff";
    for (auto& row : r.rows) row.attack = "\"><img src=x onerror=1>";
    r.pictures[0].rows[0][0].caption = "\" onload=\"x";
    const auto page = saddle::html_text(r);
    CHECK(tag_problem(page) == "");
    CHECK(page.find("<script") == std::string::npos);
    CHECK(page.find("<img src=x") == std::string::npos);
    CHECK(page.find("\" onload=\"x") == std::string::npos);
    CHECK(page.find('\xff') == std::string::npos);
}

TEST_CASE("the page needs nothing from outside", "[evaluation]") {
    const auto page = saddle::html_text(sample_report());
    for (const char* address : {"http:", "https:", "//", "url(", "<link", "<script", "@import", "src=\"/", "href="}) {
        CAPTURE(address);
        auto at = page.find(address);
        while (at != std::string::npos && page.substr(0, at).rfind("base64,") != std::string::npos &&
               page.find('"', page.substr(0, at).rfind("base64,")) > at)
            at = page.find(address, at + 1);  // base64 may hold "//"
        CHECK(at == std::string::npos);
    }
    CHECK(page.find("src=\"data:image/png;base64,iVBORw0KGgo") != std::string::npos);
}

TEST_CASE("the page shows every number of the summary", "[evaluation]") {
    auto r = sample_report();
    r.epsilon = .1;
    const auto page = saddle::html_text(r);
    CHECK(page.find("natural &lt;&amp;&gt;") != std::string::npos);
    CHECK(page.find("under attack at epsilon 0.1,") != std::string::npos);
    CHECK(page.find("70.0 %") != std::string::npos);
    CHECK(page.find("34.8 – 93.3") != std::string::npos);
    CHECK(page.find("8/255") != std::string::npos);
    CHECK(page.find("18446744073709551615") != std::string::npos);
    CHECK(page.find("step_size=0.025; steps=2") != std::string::npos);
    CHECK(page.find("1 result was &lt;rejected&gt;") != std::string::npos);
}

TEST_CASE("an empty report is a page", "[evaluation]") {
    const auto page = saddle::html_text({});
    CHECK(tag_problem(page) == "");
    CHECK(page.find("No attacks were run.") != std::string::npos);
}

TEST_CASE("a row without measurements is a page without NaN", "[evaluation]") {
    saddle::report r;
    r.rows.emplace_back();
    r.models.emplace_back();
    r.rows.emplace_back();
    r.rows[1].epsilon = std::numeric_limits<double>::infinity();
    r.rows[1].accuracy_after_step = {saddle::not_measured, saddle::not_measured, saddle::not_measured};
    const auto page = saddle::html_text(r);
    CHECK(tag_problem(page) == "");
    CHECK(page.find(">nan") == std::string::npos);
    CHECK(page.find(">inf") == std::string::npos);
}

TEST_CASE("pictures that cannot be drawn are refused before anything is written", "[evaluation]") {
    auto r = sample_report();
    r.pictures[0].rows[0][0].values.pop_back();
    CHECK_THROWS_AS(saddle::html_text(r), saddle::shape_error);
}
