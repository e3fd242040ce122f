#pragma once
#include "saddle/evaluation/html.hpp"

#include <vector>

namespace saddle::detail {

/// A table of HTML; cells are HTML already. The first columns are text, the others numbers, which stand to the right.
class html_table {
public:
    html_table& head(const std::vector<std::string>& cells, std::size_t text_columns) {
        text_columns_ = text_columns;
        std::string row;
        for (std::size_t i = 0; i < cells.size(); ++i)
            row += html_element("th", i < text_columns ? "scope=\"col\" class=\"t\"" : "scope=\"col\"", cells[i]);
        columns_ = cells.size();
        head_ = html_element("thead", "", html_element("tr", "", row));
        return *this;
    }
    void group(const std::string& name) {
        body_ += html_element(
            "tr", "", html_element("th", "class=\"group\" scope=\"rowgroup\" colspan=\"" + std::to_string(columns_) + '"', name));
    }
    void row(const std::vector<std::string>& cells, std::size_t strong = none_strong, bool code_last = false) {
        std::string row;
        for (std::size_t i = 0; i < cells.size(); ++i) {
            const char* kind = code_last && i + 1 == cells.size() ? "class=\"code\""
                               : i == strong                      ? "class=\"strong\""
                               : i < text_columns_                ? "class=\"t\""
                                                                  : "";
            row += html_element("td", kind, cells[i]);
        }
        body_ += html_element("tr", "", row);
    }
    [[nodiscard]] std::string finish() const {
        return html_element("div", "class=\"scroll\"", html_element("table", "", head_ + html_element("tbody", "", body_)));
    }
    static constexpr std::size_t none_strong = static_cast<std::size_t>(-1);

private:
    std::string head_, body_;
    std::size_t columns_ = 0, text_columns_ = 0;
};

}  // namespace saddle::detail
