#pragma once
#include "saddle/evaluation/format.hpp"
#include "saddle/evaluation/html.hpp"
#include "saddle/evaluation/report.hpp"

namespace saddle::detail {

[[gnu::cold]] inline std::string html_section(const std::string& title, const std::string& about, const std::string& content) {
    return html_element("section", "",
                        html_element("h2", "", title) + (about.empty() ? "" : html_element("p", "class=\"about\"", about)) +
                            content) +
           '\n';
}

[[gnu::cold]] inline std::string html_range(const accuracy& a) {
    if (a.examples == 0) return "";
    const auto ends = a.exact_interval();
    return percent_text(ends.lower) + " – " + percent_text(ends.upper);
}
[[gnu::cold]] inline std::string html_share(const accuracy& a) {
    return a.examples == 0 ? "–" : "<b>" + percent_text(a.share()) + " %</b><small>" + html_range(a) + "</small>";
}

}  // namespace saddle::detail
