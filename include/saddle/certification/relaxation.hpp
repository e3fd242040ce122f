#pragma once
#include "saddle/certification/rounding.hpp"
#include "saddle/core/error.hpp"
#include "saddle/nn/plan.hpp"

#include <algorithm>

namespace saddle {

/// Which line bounds an unstable ReLU (l < 0 < u) from below.
enum class lower_slope {
    area,      ///< DeepPoly: the smaller triangle; 0 if u < -l, else 1 (ties 1, as ERAN)
    adaptive,  ///< auto_LiRPA: 1 if u / (u - l) > 1/2, else 0 (ties 0)
    zero,
    one,
    parallel  ///< that of the upper line: DeepZ's and Fast-Lin's relaxation
};

/// Two lines around an activation y = f(z) for z in an interval: lower_slope·z + lower <= y <= upper_slope·z + upper.
struct relaxation {
    double lower_slope = 0, lower = 0, upper_slope = 0, upper = 0;
};

namespace detail {

/// max(z, slope·z), 0 <= slope <= 1: exact where the sign is known; above, the chord; below, one of the two pieces (or, `parallel`).
template <class T>
[[nodiscard]] SADDLE_HOST_DEVICE inline relaxation relax_two_pieces(double l, double u, double slope, saddle::lower_slope rule) {
    if (l >= 0) return {1, 0, 1, 0};
    if (u <= 0) return {slope, 0, slope, 0};
    const double chord = static_cast<double>(round_up<T>((u - slope * l) / (u - l)));
    relaxation r{.lower_slope = slope, .upper_slope = chord};
    r.upper = std::max({slope * l - chord * l, u - chord * u, 0.});
    using enum saddle::lower_slope;
    if (rule == one || (rule == area && u >= -l) || (rule == adaptive && u > -l)) r.lower_slope = 1;
    if (rule == parallel) r.lower_slope = std::min(chord, 1.);
    return r;
}

/// An S-shaped f with f' largest at 0 (sigmoid, tanh): DeepPoly's lines (Singh et al. 2019, §4.4). `error` is the program's own in f.
template <class T, class F, class D>
[[nodiscard]] SADDLE_HOST_DEVICE inline relaxation relax_s_shape(double l, double u, F f, D derivative, double error) {
    const double at_l = f(l), at_u = f(u);
    const double chord = u > l ? (at_u - at_l) / (u - l) : derivative(l), gentle = std::min(derivative(l), derivative(u));
    const double low = std::max(0., static_cast<double>(round_down<T>(l > 0 ? chord : gentle)));
    const double high = std::max(0., static_cast<double>(round_down<T>(u < 0 ? chord : gentle)));
    return {low, at_l - low * l - error, high, at_u - high * u + error};
}

}  // namespace detail

/// The relaxation of an activation on [l, u]. Slopes are numbers of T; intercepts are rounded outward when they are stored.
///
/// `unit` is the program's unit roundoff: sigmoid and tanh are taken to be computed to within eight of them (absolute, values are at
/// most 1); a leaky ReLU's product rounds once. A function without a relaxation (bound_network refuses it) is bounded by nothing.
template <class T>
[[nodiscard]] SADDLE_HOST_DEVICE inline relaxation relax(activation_function function, double slope, double l, double u,
                                                         lower_slope rule, double unit) {
    switch (function) {
    case activation_function::relu:
        return detail::relax_two_pieces<T>(l, u, 0, rule);
    case activation_function::leaky_relu: {
        auto r = detail::relax_two_pieces<T>(l, u, slope, rule);
        const double error = l < 0 ? unit * slope * -l : 0;
        r.lower -= error;
        r.upper += error;
        return r;
    }
    case activation_function::sigmoid: {
        const auto f = [](double x) { return 1 / (1 + std::exp(-x)); };
        return detail::relax_s_shape<T>(
            l, u, f, [](double x) { return std::exp(-std::abs(x)) / std::pow(1 + std::exp(-std::abs(x)), 2); },
            8 * unit + (unit > 0) * 1e-14);
    }
    case activation_function::tanh:
        return detail::relax_s_shape<T>(
            l, u, [](double x) { return std::tanh(x); },
            [](double x) { return 4 * std::exp(-2 * std::abs(x)) / std::pow(1 + std::exp(-2 * std::abs(x)), 2); },
            8 * unit + (unit > 0) * 1e-14);
    default:
        return {0, -std::numeric_limits<double>::infinity(), 0, std::numeric_limits<double>::infinity()};
    }
}

/// The interval of an activation whose argument lies in [l, u]: monotone functions, the program's rounding included.
[[nodiscard]] SADDLE_HOST_DEVICE inline std::pair<double, double> activation_range(activation_function function, double slope,
                                                                                   double l, double u, double unit) {
    switch (function) {
    case activation_function::relu:
        return {std::max(l, 0.), std::max(u, 0.)};
    case activation_function::leaky_relu:
        return {l > 0 ? l : slope * l * (1 + unit), u > 0 ? u : slope * u * (1 - unit)};
    case activation_function::sigmoid: {
        const auto f = [](double x) { return 1 / (1 + std::exp(-x)); };
        return {f(l) - 8 * unit, f(u) + 8 * unit};
    }
    case activation_function::tanh:
        return {std::tanh(l) - 8 * unit, std::tanh(u) + 8 * unit};
    default:
        return {-std::numeric_limits<double>::infinity(), std::numeric_limits<double>::infinity()};
    }
}

}  // namespace saddle
