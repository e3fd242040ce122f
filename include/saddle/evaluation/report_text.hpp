#pragma once
#include "saddle/evaluation/report_views.hpp"
#include "saddle/evaluation/unicode.hpp"

#include <ostream>

namespace saddle {

namespace detail {

/// Columns under headings; cells are made printable and cut so that the table fits a given width.
class text_table {
public:
    struct column {
        std::string heading;
        bool right = false;
        std::size_t widest = 40;
    };
    explicit text_table(std::vector<column> columns) : columns_(std::move(columns)) {}

    void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
    /// A rule before the next row.
    void add_rule() {
        if (!rows_.empty()) rules_.push_back(rows_.size());
    }

    void print(std::ostream& out, std::size_t width) const {
        std::vector<std::size_t> widths;
        for (std::size_t c = 0; c < columns_.size(); ++c) {
            std::size_t w = display_width(columns_[c].heading);
            for (const auto& row : rows_) w = std::max(w, std::min(columns_[c].widest, display_width(printable(row[c]))));
            widths.push_back(w);
        }
        shrink(widths, width);
        std::vector<std::string> headings;
        for (const auto& c : columns_) headings.push_back(c.heading);
        line(out, headings, widths);
        rule(out, widths);
        for (std::size_t r = 0; r < rows_.size(); ++r) {
            if (std::find(rules_.begin(), rules_.end(), r) != rules_.end()) rule(out, widths);
            line(out, rows_[r], widths);
        }
    }

private:
    /// Takes from the widest text column until the line fits or nothing can be cut.
    void shrink(std::vector<std::size_t>& widths, std::size_t width) const {
        for (;;) {
            std::size_t total = 2 * (widths.size() - 1), widest = 0;
            for (const auto w : widths) total += w;
            for (std::size_t c = 0; c < widths.size(); ++c)
                if (!columns_[c].right && (columns_[widest].right || widths[c] > widths[widest])) widest = c;
            if (total <= width || columns_[widest].right || widths[widest] <= 6) return;
            --widths[widest];
        }
    }
    void line(std::ostream& out, const std::vector<std::string>& cells, const std::vector<std::size_t>& widths) const {
        std::string s;
        for (std::size_t c = 0; c < cells.size(); ++c)
            s += (c ? "  " : "") + padded(fitted(cells[c], widths[c]), widths[c], columns_[c].right);
        out << s.substr(0, s.find_last_not_of(' ') + 1) << '\n';
    }
    static void rule(std::ostream& out, const std::vector<std::size_t>& widths) {
        std::string s;
        for (std::size_t c = 0; c < widths.size(); ++c) {
            if (c) s += "──";
            for (std::size_t i = 0; i < widths[c]; ++i) s += "─";
        }
        out << s << '\n';
    }

    std::vector<column> columns_;
    std::vector<std::vector<std::string>> rows_;
    std::vector<std::size_t> rules_;
};

inline std::string share_with_interval(const accuracy& a) {
    if (a.examples == 0) return "–";
    const auto ends = a.exact_interval();
    return percent_text(a.share()) + " [" + percent_text(ends.lower) + ", " + percent_text(ends.upper) + ']';
}

/// Breaks a paragraph into lines of at most `width` columns, the later ones indented.
inline void print_paragraph(std::ostream& out, const std::string& paragraph, std::size_t width) {
    std::string line, word;
    const auto flush_word = [&] {
        if (word.empty()) return;
        if (!line.empty() && display_width(line) + 1 + display_width(word) > width) {
            out << line << '\n';
            line = "  ";
            line += fitted(word, width - 2);
        } else {
            line += (line.empty() ? "" : " ") + fitted(word, width);
        }
        word.clear();
    };
    for (const char c : printable(paragraph)) {
        if (c == ' ')
            flush_word();
        else
            word += c;
    }
    flush_word();
    out << line << '\n';
}

}  // namespace detail

/// Writes the report as aligned UTF-8 text of at most `width` columns (at least 80): what was evaluated, a line per model, a line
/// per model, attack and epsilon, comparisons and notes. Throws invalid_argument for a smaller width.
inline void write_text(const report& r, std::ostream& out, std::size_t width = 120) {
    require(width >= 80, "write_text", "width", "at least 80 columns", width);
    using detail::print_paragraph, detail::share_with_interval, detail::text_table;
    print_paragraph(out, r.title, width);
    std::string facts = r.data_name.empty() ? "data" : r.data_name;
    facts += ", " + count_text(r.data_size) + " examples";
    if (r.image.size() > 0) facts += text(" of ", r.image);
    if (r.classes > 0) facts += text(", ", r.classes, " classes");
    if (!r.data_note.empty()) facts += " (" + r.data_note + ')';
    print_paragraph(out, facts, width);
    print_paragraph(
        out, text("saddle ", r.version, r.date.empty() ? "" : ", ", r.date, ", seed ", r.seed, ", threads ", r.threads), width);
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
    if (!r.comparisons.empty() || !r.notes.empty()) out << '\n';
    for (const auto& c : r.comparisons)
        print_paragraph(out,
                        text(c.setting, ": ", c.first, " alone right on ", c.only_first, ", ", c.second, " alone on ",
                             c.only_second, ", McNemar's exact p-value: ", p_value_text(c.p_value)),
                        width);
    for (const auto& note : r.notes) print_paragraph(out, "note: " + note, width);
}

}  // namespace saddle
