#pragma once
#include "saddle/backend/cuda/kernels/convolution.cuh"
#include "saddle/backend/cuda/matrix_layout.cuh"
#include "saddle/backend/cuda/ptx_sm90.cuh"

namespace saddle::cuda {

/// What a tile of implicit_gemm_wgmma is: Rows lanes × Columns channels, Stages steps of Depth products in shared memory, and how
/// many blocks a multiprocessor should hold. A warpgroup computes 64 rows; one warp more starts the copies.
template <int Rows, int Columns, int Depth, int Stages, int Blocks>
struct wgmma_tile {
    static constexpr int rows = Rows, columns = Columns, stages = Stages, blocks = Blocks;
    static constexpr int depth = Depth;                             ///< channels a step
    static constexpr int box = 64;                                  ///< lanes of a box of the source
    static constexpr int weight_box = Columns % 64 == 0 ? 64 : 32;  ///< columns of a box of the weights
    static constexpr int consumers = Rows / 64 * 128, threads = consumers + 32;
    static constexpr int source_boxes = Rows / box, weight_boxes = Columns / weight_box;
    static constexpr unsigned row_bytes = 2 * box, box_bytes = row_bytes * depth;
    static constexpr unsigned weight_row_bytes = 2 * weight_box, weight_box_bytes = weight_row_bytes * depth;
    static constexpr unsigned stage_bytes = box_bytes * source_boxes + weight_box_bytes * weight_boxes;
    static constexpr unsigned sum_bytes = sizeof(float) * Columns * (Rows + 4);
    static constexpr unsigned barriers_at = stage_bytes * Stages > sum_bytes ? stage_bytes* Stages : sum_bytes;
    static constexpr std::size_t shared = barriers_at + 2 * Stages * sizeof(arrival_barrier);
    static_assert(Rows % 64 == 0 && Columns % weight_box == 0 && Columns <= 256 && Depth % 16 == 0,
                  "saddle: no tile of a warpgroup's products");
    static_assert(barriers_at % sizeof(arrival_barrier) == 0 && box_bytes % 1024 == 0 && weight_box_bytes % 1024 == 0);
};

/// implicit_gemm in bfloat16 by warpgroup products: the same tensors, tiles, order of blocks and epilogue. `source` maps
/// [inputs][pixels][lanes], `weights` [taps][inputs][columns], both in boxes of 64 lanes or of columns × Tile::depth channels, so
/// that both operands have the axis that is not summed over as their contiguous one. Channels past the last arrive as zeros. The
/// last warp starts the copies of a step when every warp is done with the step that last used its place; each warpgroup
/// multiplies 64 lanes with all columns.
template <class Tile, class Out>
__global__ void __launch_bounds__(Tile::threads, Tile::blocks)
    implicit_gemm_wgmma(const __grid_constant__ CUtensorMap source, const __grid_constant__ CUtensorMap weights,
                        convolution_shape s, epilogue<Out> finish, int lanes) {
#if defined(__CUDA_ARCH__) && !defined(__CUDA_ARCH_FEAT_SM90_ALL)
    __trap();
#else
    unsigned char* const shared = shared_memory<unsigned char>();
    arrival_barrier* const full = reinterpret_cast<arrival_barrier*>(shared + Tile::barriers_at);
    arrival_barrier* const empty = full + Tile::stages;
    const int thread = static_cast<int>(threadIdx.x);
    if (thread == 0) {
        for (int i = 0; i < Tile::stages; ++i) {
            make_barrier(full + i, 1);
            make_barrier(empty + i, Tile::consumers / 32);
        }
        publish_barriers();
    }
    __syncthreads();

    const int channel_tiles = (s.outputs + Tile::columns - 1) / Tile::columns, lane_tiles = lanes / Tile::rows;
    const int first_channel = static_cast<int>(blockIdx.x) % channel_tiles * Tile::columns;
    const int first_lane = static_cast<int>(blockIdx.x) / channel_tiles % lane_tiles * Tile::rows;
    const int pixel = static_cast<int>(blockIdx.x) / channel_tiles / lane_tiles;
    const int y = pixel / s.width, x = pixel % s.width;

    float sum[Tile::columns / 2] = {};
    if (thread == Tile::consumers) {
        int step = 0;
        for (int tap = 0; tap < s.taps(); ++tap) {
            const int at = s.pixel_of(y, x, tap);
            if (at < 0) continue;
            for (int channel = 0; channel < s.inputs; channel += Tile::depth, ++step) {
                const int slot = step % Tile::stages;
                if (step >= Tile::stages) wait_for_phase(empty + slot, (step / Tile::stages - 1) & 1);
                arrive_and_expect(full + slot, Tile::stage_bytes);
                unsigned char* to = shared + slot * Tile::stage_bytes;
                for (int i = 0; i < Tile::source_boxes; ++i, to += Tile::box_bytes)
                    copy_box_async(to, &source, first_lane + i * Tile::box, at, channel, full + slot);
                for (int i = 0; i < Tile::weight_boxes; ++i, to += Tile::weight_box_bytes)
                    copy_box_async(to, &weights, first_channel + i * Tile::weight_box, channel, tap, full + slot);
            }
        }
    } else if (thread < Tile::consumers) {
        int inside = 0;
        for (int t = 0; t < s.taps(); ++t) inside += s.pixel_of(y, x, t) >= 0;
        const int chunks = (s.inputs + Tile::depth - 1) / Tile::depth, steps = inside * chunks;
        const unsigned base = shared_offset(shared) + static_cast<unsigned>(thread / 128) * Tile::box_bytes;
        const unsigned right = shared_offset(shared) + Tile::source_boxes * Tile::box_bytes;
        for (int step = 0; step < steps; ++step) {
            const unsigned at = static_cast<unsigned>(step % Tile::stages) * Tile::stage_bytes;
            wait_for_phase(full + step % Tile::stages, step / Tile::stages & 1);
            pin_registers(sum);
            warpgroup_fence();
#pragma unroll
            for (unsigned k = 0; k < Tile::depth; k += 16)
                multiply_warpgroup<false>(
                    sum, operand_descriptor(base + at + k * Tile::row_bytes, Tile::row_bytes, Tile::box_bytes),
                    operand_descriptor(right + at + k * Tile::weight_row_bytes, Tile::weight_row_bytes, Tile::weight_box_bytes));
            warpgroup_commit();
            warpgroup_wait<1>();
            if (step > 0 && thread % 32 == 0) arrive(empty + (step - 1) % Tile::stages);
        }
        warpgroup_wait<0>();
        pin_registers(sum);
    }
    __syncwarp();
    __syncthreads();

    float* const sums = shared_memory<float>();
    constexpr int stride = Tile::rows + 4;
    if (thread < Tile::consumers)
#pragma unroll
        for (int i = 0; i < Tile::columns / 2; ++i)
            sums[accumulator_column(thread, i) * stride + thread / 128 * 64 + accumulator_row(thread % 128, i)] = sum[i];
    __syncthreads();
    const std::size_t pixels = static_cast<std::size_t>(s.height) * s.width;
    for (int i = thread; i < Tile::columns * Tile::rows / 4; i += Tile::threads) {
        const int column = i / (Tile::rows / 4), lane = i % (Tile::rows / 4) * 4, to = first_channel + column;
        if (to >= s.outputs) continue;
        finish.finish((to * pixels + pixel) * lanes + first_lane + lane, to, load_four(sums + column * stride + lane));
    }
#endif
}

/// Writes 1 where implicit_gemm_wgmma has been compiled for the device, else 0.
template <class = void>
__global__ void find_wgmma(int* found) {
#if defined(__CUDA_ARCH__) && !defined(__CUDA_ARCH_FEAT_SM90_ALL)
    *found = 0;
#else
    *found = 1;
#endif
}

}  // namespace saddle::cuda
