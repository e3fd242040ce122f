#pragma once
#include "saddle/core/config.hpp"

#include <concepts>
#include <cstdio>
#include <initializer_list>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>

namespace saddle {

/// Base of everything the library throws. The text says what went wrong, where, what was expected and what was found.
class error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// A parameter outside its documented range (epsilon < 0, steps 0, an unknown name).
class invalid_argument : public error {
public:
    using error::error;
};

/// Data that cannot be used: NaN pixels, values outside [0,1], labels out of range, an empty set.
class data_error : public error {
public:
    using error::error;
};

/// A shape that does not fit: wrong extents, wrong number of images or labels.
class shape_error : public error {
public:
    using error::error;
};

/// A file that is missing, truncated, oversized, malformed or cannot be written.
class io_error : public error {
public:
    using error::error;
};

/// A computation that produced NaN or infinity where a finite number is required.
class numeric_error : public error {
public:
    using error::error;
};

/// The user asked for the work to stop (Ctrl-C); what was finished has been saved where the caller asked for it.
class interrupted : public error {
public:
    using error::error;
};

namespace detail {

/// A text or number to be put into a message. One type for all, so that messages do not multiply instantiations.
class text_part {
public:
    text_part(std::string_view value) : kind_(kind::characters), characters_(value) {}
    text_part(const char* value) : text_part(std::string_view(value)) {}
    text_part(const std::string& value) : text_part(std::string_view(value)) {}
    text_part(char value) : kind_(kind::character), character_(value) {}
    template <std::signed_integral I>
    text_part(I value) : kind_(kind::signed_number), signed_(value) {}
    template <std::unsigned_integral I>
    text_part(I value) : kind_(kind::unsigned_number), unsigned_(value) {}
    template <std::floating_point F>
    text_part(F value) : kind_(kind::real), real_(static_cast<double>(value)) {}

    void append_to(std::string& out) const {
        char digits[32];
        switch (kind_) {
        case kind::characters:
            out += characters_;
            return;
        case kind::character:
            out += character_;
            return;
        case kind::signed_number:
            out += std::to_string(signed_);
            return;
        case kind::unsigned_number:
            out += std::to_string(unsigned_);
            return;
        case kind::real:
            out.append(digits, static_cast<std::size_t>(std::snprintf(digits, sizeof digits, "%.9g", real_)));
            return;
        }
    }

private:
    enum class kind : unsigned char { characters, character, signed_number, unsigned_number, real };
    kind kind_;
    union {
        std::string_view characters_;
        char character_;
        long long signed_;
        unsigned long long unsigned_;
        double real_;
    };
};

/// What a part is made from: itself, or what a stream prints of it.
template <class Part>
[[nodiscard]] decltype(auto) printed(const Part& part) {
    if constexpr (std::is_constructible_v<text_part, const Part&>) {
        return (part);
    } else {
        std::ostringstream out;
        out << part;
        return out.str();
    }
}

[[nodiscard, gnu::cold, gnu::noinline]] inline std::string join(std::initializer_list<text_part> parts) {
    std::string out;
    for (const auto& part : parts) part.append_to(out);
    return out;
}

template <class Error>
[[noreturn, gnu::cold, gnu::noinline]] void throw_requirement(std::string_view where, std::string_view what, text_part expected,
                                                              text_part found) {
    throw Error(join({where, ": ", what, "; expected ", expected, ", found ", found}));
}

}  // namespace detail

/// Concatenates its arguments as a stream would print them, numbers with 9 digits: the text of an error.
template <class... Parts>
[[nodiscard]] std::string text(const Parts&... parts) {
    return detail::join({detail::text_part(detail::printed(parts))...});
}

/// Throws `Error` with "where: what; expected E, found F" when `condition` is false.
template <class Error = invalid_argument, class Expected, class Found>
void require(bool condition, std::string_view where, std::string_view what, const Expected& expected, const Found& found) {
    if (!condition) detail::throw_requirement<Error>(where, what, detail::printed(expected), detail::printed(found));
}

}  // namespace saddle
