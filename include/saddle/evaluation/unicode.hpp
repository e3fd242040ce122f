#pragma once
#include "saddle/core/utf8.hpp"

namespace saddle {

namespace detail {

/// Columns of a terminal that a character takes: 0 for combining marks, 2 for East Asian wide ones and pictographs.
[[nodiscard]] inline std::size_t columns_of(char32_t c) {
    const auto in = [c](char32_t first, char32_t last) { return c >= first && c <= last; };
    if (in(0x300, 0x36F) || in(0x200B, 0x200F) || in(0x20D0, 0x20FF) || in(0xFE00, 0xFE0F) || in(0xFE20, 0xFE2F)) return 0;
    const bool wide = in(0x1100, 0x115F) || in(0x2E80, 0xA4CF) || in(0xAC00, 0xD7A3) || in(0xF900, 0xFAFF) ||
                      in(0xFE30, 0xFE6F) || in(0xFF00, 0xFF60) || in(0xFFE0, 0xFFE6) || in(0x1F300, 0x1FAFF) ||
                      in(0x20000, 0x3FFFD);
    return wide ? 2 : 1;
}

}  // namespace detail

/// `s` as one line of valid UTF-8: invalid bytes become U+FFFD, control characters and line ends a space.
[[nodiscard]] inline std::string printable(std::string_view s) {
    std::string out;
    while (!s.empty()) {
        const char32_t c = detail::next_code_point(s);
        const bool control = c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x2028 || c == 0x2029;
        detail::append_utf8(out, control ? U' ' : c);
    }
    return out;
}

/// Columns that a line takes on a terminal.
[[nodiscard]] inline std::size_t display_width(std::string_view s) {
    std::size_t width = 0;
    while (!s.empty()) width += detail::columns_of(detail::next_code_point(s));
    return width;
}

/// `s` made printable and cut to at most `width` columns; an ellipsis marks the cut.
[[nodiscard]] inline std::string fitted(std::string_view s, std::size_t width) {
    std::string line = printable(s);
    if (display_width(line) <= width) return line;
    if (width == 0) return {};
    std::string out;
    std::string_view rest = line;
    for (std::size_t used = 0;;) {
        const char32_t c = detail::next_code_point(rest);
        used += detail::columns_of(c);
        if (used > width - 1) return out + "…";
        detail::append_utf8(out, c);
    }
}

/// `s` between blanks to `width` columns, to the left or to the right.
[[nodiscard]] inline std::string padded(const std::string& s, std::size_t width, bool right = false) {
    const std::size_t used = display_width(s);
    const std::string blanks(used < width ? width - used : 0, ' ');
    return right ? blanks + s : s + blanks;
}

}  // namespace saddle
