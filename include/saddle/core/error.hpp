#pragma once
#include "saddle/core/config.hpp"

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

/// Concatenates its arguments as a stream would print them: the text of an error.
template <class... Parts>
[[nodiscard]] std::string text(const Parts&... parts) {
    std::ostringstream out;
    out.precision(9);
    (out << ... << parts);
    return out.str();
}

/// Throws `Error` with "where: what; expected E, found F" when `condition` is false.
template <class Error = invalid_argument, class Expected, class Found>
void require(bool condition, std::string_view where, std::string_view what, const Expected& expected, const Found& found) {
    if (!condition) throw Error(text(where, ": ", what, "; expected ", expected, ", found ", found));
}

}  // namespace saddle
