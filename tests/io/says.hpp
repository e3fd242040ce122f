#pragma once
#include "support/catch.hpp"

#include <string>

/// Matches a text that contains `part`, under Catch2 2 and 3.
[[nodiscard]] inline auto says(const std::string& part) {
#if __has_include(<catch2/catch_all.hpp>)
    return Catch::Matchers::ContainsSubstring(part);
#else
    return Catch::Contains(part);
#endif
}
