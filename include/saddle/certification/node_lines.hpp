#pragma once
#include "saddle/certification/interval_kernel.hpp"
#include "saddle/certification/relaxation.hpp"
#include "saddle/certification/row_kernel.hpp"

namespace saddle {

/// What a lower bound gains from one value of a node with coefficient a: a·constant[a < 0], and a·slope[a < 0] for the value below.
///
/// Biases, intercepts and every rounding that the value stands for are inside the constants, so soundness costs no time.
template <class T>
struct neuron_lines {
    T slope[2]{}, constant[2]{};
};

/// Lanes of coefficients are summed in T over this many values, then in double.
inline constexpr std::size_t sum_chunk = 32;

namespace detail {

/// offset ± error of a value beside its linear part, for a node whose constants its reader adds.
struct value_constant {
    double offset = 0, error = 0;
};

/// Relative errors of a line's parts in the arithmetic of the bounds.
struct line_rounding {
    double coefficient = 0;  ///< of a coefficient on its way in: its product, and its sum with those of other readers
    double sum = 0;          ///< of the sums that constants enter

    /// `chunks`: the relative error of adding chunks up in double.
    SADDLE_HOST_DEVICE line_rounding(const rounding_model& rounding, std::size_t additions, double chunks = 0)
        : coefficient(rounding.bounds_sum(additions)), sum(rounding.bounds_sum(sum_chunk + 8) + chunks) {}
};

/// Lines of a value that passes through `r`: y = f(z), z = linear part + offset ± error, |z| <= largest.
template <class T>
[[nodiscard]] SADDLE_HOST_DEVICE inline neuron_lines<T> make_lines(const relaxation& r, value_constant before, double largest,
                                                                   const line_rounding& rounding) {
    const auto constant = [&](double slope, double intercept, double sign) {
        const double size = std::abs(slope) * std::abs(before.offset) + std::abs(intercept);
        const double error = std::abs(slope) * (before.error + rounding.coefficient * largest) + rounding.sum * size;
        const double value = slope * before.offset + intercept;
        return sign > 0 ? round_down<T>(value - 1.01 * error) : round_up<T>(value + 1.01 * error);
    };
    if (r.lower_slope == 0 && r.upper_slope == 0 && r.lower == 0 && r.upper == 0) return {};
    return {{static_cast<T>(r.lower_slope), static_cast<T>(r.upper_slope)},
            {constant(r.lower_slope, r.lower, 1), constant(r.upper_slope, r.upper, -1)}};
}

}  // namespace detail

}  // namespace saddle
