#pragma once
#include "saddle/evaluation/certified_text.hpp"
#include "saddle/evaluation/html_section.hpp"
#include "saddle/evaluation/html_table.hpp"

namespace saddle::detail {

/// The report's section on certification: accuracies, and per example what is proved and what is broken.
[[gnu::cold]] inline std::string html_certification(const report& r) {
    if (r.certified.empty() && r.radii.empty()) return "";
    html_table results;
    results.head({"domain", "soundness", "epsilon", "clean", "certified accuracy", "accuracy under attack", "time an example"},
                 2);
    const std::string* model = nullptr;
    for (const auto& row : r.certified) {
        if (!model || *model != row.model) results.group(escape_html(row.model));
        model = &row.model;
        const double each = row.seconds / static_cast<double>(row.certified.examples);
        results.row({escape_html(row.domain), escape_html(row.level), epsilon_text(row.epsilon), percent_text(row.clean.share()),
                     html_share(row.certified), html_share(attacked_accuracy(r, row.model, row.epsilon)),
                     std::isfinite(each) ? short_text(1000 * each) + " ms" : "–"},
                    4);
    }
    constexpr std::size_t most = 2000;
    std::string details;
    for (const auto& list : brackets_of(r)) {
        html_table table;
        table.head({"example", "proved up to", "broken from"}, 1);
        for (std::size_t k = 0; k < std::min(most, list.brackets.size()); ++k) {
            const auto& b = list.brackets[k];
            table.row({std::to_string(b.example), short_text(b.proved), short_text(b.broken)});
        }
        const std::string rest =
            list.brackets.size() > most ? ", the first " + count_text(most) + " below, all in the JSON and CSV files" : "";
        details +=
            html_element("details", "", html_element("summary", "", escape_html(bracket_summary(list)) + rest) + table.finish());
    }
    std::string notes;
    for (const auto& note : bracket_notes(r)) notes += html_element("li", "", escape_html(note));
    if (!notes.empty()) notes = html_element("div", "class=\"notes\" role=\"note\"", html_element("ul", "", notes));
    return html_section(
        "Certified", "Share of all examples proven to keep their right class on the whole Linf ball, beside what attacks left.",
        notes + (r.certified.empty() ? "" : results.finish()) + details);
}

}  // namespace saddle::detail
