#pragma once
#include "saddle/core/images.hpp"
#include "saddle/core/random.hpp"

#include <string>

namespace saddle::testing {

/// How gradients are compared with central finite differences.
struct gradient_check_options {
    std::size_t directions = 3;   ///< random directions of unit length, per tensor
    std::size_t coordinates = 8;  ///< single coordinates, drawn at random, per tensor
    double step = 1e-5;           ///< of the finite differences
    std::uint64_t seed = 0;       ///< of all draws, dropout's included
};

/// One tensor's comparison: of the derivatives checked, the one furthest off.
struct gradient_comparison {
    std::string name;       ///< "input" or the parameter's name
    double difference = 0;  ///< largest |analytic - finite difference|
    double size = 0;        ///< largest |analytic| or |finite difference|
};

/// All comparisons of one model.
struct gradient_report {
    std::vector<gradient_comparison> tensors;

    /// A tensor's difference over its size, or over 1/1000 of the largest size in the report if that is more: a gradient that is 0
    /// by construction, as a bias before batch norm, is not judged by its rounding errors.
    [[nodiscard]] double relative(const gradient_comparison& c) const {
        double largest = 0;
        for (const auto& other : tensors) largest = std::max(largest, other.size);
        return c.difference == 0 ? 0 : c.difference / std::max(c.size, largest / 1000);
    }
    /// The largest relative error; NaN if any value is.
    [[nodiscard]] double error() const {
        double worst = 0;
        for (const auto& c : tensors)
            if (!(relative(c) <= worst)) worst = relative(c);
        return worst;
    }
    /// One line per tensor: name, relative error, size.
    [[nodiscard]] std::string describe() const {
        std::string lines;
        for (const auto& c : tensors)
            lines += text(c.name, ": relative error ", relative(c), ", largest derivative ", c.size, '\n');
        return lines;
    }
};

/// Compares `gradient` with central differences of `value()` while it moves `at`, the place where `value` reads; restores it.
template <class Value>
[[nodiscard]] gradient_comparison compare_gradient(std::string name, std::span<double> at, std::span<const double> gradient,
                                                   Value&& value, const gradient_check_options& options = {}) {
    gradient_comparison result{.name = std::move(name)};
    const std::vector<double> start(at.begin(), at.end());
    const auto compare = [&](const std::vector<double>& direction) {
        double analytic = 0;
        for (std::size_t i = 0; i < at.size(); ++i) analytic += gradient[i] * direction[i];
        double values[2];
        for (const int side : {0, 1}) {
            for (std::size_t i = 0; i < at.size(); ++i) at[i] = start[i] + (side ? -1 : 1) * options.step * direction[i];
            values[side] = value();
        }
        std::copy(start.begin(), start.end(), at.begin());
        const double numeric = (values[0] - values[1]) / (2 * options.step);
        if (!(std::abs(analytic - numeric) <= result.difference)) result.difference = std::abs(analytic - numeric);
        result.size = std::max({result.size, std::abs(analytic), std::abs(numeric)});
    };
    if (at.empty()) return result;
    const random_stream draws({.seed = options.seed, .purpose = purpose::sample});
    std::vector<double> direction(at.size());
    for (std::size_t d = 0; d < options.directions; ++d) {
        double length = 0;
        for (std::size_t i = 0; i < at.size(); ++i) {
            direction[i] = normal(draws, d + 1, i);
            length += direction[i] * direction[i];
        }
        for (auto& component : direction) component /= std::sqrt(length);
        compare(direction);
    }
    for (std::size_t k = 0; k < options.coordinates; ++k) {
        std::fill(direction.begin(), direction.end(), 0.);
        direction[draws.below(static_cast<std::uint32_t>(at.size()), 0, k)] = 1;
        compare(direction);
    }
    return result;
}

}  // namespace saddle::testing
