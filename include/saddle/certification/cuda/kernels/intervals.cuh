#pragma once
#include "saddle/certification/cuda/kernels/node_view.cuh"

/// Intervals of every value of a node for a batch of input boxes, an image a lane, in double: the formulas of node_bounds.hpp and
/// interval_kernel.hpp.
namespace saddle::cuda {

/// Output channels that one thread of bound_convolution sums, and threads a block has beside each other for them.
inline constexpr int interval_channels = 4, interval_threads = 4;

/// The ends of the input boxes [elements][lanes], widened.
template <class = void>
__global__ void widen_boxes(const float* lower, const float* upper, std::size_t count, double* lo, double* hi) {
    const std::size_t i = blockIdx.x * std::size_t{256} + threadIdx.x;
    if (i >= count) return;
    lo[i] = static_cast<double>(lower[i]);
    hi[i] = static_cast<double>(upper[i]);
}

/// The interval of a convolution from that of its input, and what rounding can change of each value. Blocks: lane tiles, pixels,
/// channel tiles; 64 × interval_threads threads.
template <class = void>
__global__ void __launch_bounds__(bound_lanes* interval_threads)
    bound_convolution(node_view node, node_view in, rounding_model rounding, int lanes) {
    const int lane_tiles = lanes / bound_lanes, place = static_cast<int>(blockIdx.x) / lane_tiles;
    const int lane = static_cast<int>(blockIdx.x) % lane_tiles * bound_lanes + static_cast<int>(threadIdx.x);
    const int pixel = place % node.pixels();
    const int first = (place / node.pixels() * interval_threads + static_cast<int>(threadIdx.y)) * interval_channels;
    if (first >= node.channels) return;
    const int top = pixel / node.width * node.stride - node.padding, left = pixel % node.width * node.stride - node.padding;
    double centre[interval_channels] = {}, radius[interval_channels] = {}, size[interval_channels] = {};
    constexpr double epsilon = std::numeric_limits<double>::epsilon();
    const std::size_t terms = static_cast<std::size_t>(in.channels) * node.taps();
    const double relative = 1.01 * (rounding.program_sum(terms + 1) + rounding.bounds_sum(terms + 1));
    const double inflation = node.error ? 0 : relative;  // where magnitudes are not asked for, larger radii cover the rounding
    for (int t = 0; t < node.taps(); ++t) {
        const int y = top + t / node.kernel_width, x = left + t % node.kernel_width;
        if (y < 0 || x < 0 || y >= in.height || x >= in.width) continue;
        const double* w = node.forward_weights + static_cast<std::size_t>(t) * in.channels * node.forward_columns + first;
        for (int c = 0; c < in.channels; ++c, w += node.forward_columns) {
            const std::size_t at = static_cast<std::size_t>((c * in.height + y) * in.width + x) * lanes + lane;
            const double lo = in.lo[at], hi = in.hi[at], middle = (lo + hi) * .5;
            const double largest = std::max(std::abs(lo), std::abs(hi));
            const double reach = std::max(hi - middle, middle - lo) * (1 + 4 * epsilon) + inflation * largest;
#pragma unroll
            for (int o = 0; o < interval_channels; ++o) {
                centre[o] = std::fma(w[o], middle, centre[o]);
                radius[o] = std::fma(std::abs(w[o]), reach, radius[o]);
                size[o] = std::fma(std::abs(w[o]), largest, size[o]);
            }
        }
    }
    const std::size_t live =
        std::min(terms, static_cast<std::size_t>(in.live ? in.live[lane] : in.size()));  // products with 0 are exact
    const double changes =
        1.01 * (rounding.program_sum(live + 1) +
                rounding.bounds_sum(static_cast<std::size_t>(node.channels) * node.overlap() + 1 + in.readers));
    for (int o = 0; o < interval_channels && first + o < node.channels; ++o) {
        const double bias = node.shift[first + o], middle = centre[o] + bias,
                     behind = (node.error ? size[o] : 0) + std::abs(bias);
        const double reach = radius[o] * (1 + relative) + relative * behind;
        const double slack = (relative > 0 ? 4 * epsilon : 0) * (std::abs(middle) + reach);
        const std::size_t at = (static_cast<std::size_t>(first + o) * node.pixels() + pixel) * lanes + lane;
        node.lo[at] = middle - reach - slack;
        node.hi[at] = middle + reach + slack;
        if (node.error) node.error[at] = changes * behind;
    }
}

/// What bound_value finds of one value.
struct value_bound {
    double lo, hi, error;
};

/// The interval of value j of a node that is no convolution, and what rounding can change of it; of a maximum its lines, too.
__device__ inline value_bound bound_value(const node_view& node, const node_view& in, const node_view& second,
                                          const rounding_model& rounding, std::size_t sums, int j, int lanes, int lane) {
    using enum operation_kind;
    const auto offset = [&](int value) { return static_cast<std::size_t>(value) * lanes + lane; };
    const std::size_t at = offset(j), extra = static_cast<std::size_t>(in.readers);
    const auto around = [](double a, double b, double error, double changes) {
        return value_bound{std::min(a, b) - error, std::max(a, b) + error, 1.01 * changes};
    };
    switch (node.kind) {
    case activation: {
        const auto [lo, hi] = activation_range(node.function, node.slope, in.lo[at], in.hi[at], rounding.program);
        return {lo, hi, 0};
    }
    case scale_shift: {
        const double s = node.scale[j / node.pixels()], t = node.shift[j / node.pixels()], size = magnitude_of(in, at);
        const double program = rounding.program_sum(2) * (std::abs(s) * size + std::abs(t));
        return around(s * in.lo[at] + t, s * in.hi[at] + t, program,
                      program + rounding.bounds_sum(1 + extra) * std::abs(s) * size);
    }
    case add: {
        const double size = magnitude_of(in, at) + magnitude_of(second, at), program = rounding.program * size;
        return around(in.lo[at] + second.lo[at], in.hi[at] + second.hi[at], program,
                      program + rounding.bounds_sum(extra + static_cast<std::size_t>(second.readers)) * size);
    }
    case average_pool: {
        double lo = 0, hi = 0, size = 0;
        for_pool_window(node, in, j, [&](int k) {
            lo += in.lo[offset(k)];
            hi += in.hi[offset(k)];
            size += magnitude_of(in, offset(k));
        });
        const double program = rounding.program_sum(static_cast<std::size_t>(node.taps()) + 1) * size * node.share;
        return around(lo * node.share, hi * node.share, program,
                      program + rounding.bounds_sum(1 + static_cast<std::size_t>(node.overlap()) + extra) * size * node.share);
    }
    case max_pool: {
        const auto [best, lo, hi, rest] = maximum_of_window(node, in, j, offset);
        if (node.best) {
            node.best[at] = lo >= rest ? ~best : best;
            node.highest[at] = hi;
        }
        const double size = std::max(std::abs(lo), std::abs(hi));
        return {lo, hi, 1.01 * rounding.bounds_sum(static_cast<std::size_t>(node.overlap()) + extra + sums) * size};
    }
    default:  // flatten keeps the order [channel][row][column]
        return {in.lo[at], in.hi[at], 1.01 * rounding.bounds_sum(1 + extra) * magnitude_of(in, at)};
    }
}

/// bound_value for every value, rounded outward. `sums`: most additions that a bound's constants enter. Blocks: lane tiles,
/// values as rows; 64 × interval_threads threads.
template <class = void>
__global__ void bound_values(node_view node, node_view in, node_view second, rounding_model rounding, std::size_t sums,
                             int lanes) {
    for_each_value(node, lanes, [&](int j, int lane, std::size_t at) {
        const auto found = bound_value(node, in, second, rounding, sums, j, lanes, lane);
        const bool copies = node.kind == operation_kind::flatten ||
                            (node.kind == operation_kind::activation && node.function == activation_function::relu);
        node.lo[at] = copies ? found.lo : round_down<double>(found.lo);
        node.hi[at] = copies ? found.hi : round_up<double>(found.hi);
        if (node.error) node.error[at] = found.error;
    });
}

}  // namespace saddle::cuda
