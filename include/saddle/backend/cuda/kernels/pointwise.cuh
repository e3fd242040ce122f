#pragma once
#include "saddle/backend/cuda/bfloat16.cuh"
#include "saddle/backend/steps.hpp"
#include "saddle/core/philox.hpp"

#include <cstddef>
#include <cuda_runtime.h>

namespace saddle::cuda {

/// Threads of a block of the kernels that handle four lanes a thread.
inline constexpr unsigned pointwise_threads = 256;

/// The lane of the first of four values at an offset; 32 bits suffice, as launch_pointwise sees to.
[[nodiscard]] __device__ inline int lane_of(std::size_t at, int lanes) {
    return static_cast<int>(static_cast<std::uint32_t>(at / 4) % (static_cast<std::uint32_t>(lanes) / 4)) * 4;
}

/// Calls f(channel, offset) for every four lanes of a tensor whose channels hold `per_channel` values.
template <class F>
__global__ void __launch_bounds__(pointwise_threads) for_each_four(F f, std::uint32_t fours_of_channel, std::uint32_t fours) {
    const std::uint32_t i = blockIdx.x * pointwise_threads + threadIdx.x;
    if (i < fours) f(static_cast<int>(i / fours_of_channel), static_cast<std::size_t>(i) * 4);
}

/// Leaves a value at a place of an input's gradient as the schedule asks: added, masked by the input's ReLU, or just stored.
template <class T>
struct gradient_place {
    T* gradient = nullptr;
    const T* input = nullptr;
    fusion::gradient_action action{};

    __device__ void leave(std::size_t at, four_lanes<float> v) const {
        if (action.accumulate) {
            const auto before = load_four(gradient + at);
            for (int i = 0; i < 4; ++i) v.at[i] += before.at[i];
        }
        if (action.mask) {
            const auto x = load_four(input + at);
            for (int i = 0; i < 4; ++i) v.at[i] = x.at[i] > 0 ? v.at[i] : 0;
        }
        store_four(gradient + at, v);
    }
};

/// y = relu?(scale[c] · x + shift[c]).
template <class T>
struct affine_forward {
    const T* x;
    const float *scale, *shift;
    bool relu;
    T* y;
    __device__ void operator()(int c, std::size_t at) const {
        auto v = load_four(x + at);
        for (float& each : v.at) {
            each = fmaf(each, scale[c], shift[c]);
            if (relu) each = each < 0 ? 0 : each;
        }
        store_four(y + at, v);
    }
};
template <class T>
struct affine_backward {
    const T* dy;
    const float* scale;
    gradient_place<T> to;
    __device__ void operator()(int c, std::size_t at) const {
        auto v = load_four(dy + at);
        for (float& each : v.at) each *= scale[c];
        to.leave(at, v);
    }
};

/// An elementwise function with `value(x, constant)` and `derivative(x, y, constant)`, built in or a user's.
template <class T, class Function>
struct apply_forward {
    const T* x;
    double constant;
    T* y;
    __device__ void operator()(int, std::size_t at) const {
        auto v = load_four(x + at);
        for (float& each : v.at) each = Function::value(each, constant);
        store_four(y + at, v);
    }
};
template <class T, class Function>
struct apply_backward {
    const T *x, *y, *dy;
    double constant;
    gradient_place<T> to;
    __device__ void operator()(int, std::size_t at) const {
        const auto in = load_four(x + at), out = load_four(y + at);
        auto v = load_four(dy + at);
        for (int i = 0; i < 4; ++i) v.at[i] *= Function::derivative(in.at[i], out.at[i], constant);
        to.leave(at, v);
    }
};

template <class T>
struct add_forward {
    const T *a, *b;
    bool relu;
    T* y;
    __device__ void operator()(int, std::size_t at) const {
        auto v = load_four(a + at);
        const auto more = load_four(b + at);
        for (int i = 0; i < 4; ++i) {
            v.at[i] += more.at[i];
            if (relu) v.at[i] = v.at[i] < 0 ? 0 : v.at[i];
        }
        store_four(y + at, v);
    }
};

/// The same values in another storage type.
template <class From, class To>
struct convert_forward {
    const From* x;
    To* y;
    __device__ void operator()(int, std::size_t at) const { store_four(y + at, load_four(x + at)); }
};
/// Hands a gradient on unchanged.
template <class From, class To>
struct pass_backward {
    const From* dy;
    gradient_place<To> to;
    __device__ void operator()(int, std::size_t at) const { to.leave(at, load_four(dy + at)); }
};

/// dx = slope · dy + slope_x · x + slope_1 on the first `valid` lanes, 0 on the others: batch norm in training mode.
template <class T>
struct batch_norm_backward {
    const T *x, *dy;
    const float *slope, *slope_x, *slope_1;
    int lanes, valid;
    gradient_place<T> to;
    __device__ void operator()(int c, std::size_t at) const {
        const auto in = load_four(x + at), above = load_four(dy + at);
        const int lane = lane_of(at, lanes);
        four_lanes<float> v;
        for (int i = 0; i < 4; ++i)
            v.at[i] = lane + i < valid ? fmaf(slope[c], above.at[i], fmaf(slope_x[c], in.at[i], slope_1[c])) : 0;
        to.leave(at, v);
    }
};

/// value / (1 - rate) where the draw of (example, element) is at least `rate`, else 0; a thread draws four elements of one lane.
/// Forward writes `to`; backward leaves the result in `place`. Blocks: quads · lanes.
template <class T, bool Backward>
__global__ void dropout(random_stream draws, const std::uint64_t* ids, float rate, float keep, const T* from, T* to,
                        gradient_place<T> place, std::uint32_t elements, std::uint32_t lanes) {
    const std::size_t i = blockIdx.x * std::size_t{pointwise_threads} + threadIdx.x;
    const std::uint32_t lane = static_cast<std::uint32_t>(i % lanes), quad = static_cast<std::uint32_t>(i / lanes);
    if (quad * 4 >= elements) return;
    const auto words = draws.quad(ids[lane], quad);
    for (std::uint32_t k = 0; k < 4 && quad * 4 + k < elements; ++k) {
        const std::size_t at = (quad * std::size_t{4} + k) * lanes + lane;
        float v = random_stream::to_unit(words[k]) >= rate ? static_cast<float>(from[at]) * keep : 0.f;
        if constexpr (Backward) {
            if (place.action.accumulate) v += static_cast<float>(place.gradient[at]);
            if (place.action.mask) v = static_cast<float>(place.input[at]) > 0 ? v : 0;
            place.gradient[at] = static_cast<T>(v);
        } else {
            to[at] = static_cast<T>(v);
        }
    }
}

}  // namespace saddle::cuda
