#pragma once
#include "saddle/evaluation/certified_views.hpp"
#include "saddle/evaluation/text_table.hpp"

namespace saddle {

namespace detail {

/// "12 examples: proved up to 0.03 (median), broken from 0.1 (median of 5)".
[[gnu::cold]] inline std::string bracket_summary(const bracket_list& list) {
    std::vector<double> proved, broken;
    for (const auto& b : list.brackets) {
        proved.push_back(b.proved);
        if (std::isfinite(b.broken)) broken.push_back(b.broken);
    }
    std::string out = text(list.model, ": ", count_text(list.brackets.size()), " correct examples, proved up to ",
                           short_text(summarize(proved).median), " (median)");
    out += broken.empty()
               ? ", none broken by an attack"
               : text(", ", count_text(broken.size()), " broken, from ", short_text(summarize(broken).median), " (median)");
    return out;
}

}  // namespace detail

/// The report's section on certification as text, nothing if there is none: a line per model, domain and epsilon, with the lowest
/// accuracy under Linf attacks of that epsilon; then each model's brackets in a sentence.
[[gnu::cold]] inline void write_certification(const report& r, std::ostream& out, std::size_t width) {
    if (r.certified.empty() && r.radii.empty()) return;
    out << '\n';
    const double confidence = r.certified.empty() ? .95 : r.certified.front().certified.confidence;
    detail::text_table table({{"model", false, 30},
                              {"domain", false, 30},
                              {"epsilon", true},
                              {"clean %", true},
                              {"certified % [" + short_text(100 * confidence) + " %]", true},
                              {"under attack %", true},
                              {"ms an example", true}});
    for (const auto& row : r.certified)
        table.add({row.model, row.domain, epsilon_text(row.epsilon), percent_text(row.clean.share()),
                   detail::share_with_interval(row.certified), percent_text(attacked_accuracy(r, row.model, row.epsilon).share()),
                   short_text(1000 * row.seconds / static_cast<double>(row.certified.examples))});
    if (!r.certified.empty()) table.print(out, width);
    for (const auto& list : brackets_of(r)) detail::print_paragraph(out, detail::bracket_summary(list), width);
    for (const auto& note : bracket_notes(r)) detail::print_paragraph(out, "note: " + note, width);
}

}  // namespace saddle
