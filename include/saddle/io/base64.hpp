#pragma once
#include "saddle/core/config.hpp"

#include <span>
#include <string>

namespace saddle {

/// Base64 with padding (RFC 4648 §4), as a `data:` address in HTML needs it.
[[nodiscard]] inline std::string encode_base64(std::span<const std::byte> bytes) {
    constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    out.reserve((bytes.size() + 2) / 3 * 4);
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        const std::size_t left = bytes.size() - i;
        std::uint32_t group = 0;
        for (std::size_t k = 0; k < 3; ++k) group = group << 8 | (k < left ? std::to_integer<std::uint32_t>(bytes[i + k]) : 0u);
        for (std::size_t k = 0; k < 4; ++k) out += k <= left ? digits[group >> (18 - 6 * k) & 63u] : '=';
    }
    return out;
}

}  // namespace saddle
