#pragma once
#include "saddle/backend/cuda/kernels/trunk_layers.cuh"

/// Linear layers on a block's few lanes: activations [value][lane] in shared memory, packed weights in global memory, each read once a block.
namespace saddle::cuda {

/// Adds the slices of sums, parts [slice][rows][lanes], in order, and hands them to store(output, first lane, sums of four lanes).
template <class Store>
__device__ void fold_slices(const float* parts, int slices, int rows, int outputs, int lanes, const Store& store) {
    const int packs = lanes / 4;
    __syncthreads();
    for (int i = static_cast<int>(threadIdx.x); i < outputs * packs; i += static_cast<int>(blockDim.x)) {
        const int lane = i % packs * 4, output = i / packs;
        lane_pack<4> sum{};
        for (int slice = 0; slice < slices; ++slice) {
            const auto more = *reinterpret_cast<const lane_pack<4>*>(parts + (slice * rows + output) * lanes + lane);
            for (int l = 0; l < 4; ++l) sum.at[l] = slice == 0 ? more.at[l] : sum.at[l] + more.at[l];
        }
        store(output, lane, sum);
    }
}

/// Σ_k x[k] · weights[k][output] of every output and lane in fp32, k ascending within each slice, slices in order. A thread sums four
/// outputs of four lanes. store(output, first lane, sums) takes the results; barriers are passed if there are slices.
template <class Store>
__device__ void dense_product(const float* x, const float* weights, int inputs, int outputs, int columns, int slices, int lanes,
                              float* parts, const Store& store) {
    const int packs = lanes / 4, groups = (outputs + 3) / 4;
    for (int i = static_cast<int>(threadIdx.x); i < slices * groups * packs; i += static_cast<int>(blockDim.x)) {
        const int lane = i % packs * 4, group = i / packs % groups, slice = i / packs / groups;
        const int begin = inputs * slice / slices, end = inputs * (slice + 1) / slices;
        lane_pack<4> sum[4] = {};
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
                *reinterpret_cast<lane_pack<4>*>(parts + ((slice * groups + group) * 4 + o) * lanes + lane) = sum[o];
            else if (group * 4 + o < outputs)
                store(group * 4 + o, lane, sum[o]);
    }
    if (slices > 1) fold_slices(parts, slices, groups * 4, outputs, lanes, store);
}

/// The same by TF32 tensor cores, for at most 16 · Tiles lanes: rows of the product are lanes, a warp has 16 outputs of all of them.
template <int Tiles, class Store>
__device__ void dense_tensor(const float* x, const float* weights, int inputs, int outputs, int columns, int slices, int lanes,
                             float* parts, const Store& store) {
    const int warps = static_cast<int>(blockDim.x) / 32, group = static_cast<int>(threadIdx.x) % 32 / 4,
              place = static_cast<int>(threadIdx.x) % 4;
    const int groups = (outputs + 15) / 16, rows = (outputs + 3) / 4 * 4, steps = (inputs + 7) / 8;
    for (int task = static_cast<int>(threadIdx.x) / 32; task < groups * slices; task += warps) {
        const int slice = task / groups, first = task % groups * 16;
        float sum[Tiles][2][4] = {};
#pragma unroll 4
        for (int step = steps * slice / slices; step < steps * (slice + 1) / slices; ++step) {
            const int k = step * 8 + place;
            std::uint32_t right[2][2];
#pragma unroll
            for (int part = 0; part < 2; ++part)
#pragma unroll
                for (int e = 0; e < 2; ++e) {
                    const bool inside = k + 4 * e < inputs && first + 8 * part < columns;
                    const std::size_t at = static_cast<std::size_t>(k + 4 * e) * columns + first + 8 * part + group;
                    right[part][e] = inside ? std::bit_cast<std::uint32_t>(weights[at]) : 0u;
                }
#pragma unroll
            for (int tile = 0; tile < Tiles; ++tile) {
                std::uint32_t left[4];
#pragma unroll
                for (int e = 0; e < 4; ++e) {
                    const int row = tile * 16 + group + e % 2 * 8, value = k + e / 2 * 4;
                    left[e] = value < inputs && row < lanes ? round_to_tf32(x[value * lanes + row]) : 0u;
                }
#pragma unroll
                for (int part = 0; part < 2; ++part) multiply_tf32(sum[tile][part], left, right[part]);
            }
        }
        for (int tile = 0; tile < Tiles; ++tile)
            for (int part = 0; part < 2; ++part)
                for (int e = 0; e < 4; ++e) {
                    const int row = tile * 16 + group + e / 2 * 8, output = first + 8 * part + place * 2 + e % 2;
                    if (row >= lanes || output >= outputs) continue;
                    if (slices > 1)
                        parts[(slice * rows + output) * lanes + row] = sum[tile][part][e];
                    else
                        store(output, row, lane_pack<1>{sum[tile][part][e]});
                }
    }
    if (slices > 1) fold_slices(parts, slices, rows, outputs, lanes, store);
}

}  // namespace saddle::cuda
