#pragma once
#include "saddle/backend/cuda/kernels/batch_norm.cuh"
#include "saddle/backend/cuda/kernels/group_norm.cuh"
#include "saddle/backend/cuda/kernels/pooling.cuh"
#include "saddle/backend/cuda/launch.cuh"
#include "saddle/backend/cuda/tuning/convolution.cuh"

namespace saddle::cuda {

/// Runs an elementwise functor over a tensor.
template <class F>
void launch_pointwise(cudaStream_t stream, std::string_view operation, extents shape, std::size_t lanes, const F& f) {
    const std::size_t fours = shape.size() * lanes / 4;
    require<cuda_error>(fours <= 0xffffffff, operation, "values of a tensor", "at most 17179869180", shape.size() * lanes);
    launch(stream, for_each_four<F>,
           {.operation = operation, .blocks = parts_of(fours, pointwise_threads), .threads = pointwise_threads}, f,
           static_cast<std::uint32_t>(shape.pixels() * lanes / 4), static_cast<std::uint32_t>(fours));
}

/// Sums f over every channel's first `valid` lanes; returns the number of parts that `partial` holds per channel.
template <class F>
std::size_t launch_channel_sums(cudaStream_t stream, std::string_view operation, extents shape, std::size_t lanes,
                                std::size_t valid, const F& f, sum_pair* partial) {
    const std::size_t fours = shape.pixels() * lanes / 4, parts = tuning::channel_parts(fours);
    launch(stream, sum_channels<F>,
           {.operation = operation,
            .blocks = parts,
            .threads = pointwise_threads,
            .shared = pointwise_threads * sizeof(sum_pair),
            .rows = std::min<std::size_t>(shape.channels, 65535)},
           f, static_cast<int>(shape.channels), static_cast<std::uint32_t>(fours), static_cast<int>(lanes),
           static_cast<int>(valid), partial);
    return parts;
}

[[nodiscard]] inline pool_shape make_pool(const window& w, extents in, extents out) {
    const auto number = [](std::size_t n) { return static_cast<int>(n); };
    return {number(in.channels), number(in.height), number(in.width), number(out.height), number(out.width),
            number(w.height),    number(w.width),   number(w.stride), number(w.padding)};
}
template <class T>
void launch_pool_forward(cudaStream_t stream, bool largest, const window& w, extents in, extents out, const T* x, T* y,
                         std::size_t lanes) {
    const std::size_t fours = out.size() * lanes / 4;
    launch(stream, largest ? pool_forward<T, true> : pool_forward<T, false>,
           {.operation = "pool", .blocks = parts_of(fours, pointwise_threads)}, x, make_pool(w, in, out), y,
           static_cast<int>(lanes), static_cast<std::uint32_t>(fours));
}
template <class T>
void launch_pool_backward(cudaStream_t stream, bool largest, const window& w, extents in, extents out, const T* x, const T* y,
                          const T* dy, const gradient_place<T>& to, std::size_t lanes) {
    const std::size_t fours = in.size() * lanes / 4;
    launch(stream, largest ? pool_backward<T, true> : pool_backward<T, false>,
           {.operation = "pool, backward", .blocks = parts_of(fours, pointwise_threads)}, x, y, dy, make_pool(w, in, out), to,
           static_cast<int>(lanes), static_cast<std::uint32_t>(fours));
}

/// The grid of the group norm's kernels.
[[nodiscard]] inline launch_config group_norm_grid(std::string_view operation, std::size_t groups, std::size_t lanes) {
    return {.operation = operation,
            .blocks = lanes / group_lanes,
            .threads = group_lanes,
            .shared = sizeof(float) * group_lanes * group_parts,
            .rows = groups,
            .threads_y = group_parts};
}

}  // namespace saddle::cuda
