#pragma once
#include "saddle/certification/cuda/kernels/intervals.cuh"
#include "saddle/certification/node_lines.hpp"

/// The lines that rows meet on their way back: the formulas of node_bounds_lines.hpp.
namespace saddle::cuda {

/// Offset and error of value j of a node beside its linear part.
[[nodiscard]] __device__ inline saddle::detail::value_constant constant_of(const node_view& node, int j, std::size_t at) {
    return {node.shift ? node.shift[j / node.pixels()] : 0., node.error[at]};
}

/// The lines of every value of a node. `sums`: most additions that a bound's constants enter. Grid as of bound_values.
template <class = void>
__global__ void find_lines(node_view node, node_view in, rounding_model rounding, lower_slope rule, std::size_t sums, int lanes) {
    const bool bends = node.kind == operation_kind::activation;
    saddle::detail::line_rounding error(rounding, bends ? 1 + static_cast<std::size_t>(in.readers) : 0);
    error.sum = rounding.bounds_sum(sums);
    for_each_value(node, lanes, [&](int j, int, std::size_t at) {
        neuron_lines<double> lines;
        if (bends) {
            const auto r = relax<double>(node.function, node.slope, in.lo[at], in.hi[at], rule, rounding.program);
            const auto before = in.constants_in_reader ? constant_of(in, j, at) : saddle::detail::value_constant{};
            lines = saddle::detail::make_lines<double>(r, before, magnitude_of(in, at), error);
        } else {
            const auto before = node.constants_in_reader ? saddle::detail::value_constant{} : constant_of(node, j, at);
            lines = saddle::detail::make_lines<double>({1, 0, 1, 0}, before, 0, error);
            if (node.kind == operation_kind::scale_shift) lines.slope[0] = lines.slope[1] = node.scale[j / node.pixels()];
        }
        node.lower[at] = {lines.slope[0], lines.constant[0]};
        node.upper[at] = {lines.slope[1], lines.constant[1]};
    });
}

/// Threads that count the live values of one image.
inline constexpr int live_parts = 8;

/// Counts the values of an activation whose lines are not zero, per image. Blocks: lane tiles; 64 × live_parts threads.
template <class = void>
__global__ void count_live(node_view node, int lanes) {
    int* const counts = shared_memory<int>();
    const int x = static_cast<int>(threadIdx.x), part = static_cast<int>(threadIdx.y);
    const int lane = static_cast<int>(blockIdx.x) * bound_lanes + x;
    int count = 0;
    for (int j = part; j < node.size(); j += live_parts) {
        const std::size_t at = static_cast<std::size_t>(j) * lanes + lane;
        const auto low = node.lower[at], high = node.upper[at];
        count += low.slope != 0 || high.slope != 0 || low.constant != 0 || high.constant != 0;
    }
    counts[part * bound_lanes + x] = count;
    __syncthreads();
    if (part > 0) return;
    for (int p = 1; p < live_parts; ++p) count += counts[p * bound_lanes + x];
    node.live[lane] = count;
}

}  // namespace saddle::cuda
