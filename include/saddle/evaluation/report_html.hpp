#pragma once
#include "saddle/evaluation/certified_html.hpp"
#include "saddle/evaluation/charts.hpp"
#include "saddle/evaluation/html_style.hpp"
#include "saddle/evaluation/html_table.hpp"
#include "saddle/evaluation/pictures.hpp"
#include "saddle/evaluation/report_views.hpp"
#include "saddle/io/base64.hpp"

namespace saddle {

namespace detail {

[[gnu::cold]] inline std::string html_header(const report& r) {
    std::string lead = escape_html(r.data_name.empty() ? "Data" : r.data_name) + ", " + count_text(r.data_size) + " examples";
    if (r.image.size() > 0) lead += text(" of ", r.image.channels, " × ", r.image.height, " × ", r.image.width);
    if (r.classes > 0) lead += text(" in ", r.classes, " classes");
    if (!r.data_note.empty()) lead += " (" + escape_html(r.data_note) + ')';
    std::string facts;
    const auto fact = [&](const std::string& name, const std::string& value) {
        if (!value.empty())
            facts +=
                html_element("div", "", html_element("dt", "", escape_html(name)) + html_element("dd", "", escape_html(value)));
    };
    std::string build;
    for (const auto& s : r.build) {
        const bool* flag = std::get_if<bool>(&s.value);
        const std::string part = !flag ? value_text(s) : *flag ? s.name : "not " + s.name;
        build += (build.empty() ? "" : ", ") + part;
    }
    fact("date", r.date), fact("saddle", r.version), fact("seed", std::to_string(r.seed)),
        fact("threads", r.threads > 0 ? std::to_string(r.threads) : ""), fact("build", build);
    for (const auto& s : r.settings) fact(s.name, value_text(s));
    return html_element("header", "",
                        html_element("h1", "", escape_html(r.title)) + html_element("p", "class=\"lead\"", lead) +
                            html_element("dl", "class=\"facts\"", facts)) +
           '\n';
}

/// A card per model: what it is, then clean and robust accuracy at the summary's epsilon as bars.
[[gnu::cold]] inline std::string html_cards(const report& r) {
    const double epsilon = summary_epsilon(r);
    std::string cards;
    const auto names = model_names(r);
    for (std::size_t i = 0; i < names.size(); ++i) {
        std::string meters, sub;
        const auto meter = [&](const std::string& name, const accuracy& a, const char* kind) {
            const std::string width = a.examples == 0 ? "0" : fixed_text(100 * a.share(), 1);
            meters += html_element("span", "class=\"name\"", escape_html(name)) + "<span class=\"track\"><span class=\"fill" +
                      kind + "\" style=\"width:" + width + "%\"></span></span>" +
                      html_element("span", "class=\"value\"", a.examples == 0 ? "–" : percent_text(a.share()) + " %") +
                      html_element("span", "class=\"range\"", html_range(a));
        };
        accuracy clean;
        for (const auto& row : r.rows)
            if (row.model == names[i]) clean = row.clean;
        for (const auto& m : r.models) {
            if (m.name != names[i]) continue;
            if (m.clean.examples > 0) clean = m.clean;
            sub = escape_html(m.network) + (m.network.empty() ? "" : ", ") + count_text(m.parameters) + " parameters";
            if (!m.training.empty()) sub += "<br>" + escape_html(m.training);
            if (std::isfinite(m.training_seconds)) sub += ", trained in " + duration_text(m.training_seconds);
            if (!m.settings.empty()) sub += "<br>" + escape_html(settings_text(m.settings));
        }
        meter("clean", clean, " clean");
        for (const auto& row : r.rows)
            if (row.model == names[i] && row.epsilon == epsilon) meter(attack_title(r, row), row.robust, "");
        cards += html_element("article", "class=\"card k" + std::to_string(i % chart_colors) + '"',
                              html_element("h3", "", escape_html(names[i])) + html_element("p", "class=\"sub\"", sub) +
                                  html_element("div", "class=\"meters\"", meters));
    }
    if (cards.empty()) return "";
    const std::string about = std::isnan(epsilon) ? "Share of correctly classified examples."
                                                  : "Share of correctly classified examples, clean and under attack at epsilon " +
                                                        epsilon_text(epsilon) + ", with the exact confidence interval.";
    return html_section("Summary", about, html_element("div", "class=\"cards\"", cards));
}

[[gnu::cold]] inline std::string html_charts(const report& r) {
    std::string figures;
    for (const auto& group : {epsilon_charts(r), certified_charts(r), iteration_charts(r), r.charts})
        for (const auto& c : group)
            figures += html_element("figure", "",
                                    html_element("h3", "", escape_html(c.title)) + line_chart(c) + chart_legend(c) +
                                        (c.caption.empty() ? "" : html_element("figcaption", "", escape_html(c.caption)))) +
                       '\n';
    return figures.empty() ? "" : html_section("Curves", "", html_element("div", "class=\"charts\"", figures));
}

/// Robust accuracy, one line per model and attack, one column per epsilon; nothing for a single epsilon.
[[gnu::cold]] inline std::string html_overview(const report& r) {
    auto epsilons = distinct(r.rows, [](const auto& row) { return row.epsilon; });
    std::erase_if(epsilons, [](double e) { return !std::isfinite(e); });
    std::sort(epsilons.begin(), epsilons.end());
    if (epsilons.size() < 2 || epsilons.size() > 12) return "";
    std::vector<std::string> head{"attack", "norm", "clean"};
    for (const double e : epsilons) head.push_back("ε " + epsilon_text(e));
    html_table table;
    table.head(head, 2);
    std::size_t model = r.models.size() + r.rows.size();
    for (const auto& s : series_of(r)) {
        const auto& first = *s.rows.front();
        if (s.model != model) table.group(escape_html(first.model));
        model = s.model;
        std::vector<std::string> cells{escape_html(first.attack), escape_html(first.norm), percent_text(first.clean.share())};
        for (const double e : epsilons) {
            const auto at = std::find_if(s.rows.begin(), s.rows.end(), [e](auto* row) { return row->epsilon == e; });
            cells.push_back(at == s.rows.end() ? "" : percent_text((*at)->robust.share()));
        }
        table.row(cells);
    }
    return html_section("Robust accuracy", "In per cent of all examples, for every bound on the perturbation.", table.finish());
}

[[gnu::cold]] inline std::string html_rows(const report& r) {
    if (r.rows.empty()) return html_section("Results", "No attacks were run.", "");
    html_table results;
    results.head({"attack", "norm", "epsilon", "robust accuracy", "successes", "loss", "mean L∞", "mean L2", "mean L1", "mean L0",
                  "gradients", "forwards", "time"},
                 2);
    html_table settings;
    settings.head({"model", "attack", "epsilon", "settings"}, 2);
    const std::string* model = nullptr;
    for (const auto& row : r.rows) {
        if (!model || *model != row.model)
            results.group(escape_html(row.model) + ", clean accuracy " + percent_text(row.clean.share()) + " %");
        model = &row.model;
        const auto& d = row.distortion;
        results.row({escape_html(row.attack), escape_html(row.norm), epsilon_text(row.epsilon), html_share(row.robust),
                     count_text(row.successes), fixed_text(row.loss, 3), short_text(d.linf.mean), short_text(d.l2.mean),
                     short_text(d.l1.mean), short_text(d.l0.mean), count_text(row.gradient_calls), count_text(row.forward_calls),
                     duration_text(row.seconds)},
                    3);
        settings.row({escape_html(row.model), escape_html(row.attack), std::isfinite(row.epsilon) ? exact_text(row.epsilon) : "–",
                      escape_html(settings_text(row.settings))},
                     html_table::none_strong, true);
    }
    return html_section("Measurements",
                        "Distortions are means over successes; gradients and forwards are calls summed over examples.",
                        html_element("details", r.rows.size() <= 16 ? "open" : "",
                                     "<summary>All " + std::to_string(r.rows.size()) + " results</summary>" + results.finish()) +
                            html_element("details", "", "<summary>Settings of every attack</summary>" + settings.finish()));
}

[[gnu::cold]] inline std::string html_pictures(const report& r) {
    std::string figures;
    for (const auto& grid : r.pictures) {
        std::string head, body;
        for (const auto& name : grid.columns) head += html_element("th", "scope=\"col\"", escape_html(name));
        for (const auto& cells : grid.rows) {
            std::string row;
            for (const auto& cell : cells) {
                const std::string image = "<img alt=\"" + escape_html(cell.caption) + "\" src=\"data:image/png;base64," +
                                          encode_base64(encode_png(to_picture(cell))) + "\">";
                row += html_element(
                    "td", "", image + html_element("span", cell.highlighted ? "class=\"wrong\"" : "", escape_html(cell.caption)));
            }
            body += html_element("tr", "", row) + '\n';
        }
        figures += html_element("figure", "",
                                html_element("h3", "", escape_html(grid.title)) +
                                    html_element("table", "class=\"shots\"",
                                                 html_element("thead", "", html_element("tr", "", head)) +
                                                     html_element("tbody", "", body)) +
                                    (grid.caption.empty() ? "" : html_element("figcaption", "", escape_html(grid.caption)))) +
                   '\n';
    }
    return figures.empty() ? ""
                           : html_section("Pictures",
                                          "Perturbations and gradients have a colour scale of their own, with zero in the "
                                          "middle; ± is the largest change. "
                                          "Captions read label → prediction, red where that is wrong.",
                                          html_element("div", "class=\"pictures\"", figures));
}

[[gnu::cold]] inline std::string html_comparisons(const report& r) {
    if (r.comparisons.empty()) return "";
    html_table table;
    table.head({"compared", "first model", "second model", "both right", "only first", "only second", "neither", "p-value"}, 3);
    for (const auto& c : r.comparisons)
        table.row({escape_html(c.setting), escape_html(c.first), escape_html(c.second), count_text(c.both),
                   count_text(c.only_first), count_text(c.only_second), count_text(c.neither),
                   escape_html(p_value_text(c.p_value))},
                  7);
    return html_section("Paired comparisons", "Two models on the same examples, by McNemar's exact two-sided test.",
                        table.finish());
}

[[gnu::cold]] inline std::string html_notes(const report& r) {
    std::string items;
    for (const auto& note : r.notes) items += html_element("li", "", escape_html(note));
    return items.empty()
               ? ""
               : html_element("div", "class=\"notes\" role=\"note\"", "<b>Please note</b>" + html_element("ul", "", items));
}

inline constexpr const char* html_method =
    "<div class=\"method\"><p><b>Robust accuracy</b> is the share of all examples that are classified correctly before and after "
    "the attack; an example "
    "that is wrong without an attack counts as not robust. An attack gives an upper bound: a stronger attack may find more.</p>"
    "<p><b>Successes</b> are judged again, apart from the attack: the perturbed image must lie in the ball and in [0,1], "
    "computed in double precision, and "
    "the model must classify it wrongly. What fails this is not counted and is noted above.</p>"
    "<p><b>Certified accuracy</b> is the share of all examples that are proven to keep their right class on the whole Linf ball: "
    "a "
    "lower bound, as robust accuracy is an upper one.</p>"
    "<p><b>Intervals</b> are exact (Clopper and Pearson) at the stated confidence, 95 % unless said otherwise. They cover the "
    "choice of examples, not the randomness of training.</p>"
    "<p><b>Distances</b> are between the original and the perturbed image with values in [0,1]; L0 counts pixels.</p></div>";

}  // namespace detail

/// The report as one page of HTML that needs nothing else: style, charts (SVG) and pictures (PNG in base64) are inside, no
/// script, no address of any other place. Throws shape_error for a chart or picture whose sizes do not fit.
[[nodiscard, gnu::cold]] inline std::string html_text(const report& r) {
    using namespace detail;
    return "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
           "content=\"width=device-width,initial-scale=1\">\n" +
           html_element("title", "", escape_html(r.title)) + html_element("style", "", std::string(page_style) + chart_style) +
           "\n</head>\n<body>\n" + html_header(r) + "<main>\n" + html_notes(r) + html_cards(r) + html_charts(r) +
           html_overview(r) + html_rows(r) + html_certification(r) + html_comparisons(r) + html_pictures(r) +
           html_section("How to read this", "", html_method) + "</main>\n" +
           html_element("footer", "",
                        "Made by saddle " + escape_html(r.version) + (r.date.empty() ? "" : " on " + escape_html(r.date)) + '.') +
           "\n</body>\n</html>\n";
}

/// Writes the page, atomically. Throws io_error when it cannot be written, otherwise like html_text.
inline void write_html(const report& r, const std::string& path) { write_file_atomically(path, html_text(r)); }

}  // namespace saddle
