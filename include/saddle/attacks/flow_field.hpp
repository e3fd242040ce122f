#pragma once
#include "saddle/core/shape.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <vector>

namespace saddle {

/// Value and slope of the smoothness of a flow [2][H][W] (rows down, then columns to the right): sum over pixels and their four
/// neighbours of sqrt(‖flow_i - flow_q‖² + 1e-12). Adds weight · slope to `slope`.
[[nodiscard]] inline double flow_roughness(std::span<const double> flow, extents image, double weight, std::span<double> slope) {
    const std::size_t pixels = image.pixels();
    double sum = 0;
    const auto between = [&](std::size_t a, std::size_t b) {
        const double down = flow[a] - flow[b], right = flow[pixels + a] - flow[pixels + b];
        const double length = std::sqrt(down * down + right * right + 1e-12);
        sum += 2 * length;  // each pair from both its pixels
        slope[a] += 2 * weight * down / length, slope[b] -= 2 * weight * down / length;
        slope[pixels + a] += 2 * weight * right / length, slope[pixels + b] -= 2 * weight * right / length;
    };
    for (std::size_t r = 0; r < image.height; ++r)
        for (std::size_t c = 0; c < image.width; ++c) {
            const std::size_t p = r * image.width + c;
            if (r + 1 < image.height) between(p, p + image.width);
            if (c + 1 < image.width) between(p, p + 1);
        }
    return sum;
}

/// Where one pixel is fetched from: two rows, two columns and how far between them; `moves` is 0 where the place is held at an edge.
struct flow_place {
    std::array<std::size_t, 2> row, column;
    double down, right;
    double moves_down, moves_right;
};
[[nodiscard]] inline flow_place flow_place_of(std::span<const double> flow, extents image, std::size_t r, std::size_t c) {
    const std::size_t p = r * image.width + c;
    const double wanted_r = static_cast<double>(r) + flow[p], wanted_c = static_cast<double>(c) + flow[image.pixels() + p];
    const double last_r = static_cast<double>(image.height) - 1, last_c = static_cast<double>(image.width) - 1;
    const double at_r = std::clamp(wanted_r, 0., last_r), at_c = std::clamp(wanted_c, 0., last_c);
    const auto top = static_cast<std::size_t>(std::min(std::floor(at_r), std::max(last_r - 1, 0.)));
    const auto left = static_cast<std::size_t>(std::min(std::floor(at_c), std::max(last_c - 1, 0.)));
    return {{top, std::min(top + 1, image.height - 1)},
            {left, std::min(left + 1, image.width - 1)},
            at_r - static_cast<double>(top),
            at_c - static_cast<double>(left),
            wanted_r >= 0 && wanted_r <= last_r ? 1. : 0.,
            wanted_c >= 0 && wanted_c <= last_c ? 1. : 0.};
}

/// One lane of x [C,H,W][lane] moved by the flow, into the same lane of z.
template <class T>
void apply_flow(const T* x, T* z, std::size_t lane, std::size_t lanes, std::span<const double> flow, extents image) {
    for (std::size_t r = 0; r < image.height; ++r)
        for (std::size_t c = 0; c < image.width; ++c) {
            const auto at = flow_place_of(flow, image, r, c);
            for (std::size_t channel = 0; channel < image.channels; ++channel) {
                const auto value = [&](std::size_t i, std::size_t j) {
                    const std::size_t e = channel * image.pixels() + at.row[i] * image.width + at.column[j];
                    return static_cast<double>(x[e * lanes + lane]);
                };
                const double v = (1 - at.down) * ((1 - at.right) * value(0, 0) + at.right * value(0, 1)) +
                                 at.down * ((1 - at.right) * value(1, 0) + at.right * value(1, 1));
                const std::size_t e = channel * image.pixels() + r * image.width + c;
                z[e * lanes + lane] = std::clamp(static_cast<T>(v), T(0), T(1));
            }
        }
}

/// Adds to `slope` [2][H][W] the derivative in the flow of sum_e gradient_e z_e for one lane.
template <class T>
void flow_slope(const T* x, const T* gradient, std::size_t lane, std::size_t lanes, std::span<const double> flow, extents image,
                std::span<double> slope) {
    for (std::size_t r = 0; r < image.height; ++r)
        for (std::size_t c = 0; c < image.width; ++c) {
            const auto at = flow_place_of(flow, image, r, c);
            const std::size_t p = r * image.width + c;
            for (std::size_t channel = 0; channel < image.channels; ++channel) {
                const auto value = [&](std::size_t i, std::size_t j) {
                    const std::size_t e = channel * image.pixels() + at.row[i] * image.width + at.column[j];
                    return static_cast<double>(x[e * lanes + lane]);
                };
                const double g = static_cast<double>(gradient[(channel * image.pixels() + p) * lanes + lane]);
                slope[p] +=
                    g * at.moves_down * ((1 - at.right) * (value(1, 0) - value(0, 0)) + at.right * (value(1, 1) - value(0, 1)));
                slope[image.pixels() + p] +=
                    g * at.moves_right * ((1 - at.down) * (value(0, 1) - value(0, 0)) + at.down * (value(1, 1) - value(1, 0)));
            }
        }
}

}  // namespace saddle
