#pragma once
#include "saddle/backend/cuda/kernels/head_layers.cuh"
#include "saddle/backend/cuda/kernels/judge.cuh"

/// A small network's linear layers in one kernel: forward, loss with its derivative and verdict, backward to the features. A block has the
/// activations of its lanes in shared memory and reads the weights as they are packed, neighbouring columns by neighbouring threads.
namespace saddle::cuda {

inline constexpr unsigned head_threads = 512;
inline constexpr int most_head_layers = 10;

/// y = relu?(W x + b), packed for both directions: forward [inputs][columns], backward [outputs][back_columns].
struct head_layer {
    const float *forward = nullptr, *backward = nullptr, *bias = nullptr;
    int inputs = 0, outputs = 0, columns = 0, back_columns = 0;
    int slices = 1, back_slices = 1;  ///< of the sums, by the layer's shape alone
    int values_at = 0;                ///< of its output, floats of a lane
    bool relu = false;
};

/// Layers in order, and how a block's shared memory is cut, in floats of a lane: features at 0, outputs, two places for slopes, parts of
/// sums.
struct head_table {
    head_layer at[most_head_layers];
    int count = 0, lanes = 4;  ///< layers; lanes of a block
    int slopes_at[2] = {}, parts_at = 0;
    bool tensor = false;  ///< on TF32 tensor cores
    bool masked = false;  ///< the features are a ReLU's: their gradient is 0 where they are not > 0
};

/// In place of a judgement: the logits' gradient is that which the caller has left, [K][lanes].
struct given_slopes {
    const float* from;
    int classes, lanes;
    static constexpr bool apart = false;
    __device__ void look_at(int l, const float*, float* slopes, int stride) const {
        for (int k = 0; k < classes; ++k) slopes[k * stride] = from[static_cast<std::size_t>(k) * lanes + l];
    }
};

/// From features [inputs][lanes] to logits [K][lanes], through the verdict (judgement or given_slopes), and with `backward` on to the
/// features' gradient [inputs][lanes]. Threads of a block share table.lanes lanes.
template <class Verdict>
__global__ void __launch_bounds__(head_threads)
    small_head(head_table table, Verdict verdict, const float* features, float* logits, float* logits_gradient, float* gradient,
               bool backward) {
    float* const shared = shared_memory<float>();
    const int lanes = table.lanes, first = static_cast<int>(blockIdx.x) * lanes, packs = lanes / 4;
    const auto global = [&](int value, int lane) { return static_cast<std::size_t>(value) * verdict.lanes + first + lane; };
    const auto place = [&](int at) { return shared + at * lanes; };
    const auto product = [&](const float* x, const float* weights, int inputs, int outputs, int columns, int slices,
                             const auto& store) {
        float* const parts = place(table.parts_at);
        if (!table.tensor)
            dense_product(x, weights, inputs, outputs, columns, slices, lanes, parts, store);
        else if (lanes <= 16)
            dense_tensor<1>(x, weights, inputs, outputs, columns, slices, lanes, parts, store);
        else
            dense_tensor<2>(x, weights, inputs, outputs, columns, slices, lanes, parts, store);
    };
    for (int i = static_cast<int>(threadIdx.x); i < table.at[0].inputs * packs; i += static_cast<int>(blockDim.x))
        store_four(shared + i * 4, load_four(features + global(i / packs, i % packs * 4)));
    __syncthreads();
    for (int j = 0; j < table.count; ++j) {
        const head_layer& layer = table.at[j];
        float* const y = place(layer.values_at);
        product(place(j == 0 ? 0 : table.at[j - 1].values_at), layer.forward, layer.inputs, layer.outputs, layer.columns,
                layer.slices, [&]<int N>(int output, int lane, lane_pack<N> v) {
                    for (float& each : v.at) {
                        if (layer.bias) each += layer.bias[output];
                        if (layer.relu) each = each < 0 ? 0 : each;
                    }
                    *reinterpret_cast<lane_pack<N>*>(y + output * lanes + lane) = v;
                    if (j == table.count - 1) *reinterpret_cast<lane_pack<N>*>(logits + global(output, lane)) = v;
                });
        __syncthreads();
    }
    float* slopes = place(table.slopes_at[0]);
    if (static_cast<int>(threadIdx.x) < lanes) {
        const int l = first + static_cast<int>(threadIdx.x);
        if constexpr (Verdict::apart)  // whose state is as far apart as the logits
            verdict.look_at(l, logits + l, logits_gradient + l, verdict.lanes);
        else
            verdict.look_at(l, place(table.at[table.count - 1].values_at) + threadIdx.x, slopes + threadIdx.x, lanes);
        if constexpr (Verdict::apart)
            for (int k = 0; k < verdict.classes; ++k)
                slopes[k * lanes + static_cast<int>(threadIdx.x)] = logits_gradient[global(k, static_cast<int>(threadIdx.x))];
    }
    __syncthreads();
    if (!backward) return;
    for (int j = table.count - 1; j >= 0; --j) {
        const head_layer& layer = table.at[j];
        float* const next = place(table.slopes_at[(table.count - j) % 2]);
        const bool masks = j > 0 ? table.at[j - 1].relu : table.masked;
        const float* const x = place(j > 0 ? table.at[j - 1].values_at : 0);
        product(slopes, layer.backward, layer.outputs, layer.inputs, layer.back_columns, layer.back_slices,
                [&]<int N>(int input, int lane, lane_pack<N> v) {
                    if (masks)
                        for (int l = 0; l < N; ++l) v.at[l] = x[input * lanes + lane + l] > 0 ? v.at[l] : 0;
                    *reinterpret_cast<lane_pack<N>*>(j > 0 ? next + input * lanes + lane : gradient + global(input, lane)) = v;
                });
        __syncthreads();
        slopes = next;
    }
}

}  // namespace saddle::cuda
