#pragma once
#include "saddle/core/error.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

namespace saddle {

/// Lower and upper end of a confidence interval.
struct interval {
    double lower = 0, upper = 1;
    friend bool operator==(const interval&, const interval&) = default;
};

/// Regularised incomplete beta function I_x(a,b): the distribution function of Beta(a,b) at x in [0,1].
/// Continued fraction 8.17.22 of the NIST handbook by Lentz's method. Throws invalid_argument unless a, b > 0 and x in [0,1].
[[nodiscard]] inline double incomplete_beta(double a, double b, double x) {
    require(a > 0 && b > 0, "incomplete_beta", "shape parameters", "a > 0 and b > 0", text("a=", a, ", b=", b));
    require(x >= 0 && x <= 1, "incomplete_beta", "argument", "a number in [0,1]", x);
    if (x == 0 || x == 1) return x;
    if (x > (a + 1) / (a + b + 2)) return 1 - incomplete_beta(b, a, 1 - x);  // the fraction converges fast on the other side
    const double front =
        std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) + a * std::log(x) + b * std::log1p(-x)) / a;
    constexpr double tiny = 1e-300;
    const auto away_from_zero = [](double v) { return std::abs(v) < tiny ? tiny : v; };
    double c = 1, d = 1 / away_from_zero(1 - (a + b) * x / (a + 1)), fraction = d;
    for (int m = 1; m <= 100000; ++m) {
        const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        d = 1 / away_from_zero(1 + even * d);
        c = away_from_zero(1 + even / c);
        fraction *= d * c;
        const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        d = 1 / away_from_zero(1 + odd * d);
        c = away_from_zero(1 + odd / c);
        fraction *= d * c;
        if (std::abs(d * c - 1) < 1e-15) break;
    }
    return front * fraction;
}

namespace detail {

/// The x in [low, high] at which an increasing function reaches `value`, by bisection to the last bit but a few.
template <class Function>
[[nodiscard]] double invert_increasing(Function&& f, double value, double low, double high) {
    for (int i = 0; i < 200 && low < high; ++i) {
        const double middle = .5 * (low + high);
        if (middle == low || middle == high) break;
        (f(middle) < value ? low : high) = middle;
    }
    return .5 * (low + high);
}

inline void require_proportion(std::size_t successes, std::size_t trials, double confidence, std::string_view where) {
    require(successes <= trials, where, "number of successes", text("at most ", trials, " trials"), successes);
    require(confidence > 0 && confidence < 1, where, "confidence", "a number in (0,1)", confidence);
}

}  // namespace detail

/// The x with standard normal distribution function Phi(x) = p. Throws invalid_argument unless p in (0,1).
[[nodiscard]] inline double normal_quantile(double p) {
    require(p > 0 && p < 1, "normal_quantile", "probability", "a number in (0,1)", p);
    return detail::invert_increasing([](double x) { return .5 * std::erfc(-x / std::sqrt(2.)); }, p, -39., 39.);
}

/// Exact two-sided confidence interval of a proportion (Clopper and Pearson 1934): covers the truth at least `confidence` of the
/// time, for any sample size. No trials give [0,1]. Throws invalid_argument when successes > trials or confidence is not in
/// (0,1).
[[nodiscard]] inline interval clopper_pearson(std::size_t successes, std::size_t trials, double confidence = .95) {
    detail::require_proportion(successes, trials, confidence, "clopper_pearson");
    const double k = static_cast<double>(successes), n = static_cast<double>(trials), tail = .5 * (1 - confidence);
    interval result;
    if (successes > 0)
        result.lower = detail::invert_increasing([&](double x) { return incomplete_beta(k, n - k + 1, x); }, tail, 0., 1.);
    if (successes < trials)
        result.upper = detail::invert_increasing([&](double x) { return incomplete_beta(k + 1, n - k, x); }, 1 - tail, 0., 1.);
    return result;
}

/// Score interval of a proportion (Wilson 1927): shorter than Clopper-Pearson, covers `confidence` on average. No trials give
/// [0,1]. Throws invalid_argument when successes > trials or confidence is not in (0,1).
[[nodiscard]] inline interval wilson(std::size_t successes, std::size_t trials, double confidence = .95) {
    detail::require_proportion(successes, trials, confidence, "wilson");
    if (trials == 0) return {};
    const double n = static_cast<double>(trials), p = static_cast<double>(successes) / n;
    const double z = normal_quantile(.5 * (1 + confidence)), scale = 1 / (1 + z * z / n);
    const double centre = scale * (p + z * z / (2 * n)), half = scale * z * std::sqrt(p * (1 - p) / n + z * z / (4 * n * n));
    return {successes == 0 ? 0. : std::max(0., centre - half), successes == trials ? 1. : std::min(1., centre + half)};
}

/// Two-sided p-value of McNemar's exact test: `only_first` and `only_second` count the examples that exactly one of two models
/// gets right; under the null hypothesis each falls on either side with probability 1/2. 1 when the models never differ.
[[nodiscard]] inline double mcnemar_exact(std::size_t only_first, std::size_t only_second) {
    const double fewer = static_cast<double>(std::min(only_first, only_second)),
                 n = static_cast<double>(only_first + only_second);
    if (only_first == only_second) return 1;
    return std::min(1., 2 * incomplete_beta(n - fewer, fewer + 1, .5));
}

/// Mean and median of a sample; NaN when it is empty.
struct sample_summary {
    double mean = std::numeric_limits<double>::quiet_NaN(), median = std::numeric_limits<double>::quiet_NaN();
};

/// Summarises `values`, summed in the order given; the median of an even number is the mean of the middle two.
[[nodiscard]] inline sample_summary summarize(std::span<const double> values) {
    if (values.empty()) return {};
    double sum = 0;
    for (const double v : values) sum += v;
    std::vector<double> sorted(values.begin(), values.end());
    std::sort(sorted.begin(), sorted.end());
    const std::size_t half = sorted.size() / 2;
    const double median = sorted.size() % 2 ? sorted[half] : .5 * (sorted[half - 1] + sorted[half]);
    return {sum / static_cast<double>(values.size()), median};
}

}  // namespace saddle
