#pragma once
#include "saddle/backend/cuda/ptx.cuh"
#include "saddle/certification/relaxation.hpp"

#include <cstddef>
#include <cuda_runtime.h>

namespace saddle::cuda {

/// Lanes of a block of the certification kernels: images of a batch, or rows of a tile.
inline constexpr int bound_lanes = 64;

/// One line of an activation, or of a node whose constants a bound meets: slope · value + constant.
struct alignas(16) bound_line {
    double slope = 0, constant = 0;
};

/// One node of a network under certification, as kernels see it. Values stand [channel][row][column], per image [value][image].
struct node_view {
    operation_kind kind{};
    activation_function function{};
    bool constants_in_reader = false;
    int channels = 0, height = 0, width = 0;  ///< of its output
    int kernel_height = 1, kernel_width = 1, stride = 1, padding = 0;
    int readers = 0;  ///< nodes whose coefficients meet in it; 0 where there is one only
    double slope = 0, share = 0;
    const double* forward_weights = nullptr;  ///< [tap][input channel][output channel], forward_columns a row
    /// [tap group][output channel][column]: the inputs of a stride's square of positions, which the same outputs read;
    /// stride-many taps along each side are a group. Zeros where the kernel ends.
    const double* backward_weights = nullptr;
    int forward_columns = 0, columns = 0, padded_columns = 0;
    const double *scale = nullptr, *shift = nullptr;        ///< per channel; null: none
    double *lo = nullptr, *hi = nullptr, *error = nullptr;  ///< [value][image]
    bound_line *lower = nullptr, *upper = nullptr;          ///< [value][image]: lines for coefficients >= 0 and < 0
    int* best = nullptr;        ///< of a maximum: the input that dominates (as ~input if it beats all others) [value][image]
    double* highest = nullptr;  ///< of a maximum: its largest upper bound
    int* live = nullptr;        ///< of an activation: values that are not always zero [image]

    [[nodiscard]] SADDLE_HOST_DEVICE int pixels() const { return height * width; }
    [[nodiscard]] SADDLE_HOST_DEVICE int size() const { return channels * height * width; }
    [[nodiscard]] SADDLE_HOST_DEVICE int taps() const { return kernel_height * kernel_width; }
    /// Groups of taps along each side, as backward_weights has them.
    [[nodiscard]] SADDLE_HOST_DEVICE int tap_rows() const { return (kernel_height + stride - 1) / stride; }
    [[nodiscard]] SADDLE_HOST_DEVICE int tap_columns() const { return (kernel_width + stride - 1) / stride; }
    /// Products in one input coefficient's sum on the way back, over all channels or, of a pool, one.
    [[nodiscard]] SADDLE_HOST_DEVICE int overlap() const { return tap_rows() * tap_columns(); }
};

/// Largest magnitude of a value at an offset.
[[nodiscard]] __device__ inline double magnitude_of(const node_view& node, std::size_t at) {
    return std::max(std::abs(node.lo[at]), std::abs(node.hi[at]));
}

/// Keeps the tighter of the present interval of a value and a new one.
__device__ inline void tighten(const node_view& node, std::size_t at, double lower, double upper) {
    double lo = node.lo[at], hi = node.hi[at];
    if (lower > lo) lo = std::min(round_down<double>(lower), hi);
    if (upper < hi) hi = std::max(round_up<double>(upper), lo);
    node.lo[at] = lo;
    node.hi[at] = hi;
}

/// Calls f(input value) for the window of pooled value j of `node`, whose input is `in`.
template <class F>
__device__ inline void for_pool_window(const node_view& node, const node_view& in, int j, F&& f) {
    const int c = j / node.pixels(), p = j % node.pixels();
    const int top = p / node.width * node.stride - node.padding, left = p % node.width * node.stride - node.padding;
    for (int y = std::max(top, 0); y < std::min(in.height, top + node.kernel_height); ++y)
        for (int x = std::max(left, 0); x < std::min(in.width, left + node.kernel_width); ++x)
            f((c * in.height + y) * in.width + x);
}

/// What decides a maximum over the window of pooled value j: the first input with the largest lower bound, that bound, the largest upper
/// bound, and that of the other inputs. `place(value)` is where an input's ends stand.
struct window_maximum {
    int best = -1;
    double lowest = -std::numeric_limits<double>::infinity(), highest = lowest, rest = lowest;
};
template <class Place>
[[nodiscard]] __device__ inline window_maximum maximum_of_window(const node_view& node, const node_view& in, int j,
                                                                 const Place& place) {
    window_maximum m;
    for_pool_window(node, in, j, [&](int k) {
        if (m.best < 0 || in.lo[place(k)] > m.lowest) m.best = k, m.lowest = in.lo[place(k)];
        m.highest = std::max(m.highest, in.hi[place(k)]);
    });
    for_pool_window(node, in, j, [&](int k) {
        if (k != m.best) m.rest = std::max(m.rest, in.hi[place(k)]);
    });
    return m;
}

/// Calls f(value, lane, place in [value][image]) for the values of a node that this thread has. Blocks: lane tiles, values as rows.
template <class F>
__device__ inline void for_each_value(const node_view& node, int lanes, F&& f) {
    const int lane = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    for (int j = static_cast<int>(blockIdx.y * blockDim.y + threadIdx.y); j < node.size();
         j += static_cast<int>(gridDim.y * blockDim.y))
        f(j, lane, static_cast<std::size_t>(j) * lanes + lane);
}

}  // namespace saddle::cuda
