#pragma once
#include "saddle/certification/relaxation.hpp"

namespace saddle {

/// DeepZ's relaxation of an activation y = f(z) on an interval: slope·z + low <= y <= slope·z + high.
struct parallel_band {
    double slope = 0, low = 0, high = 0;
};

namespace detail {

/// An S-shaped f with f' largest at 0: the gentler end's slope, so that f(z) - slope·z rises on all of [l, u].
template <class T, class F, class D>
[[nodiscard]] SADDLE_HOST_DEVICE inline parallel_band band_of_s_shape(double l, double u, F f, D derivative, double error) {
    const double slope = std::max(0., static_cast<double>(round_down<T>(std::min(derivative(l), derivative(u)))));
    return {slope, f(l) - slope * l - error, f(u) - slope * u + error};
}

}  // namespace detail

/// The band of an activation on [l, u] (Singh et al. 2018, theorems 3.1 to 3.3: least area for ReLU). The slope is a number of T.
///
/// A leaky ReLU's slope is that of its chord. `unit` is the program's unit roundoff, as for `relax`. bound_network refuses
/// functions without a relaxation.
template <class T>
[[nodiscard]] SADDLE_HOST_DEVICE inline parallel_band relax_in_parallel(activation_function function, double slope, double l,
                                                                        double u, double unit) {
    switch (function) {
    case activation_function::relu:
    case activation_function::leaky_relu: {
        const auto r = relax<T>(function, slope, l, u, lower_slope::parallel, unit);
        const double steeper = r.upper_slope - r.lower_slope;  // not 0 only where rounding took the chord past 1
        return {r.lower_slope, r.lower, r.upper + std::max(steeper * l, steeper * u)};
    }
    case activation_function::sigmoid: {
        const auto derivative = [](double x) {
            const double e = std::exp(-std::abs(x));
            return e / ((1 + e) * (1 + e));
        };
        return detail::band_of_s_shape<T>(
            l, u, [](double x) { return 1 / (1 + std::exp(-x)); }, derivative, 8 * unit + (unit > 0) * 1e-14);
    }
    case activation_function::tanh: {
        const auto derivative = [](double x) {
            const double e = std::exp(-2 * std::abs(x));
            return 4 * e / ((1 + e) * (1 + e));
        };
        return detail::band_of_s_shape<T>(
            l, u, [](double x) { return std::tanh(x); }, derivative, 8 * unit + (unit > 0) * 1e-14);
    }
    default:
        return {0, -std::numeric_limits<double>::infinity(), std::numeric_limits<double>::infinity()};
    }
}

}  // namespace saddle
