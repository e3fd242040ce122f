#pragma once
#include "saddle/core/config.hpp"

#include <string>
#include <string_view>

namespace saddle::detail {

inline constexpr char32_t not_a_character = 0xFFFD;

/// Takes the first code point off `rest`; a byte that starts no valid UTF-8 sequence gives U+FFFD.
[[nodiscard]] inline char32_t next_code_point(std::string_view& rest) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(rest[i]); };
    const unsigned char lead = byte(0);
    const std::size_t length = lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
    char32_t code = length <= 1 ? lead : lead & (0xFFu >> (length + 1));
    bool valid = length > 0 && rest.size() >= length;
    for (std::size_t i = 1; valid && i < length; ++i) {
        valid = (byte(i) & 0xC0) == 0x80;
        code = code << 6 | (byte(i) & 0x3Fu);
    }
    constexpr char32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    valid = valid && code >= least[length] && code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF);
    rest.remove_prefix(valid ? length : 1);
    return valid ? code : not_a_character;
}

inline void append_utf8(std::string& out, char32_t code) {
    const auto put = [&](char32_t v) { out += static_cast<char>(v); };
    if (code < 0x80) return put(code);
    if (code < 0x800) {
        put(0xC0 | code >> 6);
    } else {
        if (code < 0x10000)
            put(0xE0 | code >> 12);
        else
            put(0xF0 | code >> 18), put(0x80 | (code >> 12 & 0x3F));
        put(0x80 | (code >> 6 & 0x3F));
    }
    put(0x80 | (code & 0x3F));
}

}  // namespace saddle::detail
