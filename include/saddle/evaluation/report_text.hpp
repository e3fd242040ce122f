#pragma once
#include "saddle/evaluation/certified_text.hpp"
#include "saddle/evaluation/report_views.hpp"

namespace saddle {

/// Writes the report as aligned UTF-8 text of at most `width` columns (at least 80): what was evaluated, a line per model, a line
/// per model, attack and epsilon, comparisons and notes. Throws invalid_argument for a smaller width.
[[gnu::cold]] inline void write_text(const report& r, std::ostream& out, std::size_t width = 120) {
    require(width >= 80, "write_text", "width", "at least 80 columns", width);
    using detail::print_paragraph, detail::share_with_interval, detail::text_table;
    print_paragraph(out, r.title, width);
    std::string facts = r.data_name.empty() ? "data" : r.data_name;
    facts += ", " + count_text(r.data_size) + " examples";
    if (r.image.size() > 0) facts += text(" of ", r.image);
    if (r.classes > 0) facts += text(", ", r.classes, " classes");
    if (!r.data_note.empty()) facts += " (" + r.data_note + ')';
    print_paragraph(out, facts, width);
    print_paragraph(out,
                    text("saddle ", r.version, r.date.empty() ? "" : ", ", r.date, ", seed ", r.seed,
                         r.threads > 0 ? text(", threads ", r.threads) : ""),
                    width);
    const double confidence = !r.rows.empty()     ? r.rows.front().robust.confidence
                              : !r.models.empty() ? r.models.front().clean.confidence
                                                  : .95;
    const std::string sure = "[" + short_text(100 * confidence) + " %]";
    if (!r.models.empty()) {
        out << '\n';
        text_table table({{"model"},
                          {"network", false, 24},
                          {"parameters", true},
                          {"clean accuracy % " + sure, true},
                          {"training", false, 60}});
        for (const auto& m : r.models)
            table.add({m.name, m.network, count_text(m.parameters), share_with_interval(m.clean), m.training});
        table.print(out, width);
    }
    out << '\n';
    text_table table({{"model", false, 30},
                      {"attack", false, 24},
                      {"norm"},
                      {"epsilon", true},
                      {"clean %", true},
                      {"robust % " + sure, true},
                      {"loss", true},
                      {"mean L2", true},
                      {"gradients", true},
                      {"time", true}});
    std::string model;
    for (const auto& row : r.rows) {
        if (row.model != model) table.add_rule();
        model = row.model;
        table.add({row.model, row.attack, row.norm, epsilon_text(row.epsilon), percent_text(row.clean.share()),
                   share_with_interval(row.robust), fixed_text(row.loss, 3), short_text(row.distortion.l2.mean),
                   count_text(row.gradient_calls), duration_text(row.seconds)});
    }
    if (r.rows.empty())
        out << "no attacks were run\n";
    else
        table.print(out, width);
    write_certification(r, out, width);
    if (!r.comparisons.empty() || !r.notes.empty()) out << '\n';
    for (const auto& c : r.comparisons)
        print_paragraph(out,
                        text(c.setting, ": ", c.first, " alone right on ", c.only_first, ", ", c.second, " alone on ",
                             c.only_second, ", McNemar's exact p-value: ", p_value_text(c.p_value)),
                        width);
    for (const auto& note : r.notes) print_paragraph(out, "note: " + note, width);
}

}  // namespace saddle
