#pragma once
#include "saddle/backend/cuda/kernels/convolution.cuh"
#include "saddle/backend/cuda/kernels/warpgroup.cuh"
#include "saddle/backend/cuda/precision.cuh"

namespace saddle::cuda {

/// Goes through the steps of a part of a weight gradient's sum: an equal share of all, a step being Depth lanes of one pixel; those
/// whose tap lies outside the image are passed over.
template <int Depth>
struct gradient_steps {
    const convolution_shape& s;
    int tap, chunks, step, end, pixel = -1, source = -1;

    __device__ gradient_steps(const convolution_shape& shape, int of_tap, int lanes, int part, int parts)
        : s(shape), tap(of_tap), chunks(lanes / Depth) {
        const long long all = static_cast<long long>(s.height) * s.width * chunks;
        step = static_cast<int>(all * part / parts) - 1;
        end = static_cast<int>(all * (part + 1) / parts);
    }
    /// On to the next step, of pixel `pixel` and its tap's pixel `source`; false after the last.
    __device__ bool next() {
        while (++step < end) {
            if (step / chunks != pixel) {
                pixel = step / chunks;
                source = s.pixel_of(pixel / s.width, pixel % s.width, tap);
            }
            if (source >= 0) return true;
            step = (pixel + 1) * chunks - 1;
        }
        return false;
    }
    [[nodiscard]] __device__ int lane() const { return step % chunks * Depth; }
};

/// The products of one tile of weight_gradient_wgmma: both operands from shared memory, a row of 128 bytes for each channel.
template <class T, class Tile>
struct gradient_multiply : warpgroup_sums<Tile> {
    using base = warpgroup_sums<Tile>;
    static constexpr int pending = 1;
    static_assert(Tile::depth * sizeof(T) == 128, "saddle: rows of 128 bytes");

    __device__ void begin(const unsigned char* stage) {
        const unsigned left = shared_offset(stage) + threadIdx.x / 128 * 64 * 128,
                       right = shared_offset(stage) + wgmma_memory<T, Tile>::left_bytes;
        base::open();
#pragma unroll
        for (unsigned k = 0; k < 128; k += 32)
            multiply_warpgroup<T, true>(base::sum, row_descriptor(left + k), row_descriptor(right + k));
    }
};

/// weight_gradient by warpgroup products, in bfloat16 or TF32: the same partial sums [part][O][taps · I], of another number of parts. A
/// tile's columns are channels of one tap. `left` maps dy [O][pixels][lanes] in boxes of Tile::depth lanes × Tile::rows channels, `right`
/// x [I][pixels][lanes] in boxes of Tile::depth lanes × Tile::columns channels, so that both operands have the axis that is summed over
/// as their contiguous one, as those of 4 bytes must; channels past the last arrive as zeros. In TF32 both are rounded by the copies
/// (make_tensor_map's to_tf32): the products would cut their last bits off. Block x: row tile · tap · column tiles; block y: part.
/// lanes is a multiple of 64.
template <class Precision, class Tile>
__global__ void __launch_bounds__(Tile::threads, Tile::blocks)
    weight_gradient_wgmma(const __grid_constant__ CUtensorMap left, const __grid_constant__ CUtensorMap right,
                          convolution_shape s, int lanes, int parts, float* partial) {
#if defined(__CUDA_ARCH__) && !defined(__CUDA_ARCH_FEAT_SM90_ALL)
    __trap();
#else
    using T = typename Precision::storage;
    using memory = wgmma_memory<T, Tile>;
    const copy_ring<T, Tile> ring;

    const int column_tiles = (s.inputs + Tile::columns - 1) / Tile::columns;
    const int first_column = static_cast<int>(blockIdx.x) % column_tiles * Tile::columns;
    const int tap = static_cast<int>(blockIdx.x) / column_tiles % s.taps();
    const int first_row = static_cast<int>(blockIdx.x) / column_tiles / s.taps() * Tile::rows;

    using steps = gradient_steps<Tile::depth>;
    const auto copy = [&](const steps& at, unsigned char* to, arrival_barrier* arrivals) {
        copy_box_async(to, &left, at.lane(), at.pixel, first_row, arrivals);
        copy_box_async(to + memory::left_bytes, &right, at.lane(), at.source, first_column, arrivals);
    };
    const float* const sums =
        sum_steps<gradient_multiply<T, Tile>>(ring, steps(s, tap, lanes, static_cast<int>(blockIdx.y), parts), copy);
    const std::size_t total_columns = static_cast<std::size_t>(s.taps()) * s.inputs;
    for (int i = static_cast<int>(threadIdx.x); i < Tile::rows * Tile::columns; i += Tile::threads) {
        const int row = i / Tile::columns, column = i % Tile::columns;
        if (first_row + row >= s.outputs || first_column + column >= s.inputs) continue;
        partial[(static_cast<std::size_t>(blockIdx.y) * s.outputs + first_row + row) * total_columns +
                static_cast<std::size_t>(tap) * s.inputs + first_column + column] = sums[column * memory::sum_stride + row];
    }
#endif
}

}  // namespace saddle::cuda
