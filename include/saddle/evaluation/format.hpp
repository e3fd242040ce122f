#pragma once
#include "saddle/core/config.hpp"

#include <charconv>
#include <cmath>
#include <string>

namespace saddle {

/// The shortest text that reads back as the same double, whatever the locale; "nan", "inf", "-inf" when not finite.
[[nodiscard]] inline std::string exact_text(double value) {
    if (std::isnan(value)) return "nan";
    char buffer[64];
    const auto [end, failure] = std::to_chars(buffer, buffer + sizeof buffer, value);
    return failure == std::errc{} ? std::string(buffer, end) : "nan";
}

/// `value` with `digits` places after the point, or "–" when it is not finite.
[[nodiscard]] inline std::string fixed_text(double value, int digits) {
    if (!std::isfinite(value)) return "–";
    char buffer[400];
    const auto [end, failure] = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed, digits);
    return failure == std::errc{} ? std::string(buffer, end) : "–";
}

/// `value` with `digits` significant digits, or "–" when it is not finite.
[[nodiscard]] inline std::string short_text(double value, int digits = 3) {
    if (!std::isfinite(value)) return "–";
    char buffer[64];
    const auto [end, failure] = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::general, digits);
    return failure == std::errc{} ? std::string(buffer, end) : "–";
}

/// A share in per cent: 0.9712 is "97.1"; "–" when not finite.
[[nodiscard]] inline std::string percent_text(double share, int digits = 1) { return fixed_text(100 * share, digits); }

/// An epsilon as people write it: "8/255" for a multiple of 1/255, otherwise up to four significant digits.
[[nodiscard]] inline std::string epsilon_text(double epsilon) {
    const double levels = std::round(epsilon * 255);
    const bool on_grid = levels >= 1 && levels < 255 && std::abs(epsilon * 255 - levels) < 1e-6;
    const bool short_decimal = std::abs(std::round(epsilon * 1000) / 1000 - epsilon) < 1e-9;
    return on_grid && !short_decimal ? fixed_text(levels, 0) + "/255" : short_text(epsilon, 4);
}

/// An integer with thousands apart: 1234567 is "1,234,567".
[[nodiscard]] inline std::string count_text(std::uint64_t value) {
    std::string digits = std::to_string(value);
    for (std::size_t at = digits.size(); at > 3;) digits.insert(at -= 3, 1, ',');
    return digits;
}

/// A p-value: three digits, "< 0.0001" below that.
[[nodiscard]] inline std::string p_value_text(double p) { return p < 1e-4 ? "< 0.0001" : short_text(p); }

/// A duration for people: "0.42 s", "12.3 s", "4 min 10 s", "2 h 05 min"; "–" when not finite.
[[nodiscard]] inline std::string duration_text(double seconds) {
    if (!std::isfinite(seconds) || seconds < 0 || seconds > 1e9) return "–";
    if (seconds < 10) return fixed_text(seconds, 2) + " s";
    if (seconds < 99.95) return fixed_text(seconds, 1) + " s";
    const auto whole = static_cast<std::uint64_t>(std::llround(seconds));
    const auto two = [](std::uint64_t v) { return (v < 10 ? "0" : "") + std::to_string(v); };
    if (whole < 3600) return std::to_string(whole / 60) + " min " + two(whole % 60) + " s";
    return std::to_string(whole / 3600) + " h " + two(whole % 3600 / 60) + " min";
}

}  // namespace saddle
