#pragma once
#include "saddle/backend/cuda/kernels/judge.cuh"

/// A small network's linear layers in one kernel: forward, loss with its derivative and verdict, backward to the features. A block has the
/// activations of its lanes in shared memory and reads the weights as they are packed, neighbouring columns by neighbouring threads.
namespace saddle::cuda {

inline constexpr unsigned head_threads = 256;
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
    bool masked = false;  ///< the features are a ReLU's: their gradient is 0 where they are not > 0
};

/// Results [outputs] of four lanes each: Σ_k x[k] · weights[k][output], k ascending within each slice, slices in order. A thread sums
/// four outputs of four lanes. store(output, first lane, sums); barriers are passed if there are slices.
template <class Store>
__device__ void dense_product(const float* x, const float* weights, int inputs, int outputs, int columns, int slices, int lanes,
                              float* parts, const Store& store) {
    const int packs = lanes / 4, groups = (outputs + 3) / 4;
    for (int i = static_cast<int>(threadIdx.x); i < slices * groups * packs; i += static_cast<int>(blockDim.x)) {
        const int lane = i % packs * 4, group = i / packs % groups, slice = i / packs / groups;
        const int begin = inputs * slice / slices, end = inputs * (slice + 1) / slices;
        four_lanes<float> sum[4] = {};
        const float* from = x + begin * lanes + lane;
        const float* w = weights + static_cast<std::size_t>(begin) * columns + group * 4;
#pragma unroll 8
        for (int k = begin; k < end; ++k, from += lanes, w += columns) {
            const auto value = load_four(from), factor = load_four(w);
#pragma unroll
            for (int o = 0; o < 4; ++o)
#pragma unroll
                for (int l = 0; l < 4; ++l) sum[o].at[l] = fmaf(value.at[l], factor.at[o], sum[o].at[l]);
        }
        for (int o = 0; o < 4; ++o)
            if (slices > 1)
                store_four(parts + ((slice * groups + group) * 4 + o) * lanes + lane, sum[o]);
            else if (group * 4 + o < outputs)
                store(group * 4 + o, lane, sum[o]);
    }
    if (slices == 1) return;
    __syncthreads();
    for (int i = static_cast<int>(threadIdx.x); i < outputs * packs; i += static_cast<int>(blockDim.x)) {
        const int lane = i % packs * 4, output = i / packs;
        auto sum = load_four(parts + output * lanes + lane);
        for (int slice = 1; slice < slices; ++slice) {
            const auto more = load_four(parts + (slice * groups * 4 + output) * lanes + lane);
            for (int l = 0; l < 4; ++l) sum.at[l] += more.at[l];
        }
        store(output, lane, sum);
    }
}

/// From features [inputs][lanes] to logits [K][lanes], through the judgement, and with `backward` on to the features' gradient
/// [inputs][lanes]. Threads of a block share table.lanes lanes.
template <class Loss>
__global__ void __launch_bounds__(head_threads)
    small_head(head_table table, judgement<Loss> judge, const float* features, float* logits, float* logits_gradient,
               float* gradient, bool backward) {
    float* const shared = shared_memory<float>();
    const int lanes = table.lanes, first = static_cast<int>(blockIdx.x) * lanes, packs = lanes / 4;
    const auto global = [&](int value, int lane) { return static_cast<std::size_t>(value) * judge.lanes + first + lane; };
    const auto place = [&](int at) { return shared + at * lanes; };
    for (int i = static_cast<int>(threadIdx.x); i < table.at[0].inputs * packs; i += static_cast<int>(blockDim.x))
        store_four(shared + i * 4, load_four(features + global(i / packs, i % packs * 4)));
    __syncthreads();
    for (int j = 0; j < table.count; ++j) {
        const head_layer& layer = table.at[j];
        float* const y = place(layer.values_at);
        dense_product(place(j == 0 ? 0 : table.at[j - 1].values_at), layer.forward, layer.inputs, layer.outputs, layer.columns,
                      layer.slices, lanes, place(table.parts_at), [&](int output, int lane, four_lanes<float> v) {
                          for (float& each : v.at) {
                              if (layer.bias) each += layer.bias[output];
                              if (layer.relu) each = each < 0 ? 0 : each;
                          }
                          store_four(y + output * lanes + lane, v);
                          if (j == table.count - 1) store_four(logits + global(output, lane), v);
                      });
        __syncthreads();
    }
    float* slopes = place(table.slopes_at[0]);
    if (static_cast<int>(threadIdx.x) < lanes) {
        const int l = first + static_cast<int>(threadIdx.x);
        if constexpr (keeps_state<Loss>)  // whose state is as far apart as the logits
            judge.look_at(l, logits + l, logits_gradient + l, judge.lanes);
        else
            judge.look_at(l, place(table.at[table.count - 1].values_at) + threadIdx.x, slopes + threadIdx.x, lanes);
        if constexpr (keeps_state<Loss>)
            for (int k = 0; k < judge.classes; ++k)
                slopes[k * lanes + static_cast<int>(threadIdx.x)] = logits_gradient[global(k, static_cast<int>(threadIdx.x))];
    }
    __syncthreads();
    if (!backward) return;
    for (int j = table.count - 1; j >= 0; --j) {
        const head_layer& layer = table.at[j];
        float* const next = place(table.slopes_at[(table.count - j) % 2]);
        const bool masks = j > 0 ? table.at[j - 1].relu : table.masked;
        const float* const x = place(j > 0 ? table.at[j - 1].values_at : 0);
        dense_product(slopes, layer.backward, layer.outputs, layer.inputs, layer.back_columns, layer.back_slices, lanes,
                      place(table.parts_at), [&](int input, int lane, four_lanes<float> v) {
                          if (masks) {
                              const auto gate = load_four(x + input * lanes + lane);
                              for (int l = 0; l < 4; ++l) v.at[l] = gate.at[l] > 0 ? v.at[l] : 0;
                          }
                          if (j > 0)
                              store_four(next + input * lanes + lane, v);
                          else
                              store_four(gradient + global(input, lane), v);
                      });
        __syncthreads();
        slopes = next;
    }
}

}  // namespace saddle::cuda
