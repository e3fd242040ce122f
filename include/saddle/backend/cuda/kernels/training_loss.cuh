#pragma once
#include "saddle/losses/loss_input.hpp"

#include <cstdint>

namespace saddle::cuda {

/// A loss against labels on a training's batch, one thread a lane: its value, whether the class is right, and `factor` times its
/// derivative in the logits [K][lanes], 0 in lanes past the batch.
template <class L>
__global__ void training_loss(L loss, const float* logits, const std::int32_t* labels, int classes, int lanes, int valid,
                              float factor, float* slopes, float* values, std::uint8_t* correct) {
    const int l = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    if (l >= lanes) return;
    const auto apart = static_cast<std::size_t>(lanes), count = static_cast<std::size_t>(classes);
    if (l < valid) {
        const auto label = static_cast<float>(labels[l]);
        values[l] = loss.template evaluate<float>(loss_input<float>{logits + l, count, apart, &label}, slopes + l);
        const auto top = find_top<float>(logits + l, count, apart);
        correct[l] = top.valid && top.index == label;
    }
    for (std::size_t k = 0; k < count; ++k) slopes[k * apart + l] = l < valid ? slopes[k * apart + l] * factor : 0;
}

}  // namespace saddle::cuda
