#pragma once
#include "saddle/io/file.hpp"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

namespace saddle {

static_assert(std::endian::native == std::endian::little, "saddle reads and writes little-endian files without swapping bytes");

/// Bytes of one element of a type named as in .safetensors ("F32", "BF16", "I64", ...); 0 for a name it does not know.
[[nodiscard]] inline std::size_t element_size(std::string_view type) {
    if (type == "BOOL" || type == "U8" || type == "I8" || type == "F8_E5M2" || type == "F8_E4M3") return 1;
    if (type == "F16" || type == "BF16" || type == "I16" || type == "U16") return 2;
    if (type == "F32" || type == "I32" || type == "U32") return 4;
    if (type == "F64" || type == "I64" || type == "U64") return 8;
    return 0;
}

/// The name of T as an element type: float is "F32", std::int64_t is "I64", ...
template <class T>
[[nodiscard]] constexpr std::string_view element_type() {
    static_assert(std::is_arithmetic_v<T> && sizeof(T) <= 8,
                  "an element is a bool, an integer or a floating-point number of at most 64 bits");
    constexpr std::size_t log2 = std::bit_width(sizeof(T)) - 1;
    constexpr std::string_view floats[] = {"", "", "F32", "F64"}, signeds[] = {"I8", "I16", "I32", "I64"},
                               unsigneds[] = {"U8", "U16", "U32", "U64"};
    if constexpr (std::is_same_v<T, bool>)
        return "BOOL";
    else if constexpr (std::is_floating_point_v<T>)
        return floats[log2];
    else if constexpr (std::is_signed_v<T>)
        return signeds[log2];
    else
        return unsigneds[log2];
}

namespace detail {

struct half_bits {
    std::uint16_t bits;
    operator float() const {
        const std::uint32_t sign = std::uint32_t{bits & 0x8000u} << 16, exponent = (bits >> 10) & 31u, fraction = bits & 1023u;
        if (exponent == 0) {
            const float tiny = static_cast<float>(fraction) * 0x1p-24f;
            return sign ? -tiny : tiny;
        }
        const std::uint32_t wide = exponent == 31 ? 255u : exponent + 112u;
        return std::bit_cast<float>(sign | wide << 23 | fraction << 13);
    }
};

struct bfloat16_bits {
    std::uint16_t bits;
    operator float() const { return std::bit_cast<float>(std::uint32_t{bits} << 16); }
};

struct bool_byte {
    std::uint8_t value;
    operator std::uint64_t() const { return value != 0; }
};

template <class To, class Value>
[[nodiscard]] bool is_representable(Value value) {
    if constexpr (std::is_floating_point_v<Value> && std::is_floating_point_v<To>) {
        return !std::isfinite(value) || sizeof(To) >= sizeof(Value) || std::abs(value) <= std::numeric_limits<To>::max();
    } else if constexpr (std::is_floating_point_v<Value>) {
        // Both ends are powers of two (or zero), so they are exact; the upper one is excluded.
        constexpr Value end = static_cast<Value>(std::uint64_t{1} << (std::numeric_limits<To>::digits - 1)) * 2;
        return value >= static_cast<Value>(std::numeric_limits<To>::min()) && value < end && value == std::trunc(value);
    } else if constexpr (std::is_floating_point_v<To>) {
        return true;
    } else {
        return std::in_range<To>(value);
    }
}

template <class From, class To>
[[nodiscard]] std::vector<To> convert_elements(std::span<const std::byte> bytes, std::string_view where) {
    constexpr bool is_real =
        std::is_floating_point_v<From> || std::is_same_v<From, half_bits> || std::is_same_v<From, bfloat16_bits>;
    using integer = std::conditional_t<std::is_signed_v<From>, std::int64_t, std::uint64_t>;
    using value_type = std::conditional_t<std::is_same_v<From, double>, double, std::conditional_t<is_real, float, integer>>;
    std::vector<To> values(bytes.size() / sizeof(From));
    for (std::size_t i = 0; i < values.size(); ++i) {
        From stored;
        std::memcpy(&stored, bytes.data() + i * sizeof(From), sizeof(From));
        const auto value = static_cast<value_type>(stored);  // NOLINT(bugprone-signed-char-misuse): a number, not a character
        if (!is_representable<To>(value))
            throw data_error(text(where, ": element ", i, " is ", value, ", which ", element_type<To>(), " cannot hold"));
        values[i] = static_cast<To>(value);
    }
    return values;
}

/// The number of elements of `dimensions` (1 for a scalar) times `element` bytes. Throws io_error when it overflows.
[[nodiscard]] inline std::size_t size_in_bytes(std::span<const std::size_t> dimensions, std::size_t element,
                                               std::string_view where) {
    std::size_t size = element;
    bool empty = false;
    for (const auto d : dimensions) empty = empty || d == 0;
    if (empty) return 0;
    for (const auto d : dimensions)
        if (__builtin_mul_overflow(size, d, &size)) throw io_error(text(where, ": dimensions multiply to more than 2^64 bytes"));
    return size;
}

}  // namespace detail

/// Little-endian elements of the named type as numbers of type T; a floating-point T may round, an integer T must be exact.
/// Throws io_error for a type it does not convert (F8_*) and data_error for a value that T cannot hold.
template <class T>
[[nodiscard]] std::vector<T> convert_elements(std::string_view type, std::span<const std::byte> bytes, std::string_view where) {
    static_assert(std::is_arithmetic_v<T> && !std::is_same_v<T, bool>, "elements convert to integers and floating-point numbers");
    if (type == "F32") return detail::convert_elements<float, T>(bytes, where);
    if (type == "F64") return detail::convert_elements<double, T>(bytes, where);
    if (type == "F16") return detail::convert_elements<detail::half_bits, T>(bytes, where);
    if (type == "BF16") return detail::convert_elements<detail::bfloat16_bits, T>(bytes, where);
    if (type == "U8") return detail::convert_elements<std::uint8_t, T>(bytes, where);
    if (type == "I8") return detail::convert_elements<std::int8_t, T>(bytes, where);
    if (type == "U16") return detail::convert_elements<std::uint16_t, T>(bytes, where);
    if (type == "I16") return detail::convert_elements<std::int16_t, T>(bytes, where);
    if (type == "U32") return detail::convert_elements<std::uint32_t, T>(bytes, where);
    if (type == "I32") return detail::convert_elements<std::int32_t, T>(bytes, where);
    if (type == "U64") return detail::convert_elements<std::uint64_t, T>(bytes, where);
    if (type == "I64") return detail::convert_elements<std::int64_t, T>(bytes, where);
    if (type == "BOOL") return detail::convert_elements<detail::bool_byte, T>(bytes, where);
    throw io_error(text(where, ": elements of type '", type,
                        "' cannot be converted; expected BOOL, U8 to U64, I8 to I64, F16, BF16, F32 or F64"));
}

}  // namespace saddle
