#pragma once
#include "saddle/evaluation/unicode.hpp"

namespace saddle {

/// `s` as text of an HTML or SVG element or attribute: printable, with < > & " ' escaped.
[[nodiscard, gnu::cold]] inline std::string escape_html(std::string_view s) {
    std::string out;
    for (const char c : printable(s)) {
        switch (c) {
        case '<':
            out += "&lt;";
            break;
        case '>':
            out += "&gt;";
            break;
        case '&':
            out += "&amp;";
            break;
        case '"':
            out += "&quot;";
            break;
        case '\'':
            out += "&#39;";
            break;
        default:
            out += c;
        }
    }
    return out;
}

/// "<name attributes>content</name>"; attributes and content are HTML already.
[[nodiscard, gnu::cold]] inline std::string html_element(const std::string& name, const std::string& attributes,
                                                         const std::string& content) {
    return '<' + name + (attributes.empty() ? "" : " ") + attributes + '>' + content + "</" + name + '>';
}

}  // namespace saddle
