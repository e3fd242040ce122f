#pragma once
#include "saddle/backend/cuda/kernels/pointwise.cuh"

namespace saddle::cuda {

/// A pool as its kernels see it.
struct pool_shape {
    int channels, height, width, out_height, out_width;
    int window_height, window_width, stride, padding;

    /// First and past-the-last input row (or column) of window i.
    [[nodiscard]] __device__ static int first_of(int i, int stride, int padding) {
        return i * stride < padding ? 0 : i * stride - padding;
    }
    [[nodiscard]] __device__ static int last_of(int i, int size, int stride, int padding, int extent) {
        const int end = i * stride + size - padding;
        return end < extent ? end : extent;
    }
    [[nodiscard]] __device__ int top(int oy) const { return first_of(oy, stride, padding); }
    [[nodiscard]] __device__ int bottom(int oy) const { return last_of(oy, window_height, stride, padding, height); }
    [[nodiscard]] __device__ int left(int ox) const { return first_of(ox, stride, padding); }
    [[nodiscard]] __device__ int right(int ox) const { return last_of(ox, window_width, stride, padding, width); }
    /// First and past-the-last window over input row (or column) i.
    [[nodiscard]] __device__ int first_over(int i, int size) const {
        return i + padding < size ? 0 : (i + padding - size) / stride + 1;
    }
    [[nodiscard]] __device__ int last_over(int i, int windows) const {
        const int end = (i + padding) / stride + 1;
        return end < windows ? end : windows;
    }
};

/// The largest (Max) or mean value of each window; four lanes a thread, results in row order.
template <class T, bool Max>
__global__ void __launch_bounds__(pointwise_threads)
    pool_forward(const T* x, pool_shape s, T* y, int lanes, std::uint32_t fours) {
    const std::uint32_t i = blockIdx.x * pointwise_threads + threadIdx.x;
    if (i >= fours) return;
    const std::uint32_t each = lanes / 4, pixel = i / each;
    const int lane = static_cast<int>(i % each) * 4, ox = static_cast<int>(pixel % s.out_width);
    const int oy = static_cast<int>(pixel / s.out_width % s.out_height), c = static_cast<int>(pixel / s.out_width / s.out_height);
    const auto at = [&](int iy, int ix) {
        return load_four(x + ((static_cast<std::size_t>(c) * s.height + iy) * s.width + ix) * lanes + lane);
    };
    four_lanes<float> best{};
    if (Max) best = at(s.top(oy), s.left(ox));
    for (int iy = s.top(oy); iy < s.bottom(oy); ++iy)
        for (int ix = s.left(ox); ix < s.right(ox); ++ix) {
            const auto v = at(iy, ix);
            for (int k = 0; k < 4; ++k)
                if constexpr (Max)
                    best.at[k] = v.at[k] > best.at[k] || !(v.at[k] == v.at[k]) ? v.at[k] : best.at[k];
                else
                    best.at[k] += v.at[k];
        }
    if (!Max)
        for (float& v : best.at) v *= 1.f / static_cast<float>(s.window_height * s.window_width);
    store_four(y + static_cast<std::size_t>(i) * 4, best);
}

/// The gradient of a window goes to its first largest value in row order (Max), or to all of it in equal shares.
template <class T, bool Max>
__global__ void __launch_bounds__(pointwise_threads)
    pool_backward(const T* x, const T* y, const T* dy, pool_shape s, gradient_place<T> to, int lanes, std::uint32_t fours) {
    const std::uint32_t i = blockIdx.x * pointwise_threads + threadIdx.x;
    if (i >= fours) return;
    const std::uint32_t each = lanes / 4, pixel = i / each;
    const int lane = static_cast<int>(i % each) * 4, ix = static_cast<int>(pixel % s.width);
    const int iy = static_cast<int>(pixel / s.width % s.height), c = static_cast<int>(pixel / s.width / s.height);
    const auto in = [&](int ey, int ex) { return ((static_cast<std::size_t>(c) * s.height + ey) * s.width + ex) * lanes + lane; };
    const auto out = [&](int oy, int ox) {
        return ((static_cast<std::size_t>(c) * s.out_height + oy) * s.out_width + ox) * lanes + lane;
    };
    four_lanes<float> value{}, sum{};
    if (Max) value = load_four(x + in(iy, ix));
    for (int oy = s.first_over(iy, s.window_height); oy < s.last_over(iy, s.out_height); ++oy)
        for (int ox = s.first_over(ix, s.window_width); ox < s.last_over(ix, s.out_width); ++ox) {
            const auto above = load_four(dy + out(oy, ox));
            if constexpr (!Max) {
                for (int k = 0; k < 4; ++k) sum.at[k] += above.at[k];
            } else {
                const auto best = load_four(y + out(oy, ox));
                bool wins[4];
                for (int k = 0; k < 4; ++k) wins[k] = value.at[k] == best.at[k];
                for (int ey = s.top(oy); ey <= iy; ++ey)
                    for (int ex = s.left(ox); ex < (ey == iy ? ix : s.right(ox)); ++ex) {
                        const auto before = load_four(x + in(ey, ex));
                        for (int k = 0; k < 4; ++k) wins[k] = wins[k] && before.at[k] != value.at[k];
                    }
                for (int k = 0; k < 4; ++k) sum.at[k] += wins[k] ? above.at[k] : 0;
            }
        }
    if (!Max)
        for (float& v : sum.at) v *= 1.f / static_cast<float>(s.window_height * s.window_width);
    to.leave(in(iy, ix), sum);
}

}  // namespace saddle::cuda
