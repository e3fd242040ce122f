#pragma once
#include "saddle/backend/cuda/kernels/convolution_wgmma.cuh"

namespace saddle::cuda {

/// Weight of a product's row and column, zero past the last.
__device__ inline float packed_weight(const float* weight, const float* scale, int outputs, int inputs, int taps, bool backward,
                                      int row, int column, int tap) {
    const int o = backward ? row : column, c = backward ? column : row;
    if (o >= outputs || c >= inputs) return 0;
    const float w = weight[(static_cast<std::size_t>(o) * inputs + c) * taps + tap];
    return scale ? w * scale[o] : w;
}

/// Weights [O][I][taps] as a product's operand [tap][rows][columns], rounded as its precision wants; columns past the last are
/// zeros. Forward: rows I, columns O; backward: rows O, columns I. `scale` [O] is a folded batch norm's, or null.
template <class Precision>
__global__ void pack_weights(const float* weight, const float* scale, int outputs, int inputs, int taps, int columns,
                             bool backward, typename Precision::storage* packed) {
    const std::size_t i = blockIdx.x * std::size_t{256} + threadIdx.x;
    const std::size_t rows = backward ? outputs : inputs;
    if (i >= taps * rows * columns) return;
    const int column = static_cast<int>(i % columns), row = static_cast<int>(i / columns % rows),
              tap = static_cast<int>(i / columns / rows);
    packed[i] = Precision::round(packed_weight(weight, scale, outputs, inputs, taps, backward, row, column, tap));
}

/// The same as the operand [tap][columns][rows] of implicit_gemm_wgmma in TF32, rows rounded up to 8 and in the order of
/// channel_at_place; what is past the last is zeros.
template <class = void>
__global__ void pack_weight_rows(const float* weight, const float* scale, int outputs, int inputs, int taps, int columns,
                                 bool backward, float* packed) {
    const std::size_t i = blockIdx.x * std::size_t{256} + threadIdx.x;
    const std::size_t rows = ((backward ? outputs : inputs) + 7) / 8 * 8;
    if (i >= taps * rows * columns) return;
    const int row = channel_at_place(static_cast<int>(i % rows)), column = static_cast<int>(i / rows % columns),
              tap = static_cast<int>(i / rows / columns);
    packed[i] = tf32::round(packed_weight(weight, scale, outputs, inputs, taps, backward, row, column, tap));
}

/// scale · x + shift of a batch norm in evaluation mode, folded with the bias before it: [channels] each; in double as on the
/// CPU.
template <class = void>
__global__ void fold_norm(const float* weight, const float* bias, const float* mean, const float* variance, double epsilon,
                          const float* bias_before, int channels, float* scale, float* shift) {
    const int c = static_cast<int>(blockIdx.x * 256u + threadIdx.x);
    if (c >= channels) return;
    const double inverse = weight[c] / std::sqrt(static_cast<double>(variance[c]) + epsilon);
    scale[c] = static_cast<float>(inverse);
    shift[c] = static_cast<float>(bias[c] - mean[c] * inverse);
    if (bias_before) shift[c] += bias_before[c] * scale[c];
}

/// (x - mean) / deviation as scale and shift.
template <class = void>
__global__ void fold_normalize(const float* mean, const float* deviation, int channels, float* scale, float* shift) {
    const int c = static_cast<int>(blockIdx.x * 256u + threadIdx.x);
    if (c >= channels) return;
    scale[c] = 1 / deviation[c];
    shift[c] = -mean[c] * scale[c];
}

}  // namespace saddle::cuda
