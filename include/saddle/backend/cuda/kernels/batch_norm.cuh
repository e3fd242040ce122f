#pragma once
#include "saddle/backend/cuda/kernels/reduce.cuh"

namespace saddle::cuda {

/// What a batch norm in training mode keeps per channel, each [channels].
struct batch_norm_state {
    float *mean = nullptr, *inverse = nullptr;                       ///< of the batch at hand; inverse: 1 / deviation
    float *scale = nullptr, *shift = nullptr;                        ///< y = scale · x + shift
    float *slope = nullptr, *slope_x = nullptr, *slope_1 = nullptr;  ///< dx = slope · dy + slope_x · x + slope_1
};

/// Moments of the batch from the sums of moment_sums; running statistics follow unless they are null (Ioffe & Szegedy 2015; the
/// variance unbiased, as PyTorch).
template <class T>
__global__ void finish_moments(const sum_pair* partial, int channels, int parts, const T* x, std::size_t per_channel,
                               double count, const float* weight, const float* bias, double epsilon, batch_norm_state state,
                               float* running_mean, float* running_variance, float* batches, double momentum) {
    const int c = static_cast<int>(blockIdx.x * pointwise_threads + threadIdx.x);
    if (c >= channels) return;
    const auto sum = fold_parts(partial, c, parts);
    const double mean = static_cast<double>(static_cast<float>(x[c * per_channel])) + sum.first / count;
    const double rest = sum.second - sum.first * sum.first / count, deviations = rest > 0 ? rest : 0;
    const double inverse = 1 / std::sqrt(deviations / count + epsilon);
    state.mean[c] = static_cast<float>(mean);
    state.inverse[c] = static_cast<float>(inverse);
    state.scale[c] = static_cast<float>(weight[c] * inverse);
    state.shift[c] = static_cast<float>(bias[c] - mean * weight[c] * inverse);
    if (!running_mean) return;
    running_mean[c] = static_cast<float>((1 - momentum) * running_mean[c] + momentum * mean);
    running_variance[c] = static_cast<float>((1 - momentum) * running_variance[c] + momentum * deviations / (count - 1));
    if (c == 0) *batches += 1;
}

/// The slopes of the backward pass from the sums of slope_sums; adds the gradients of weight and bias.
template <class = void>
__global__ void finish_slopes(const sum_pair* partial, int channels, int parts, double count, const float* weight,
                              batch_norm_state state, float* weight_gradient, float* bias_gradient) {
    const int c = static_cast<int>(blockIdx.x * pointwise_threads + threadIdx.x);
    if (c >= channels) return;
    const auto sum = fold_parts(partial, c, parts);
    const double inverse = state.inverse[c], a = weight[c] * inverse, b = -a * inverse * inverse * sum.second / count;
    state.slope[c] = static_cast<float>(a);
    state.slope_x[c] = static_cast<float>(b);
    state.slope_1[c] = static_cast<float>(-a * sum.first / count - b * state.mean[c]);
    weight_gradient[c] += static_cast<float>(sum.second * inverse);
    bias_gradient[c] += static_cast<float>(sum.first);
}

}  // namespace saddle::cuda
