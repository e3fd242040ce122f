#pragma once
#include "saddle/evaluation/format.hpp"
#include "saddle/evaluation/report.hpp"
#include "saddle/evaluation/unicode.hpp"

#include <algorithm>
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

    [[gnu::cold]] void print(std::ostream& out, std::size_t width) const {
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
    [[gnu::cold]] void shrink(std::vector<std::size_t>& widths, std::size_t width) const {
        for (;;) {
            std::size_t total = 2 * (widths.size() - 1), widest = 0;
            for (const auto w : widths) total += w;
            for (std::size_t c = 0; c < widths.size(); ++c)
                if (!columns_[c].right && (columns_[widest].right || widths[c] > widths[widest])) widest = c;
            if (total <= width || columns_[widest].right || widths[widest] <= 6) return;
            --widths[widest];
        }
    }
    [[gnu::cold]] void line(std::ostream& out, const std::vector<std::string>& cells,
                            const std::vector<std::size_t>& widths) const {
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
[[gnu::cold]] inline void print_paragraph(std::ostream& out, const std::string& paragraph, std::size_t width) {
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

}  // namespace saddle
