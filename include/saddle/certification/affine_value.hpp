#pragma once
#include "saddle/certification/parallel_band.hpp"

namespace saddle::detail {

/// One value of a zonotope beside its generators: its constant part, and no less than the sum of its |coefficients|.
template <class T>
struct affine_value {
    T lo = 0, hi = 0;
    double radius = 0;

    [[nodiscard]] SADDLE_HOST_DEVICE double centre() const { return (static_cast<double>(lo) + static_cast<double>(hi)) / 2; }
    [[nodiscard]] SADDLE_HOST_DEVICE double remainder() const { return (static_cast<double>(hi) - static_cast<double>(lo)) / 2; }
    /// No value of the form is larger.
    [[nodiscard]] SADDLE_HOST_DEVICE double size() const {
        return std::max(std::abs(static_cast<double>(lo)), std::abs(static_cast<double>(hi))) + radius;
    }
};

/// An interval stored in T: outward, but as it is where arithmetic is exact.
template <class T>
[[nodiscard]] SADDLE_HOST_DEVICE inline std::pair<T, T> outward(double lo, double hi, const rounding_model& rounding) {
    if (rounding.bounds == 0) return {static_cast<T>(lo), static_cast<T>(hi)};
    return {round_down<T>(lo), round_up<T>(hi)};
}
/// The constant part centre ± remainder.
template <class T>
[[nodiscard]] SADDLE_HOST_DEVICE inline affine_value<T> constant_part(double centre, double remainder,
                                                                      const rounding_model& rounding) {
    const auto [lo, hi] = outward<T>(centre - remainder, centre + remainder, rounding);
    return {lo, hi, 0};
}
/// A few roundings of a double.
[[nodiscard]] SADDLE_HOST_DEVICE inline double slack_of(const rounding_model& rounding) {
    return rounding.bounds > 0 ? 0x1p-50 : 0;
}

/// The interval of a value, before it is stored.
template <class T>
[[nodiscard]] SADDLE_HOST_DEVICE inline std::pair<double, double> interval_of(const affine_value<T>& x,
                                                                              const rounding_model& rounding) {
    return {static_cast<double>(x.lo) - x.radius - rounding.underflow(),
            static_cast<double>(x.hi) + x.radius + rounding.underflow()};
}

/// A value that may be any number of [lo, hi]; its generator's coefficient is its radius, a number of T.
template <class T>
[[nodiscard]] SADDLE_HOST_DEVICE inline affine_value<T> free_value(double lo, double hi) {
    const T middle = static_cast<T>((lo + hi) / 2);
    const double centre = static_cast<double>(middle);
    return {middle, middle, lo < hi ? static_cast<double>(round_up<T>(std::max(hi - centre, centre - lo))) : 0};
}

/// A maximum that no input dominates: its interval, with a generator of its own, whose coefficient is the radius.
template <class T>
[[nodiscard]] SADDLE_HOST_DEVICE inline affine_value<T> maximum_of(double lowest, double highest,
                                                                   const rounding_model& rounding) {
    auto value = constant_part<T>((lowest + highest) / 2, 0, rounding);
    value.radius = static_cast<double>(round_up<T>((highest - lowest) / 2));
    return value;
}

/// scale·x + shift, whose coefficients are scaled in the arithmetic of the bounds.
template <class T>
[[nodiscard]] SADDLE_HOST_DEVICE inline affine_value<T> scaled(const affine_value<T>& x, double scale, double shift,
                                                               const rounding_model& rounding) {
    const double size = std::abs(scale), c = scale * x.centre(), radius = size * x.radius;
    const double error = 1.01 * (rounding.program_sum(2) * (size * x.size() + std::abs(shift)) + rounding.bounds_sum(1) * radius);
    auto value = constant_part<T>(c + shift, size * x.remainder() + error + slack_of(rounding) * (std::abs(c) + std::abs(shift)),
                                  rounding);
    value.radius = radius * (1 + rounding.bounds_sum(2));
    return value;
}

/// The constant part of a sum of two; its radius comes from its coefficients.
template <class T>
[[nodiscard]] SADDLE_HOST_DEVICE inline affine_value<T> added(const affine_value<T>& x, const affine_value<T>& y,
                                                              const rounding_model& rounding) {
    const double a = x.centre(), b = y.centre();
    const double error = 1.01 * (rounding.program * (x.size() + y.size()) + rounding.bounds_sum(1) * (x.radius + y.radius));
    return constant_part<T>(a + b, x.remainder() + y.remainder() + error + slack_of(rounding) * (std::abs(a) + std::abs(b)),
                            rounding);
}

/// The constant part of an average; its radius comes from its coefficients.
struct affine_average {
    double centre = 0, size = 0, radius = 0, rest = 0;

    template <class T>
    SADDLE_HOST_DEVICE void add(const affine_value<T>& x) {
        centre += x.centre(), size += x.size(), radius += x.radius, rest += x.remainder();
    }
    /// `share` of each input; `window`: how many inputs a full window has.
    template <class T>
    [[nodiscard]] SADDLE_HOST_DEVICE affine_value<T> result(double share, std::size_t window,
                                                            const rounding_model& rounding) const {
        const double slack = rounding.bounds > 0 ? 0x1p-40 : 0;  // of sums of up to a thousand doubles
        const double error =
            1.01 * (rounding.program_sum(window + 1) * size + rounding.bounds_sum(window + 1) * radius) + slack * size;
        return constant_part<T>(share * centre, share * (rest + error), rounding);
    }
};

/// A value behind an activation: its coefficients are scaled by `slope`, and `fresh` > 0 is that of its own generator.
template <class T>
struct bent_value {
    affine_value<T> value;
    T slope = 0, fresh = 0;
};

/// An activation of a value in [l, u]. A fresh generator also takes over what rounding had gathered in the value.
template <class T>
[[nodiscard]] SADDLE_HOST_DEVICE inline bent_value<T> bent(activation_function function, double slope, double l, double u,
                                                           const affine_value<T>& x, const rounding_model& rounding) {
    const bool smooth = function == activation_function::sigmoid || function == activation_function::tanh;
    const bool bends = smooth ? l < u : l < 0 && u > 0;
    const double slack = slack_of(rounding);
    const auto band = relax_in_parallel<T>(function, slope, l, u, rounding.program);
    const bool multiplied = band.slope != 0 && band.slope != 1;
    const double middle = (band.low + band.high) / 2, half = (band.high - band.low) / 2 + slack * (std::abs(l) + std::abs(u));
    const double c = band.slope * x.centre(), rounded = slack * (std::abs(c) + std::abs(middle));
    const double rest = band.slope * x.remainder() + (band.low == band.high ? 0 : half) +
                        (multiplied ? 1.01 * rounding.bounds_sum(1) * band.slope * x.radius : 0);
    bent_value<T> y{constant_part<T>(c + middle, (bends ? 0 : rest) + rounded, rounding), static_cast<T>(band.slope)};
    if (bends) y.fresh = round_up<T>(rest);
    y.value.radius = (band.slope * x.radius * (1 + rounding.bounds_sum(2)) + static_cast<double>(y.fresh)) * (1 + slack);
    return y;
}

/// The constant part with `relative` of the coefficients' sum: it covers that share of |W|·Σ|coefficient| in the sums that follow.
template <class T>
[[nodiscard]] SADDLE_HOST_DEVICE inline std::pair<T, T> widened(const affine_value<T>& x, double relative) {
    if (relative == 0) return {x.lo, x.hi};
    return {round_down<T>(static_cast<double>(x.lo) - relative * x.radius),
            round_up<T>(static_cast<double>(x.hi) + relative * x.radius)};
}

}  // namespace saddle::detail
