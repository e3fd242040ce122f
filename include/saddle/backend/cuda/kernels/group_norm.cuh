#pragma once
#include "saddle/backend/cuda/kernels/pointwise.cuh"
#include "saddle/backend/cuda/ptx.cuh"

namespace saddle::cuda {

/// Threads of a block: 32 lanes × 8 parts of the group's values.
inline constexpr int group_lanes = 32, group_parts = 8;

/// Adds the values that the parts of a lane hold, in order; every thread gets the sum.
__device__ inline float add_parts(float mine, float* shared) {
    const int lane = static_cast<int>(threadIdx.x), part = static_cast<int>(threadIdx.y);
    __syncthreads();
    shared[part * group_lanes + lane] = mine;
    __syncthreads();
    float sum = shared[lane];
    for (int p = 1; p < group_parts; ++p) sum += shared[p * group_lanes + lane];
    return sum;
}

/// y = relu?(weight[c] · (x - mean) / deviation + bias[c]) with the moments of each lane's group of `values` values (`each`
/// channels); keeps mean and 1 / deviation [groups][lanes]. Blocks: lane tiles, groups as rows.
template <class T>
__global__ void group_norm_forward(const T* x, const float* weight, const float* bias, double epsilon, bool relu, int each,
                                   int values, int lanes, float* mean, float* inverse, T* y) {
    float* const shared = shared_memory<float>();
    const int lane = static_cast<int>(blockIdx.x) * group_lanes + static_cast<int>(threadIdx.x),
              group = static_cast<int>(blockIdx.y);
    const std::size_t first = static_cast<std::size_t>(group) * values;
    const int pixels = values / each;
    const auto at = [&](int i) { return (first + i) * lanes + lane; };
    float sum = 0;
    for (int i = static_cast<int>(threadIdx.y); i < values; i += group_parts) sum += static_cast<float>(x[at(i)]);
    const float centre = add_parts(sum, shared) / static_cast<float>(values);
    float squares = 0;
    for (int i = static_cast<int>(threadIdx.y); i < values; i += group_parts) {
        const float d = static_cast<float>(x[at(i)]) - centre;
        squares = fmaf(d, d, squares);
    }
    const float scale = 1 / std::sqrt(add_parts(squares, shared) / static_cast<float>(values) + static_cast<float>(epsilon));
    if (threadIdx.y == 0) {
        mean[static_cast<std::size_t>(group) * lanes + lane] = centre;
        inverse[static_cast<std::size_t>(group) * lanes + lane] = scale;
    }
    for (int i = static_cast<int>(threadIdx.y); i < values; i += group_parts) {
        const int c = group * each + i / pixels;
        float v = fmaf((static_cast<float>(x[at(i)]) - centre) * scale, weight[c], bias[c]);
        if (relu) v = v < 0 ? 0 : v;
        y[at(i)] = static_cast<T>(v);
    }
}

/// The gradient in the input, with the moments that the forward pass kept.
template <class T>
__global__ void group_norm_backward(const T* x, const T* dy, const float* weight, const float* mean, const float* inverse,
                                    int each, int values, int lanes, gradient_place<T> to) {
    float* const shared = shared_memory<float>();
    const int lane = static_cast<int>(blockIdx.x) * group_lanes + static_cast<int>(threadIdx.x),
              group = static_cast<int>(blockIdx.y);
    const std::size_t first = static_cast<std::size_t>(group) * values, of = static_cast<std::size_t>(group) * lanes + lane;
    const int pixels = values / each;
    const float centre = mean[of], scale = inverse[of];
    const auto at = [&](int i) { return (first + i) * lanes + lane; };
    float sum = 0, product = 0;
    for (int i = static_cast<int>(threadIdx.y); i < values; i += group_parts) {
        const float slope = static_cast<float>(dy[at(i)]) * weight[group * each + i / pixels];
        sum += slope;
        product = fmaf(slope, (static_cast<float>(x[at(i)]) - centre) * scale, product);
    }
    sum = add_parts(sum, shared) / static_cast<float>(values);
    product = add_parts(product, shared) / static_cast<float>(values);
    for (int i = static_cast<int>(threadIdx.y); i < values; i += group_parts) {
        const float normal = (static_cast<float>(x[at(i)]) - centre) * scale;
        float v = (static_cast<float>(dy[at(i)]) * weight[group * each + i / pixels] - sum - normal * product) * scale;
        if (to.action.accumulate) v += static_cast<float>(to.gradient[at(i)]);
        if (to.action.mask) v = static_cast<float>(to.input[at(i)]) > 0 ? v : 0;
        to.gradient[at(i)] = static_cast<T>(v);
    }
}

}  // namespace saddle::cuda
