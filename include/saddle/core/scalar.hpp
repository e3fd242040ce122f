#pragma once
#include "saddle/core/config.hpp"

#include <cmath>
#include <concepts>

namespace saddle {

/// a·b + c rounded once: the scalar form of the kernels' multiply-add, so that one functor serves numbers and lanes.
template <std::floating_point T>
[[nodiscard]] SADDLE_HOST_DEVICE inline T multiply_add(T a, T b, T c) {
    return std::fma(a, b, c);
}

/// condition ? a : b, the scalar form of the choice per lane.
template <std::floating_point T>
[[nodiscard]] SADDLE_HOST_DEVICE inline T choose(bool condition, T a, T b) {
    return condition ? a : b;
}

}  // namespace saddle
