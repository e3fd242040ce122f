#pragma once
#include "saddle/core/config.hpp"

#include <cmath>
#include <limits>
#include <string_view>

namespace saddle {

/// What a certificate holds for. GPUPoly's levels are 2 (exact arithmetic) and 4 (floats, any order, any rounding).
enum class soundness {
    exact_arithmetic,  ///< the network and its bounds in real arithmetic; rounding is not covered
    float_program,  ///< the program as it runs, its sums in any order, rounding to nearest; the rounding of the bounds is covered
    float_any_rounding  ///< the same in any rounding mode
};

[[nodiscard]] inline std::string_view name_of(soundness level) {
    return level == soundness::exact_arithmetic ? "exact arithmetic"
           : level == soundness::float_program  ? "float program, any order of sums, round to nearest"
                                                : "float program, any order of sums, any rounding";
}

/// Bounds the rounding of sums (Higham 2002, §3.1): unit roundoffs of the certified program and of the arithmetic of the bounds.
///
/// Both zero: exact arithmetic.
struct rounding_model {
    double program = 0, bounds = 0;

    template <class Program, class Bounds>
    [[nodiscard]] static rounding_model of(soundness level) {
        if (level == soundness::exact_arithmetic) return {};
        const double share = level == soundness::float_program ? .5 : 1;
        return {share * std::numeric_limits<Program>::epsilon(), share * std::numeric_limits<Bounds>::epsilon()};
    }
    /// gamma_n: the relative error of a sum of n products, in any order, is at most gamma_n of the sum of magnitudes.
    [[nodiscard]] SADDLE_HOST_DEVICE static double gamma(std::size_t n, double unit) {
        const double product = static_cast<double>(n) * unit;
        return product < .5 ? product / (1 - product) : std::numeric_limits<double>::infinity();
    }
    [[nodiscard]] SADDLE_HOST_DEVICE double program_sum(std::size_t n) const { return gamma(n, program); }
    [[nodiscard]] SADDLE_HOST_DEVICE double bounds_sum(std::size_t n) const { return gamma(n, bounds); }
    /// Far above what underflow can take from one bound, far below what anyone reads from it.
    [[nodiscard]] SADDLE_HOST_DEVICE double underflow() const { return bounds > 0 ? 1e-20 : 0; }
};

/// A value of T not below v, and one not above it; a few roundings of the double v itself are covered, too.
template <class T>
[[nodiscard]] SADDLE_HOST_DEVICE inline T round_up(double v) {
    const double padded = v + std::abs(v) * 0x1p-50;
    const T near = static_cast<T>(padded);
    return static_cast<double>(near) < padded
               ? near + std::abs(near) * std::numeric_limits<T>::epsilon() + std::numeric_limits<T>::min()
               : near;
}
template <class T>
[[nodiscard]] SADDLE_HOST_DEVICE inline T round_down(double v) {
    return -round_up<T>(-v);
}

}  // namespace saddle
