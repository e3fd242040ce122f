#pragma once
#include "saddle/backend/cuda/kernels/convolution.cuh"
#include "saddle/backend/cuda/kernels/warpgroup.cuh"
#include "saddle/backend/cuda/precision.cuh"

#include <array>

namespace saddle::cuda {

/// The products of one tile of implicit_gemm_wgmma in a precision: boxes of the copies, and a step of a warpgroup.
template <class Precision, class Tile>
struct warpgroup_multiply;

/// bfloat16: both operands from shared memory, the axis that is not summed over contiguous. Boxes of 64 lanes or of 64 or 32 columns,
/// × Tile::depth channels.
template <class Tile>
struct warpgroup_multiply<bf16, Tile> : warpgroup_sums<Tile> {
    using base = warpgroup_sums<Tile>;
    using memory = wgmma_memory<bfloat16, Tile>;
    static constexpr unsigned box = 64, box_bytes = 128 * Tile::depth;
    static constexpr unsigned columns_of_box = Tile::columns % 64 == 0 ? 64 : 32, row_bytes = 2 * columns_of_box,
                              weight_box_bytes = row_bytes * Tile::depth;
    static constexpr std::array<unsigned, 3> weight_box{columns_of_box, Tile::depth, 1};
    static constexpr int pending = 1;  ///< steps that may be under way
    static_assert(Tile::depth % 16 == 0 && box_bytes % 1024 == 0 && weight_box_bytes % 1024 == 0);

    /// How weights [tap][inputs][columns] lie.
    [[nodiscard]] static std::array<std::size_t, 3> weight_extents(const convolution_shape& s) {
        return {static_cast<std::size_t>(s.columns), static_cast<std::size_t>(s.inputs), static_cast<std::size_t>(s.taps())};
    }
    __device__ static void copy_weights(unsigned char* to, const CUtensorMap* weights, int column, int channel, int tap,
                                        arrival_barrier* b) {
        for (int i = 0; i < Tile::columns; i += columns_of_box, to += weight_box_bytes)
            copy_box_async(to, weights, column + i, channel, tap, b);
    }
    /// Begins the products of a step whose source and weights stand at `stage` in shared memory.
    __device__ void begin(const unsigned char* stage) {
        const unsigned left = shared_offset(stage) + threadIdx.x / 128 * box_bytes,
                       right = shared_offset(stage) + memory::left_bytes;
        base::open();
#pragma unroll
        for (unsigned k = 0; k < Tile::depth; k += 16)
            multiply_warpgroup<bfloat16, false>(base::sum, operand_descriptor(left + k * 128, 128, box_bytes),
                                                operand_descriptor(right + k * row_bytes, row_bytes, weight_box_bytes));
    }
};

/// The input channel at a place of TF32 weights [tap][columns][inputs]: of each eight the even ones first, so that the threads that
/// together hold four places of the source read it from different banks of the swizzled box.
[[nodiscard]] SADDLE_HOST_DEVICE constexpr int channel_at_place(int place) {
    return place / 8 * 8 + (place % 8 < 4 ? place % 4 * 2 : place % 4 * 2 + 1);
}

/// TF32: the source through registers, where it is rounded; the weights, rounded when they were packed, from shared memory, the
/// axis that is summed over contiguous. Boxes of 32 lanes × 32 channels and of 32 channels × Tile::columns columns.
template <class Tile>
struct warpgroup_multiply<tf32, Tile> : warpgroup_sums<Tile> {
    using base = warpgroup_sums<Tile>;
    using memory = wgmma_memory<float, Tile>;
    static constexpr unsigned box = 32, box_bytes = 128 * Tile::depth;
    static constexpr std::array<unsigned, 3> weight_box{Tile::depth, Tile::columns, 1};
    static constexpr int pending = 0;  ///< the next step's source takes the registers of this one's
    static_assert(Tile::depth == 32);

    std::uint32_t a[Tile::depth / 8][4];  ///< of the source, as products under way read it

    [[nodiscard]] static std::array<std::size_t, 3> weight_extents(const convolution_shape& s) {
        return {static_cast<std::size_t>(s.inputs + 7) / 8 * 8, static_cast<std::size_t>(s.columns),
                static_cast<std::size_t>(s.taps())};
    }
    __device__ static void copy_weights(unsigned char* to, const CUtensorMap* weights, int column, int channel, int tap,
                                        arrival_barrier* b) {
        copy_box_async(to, weights, channel, column, tap, b);
    }
    __device__ void begin(const unsigned char* stage) {
        const int thread = static_cast<int>(threadIdx.x);
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            const unsigned lane = static_cast<unsigned>(thread / 128 * 64 + fragment_row(thread % 128, i)),
                           channel = static_cast<unsigned>(channel_at_place(fragment_column(thread, i)));
            const unsigned char* const from = stage + lane / box * box_bytes + swizzled(channel * 128 + lane % box * 4, 128);
#pragma unroll
            for (int k = 0; k < Tile::depth / 8; ++k) a[k][i] = round_to_tf32(*reinterpret_cast<const float*>(from + k * 1024));
        }
        const unsigned right = shared_offset(stage) + memory::left_bytes;
        base::open();
#pragma unroll
        for (int k = 0; k < Tile::depth / 8; ++k)
            multiply_warpgroup(base::sum, a[k], row_descriptor(right + 32 * static_cast<unsigned>(k)));
    }
};

/// Goes through the steps of a convolution's sum at one pixel: Depth input channels each, of one tap inside the image after another.
template <int Depth>
struct tap_steps {
    const convolution_shape& s;
    int y, x, tap = -1, channel = 0, source = -1;

    __device__ tap_steps(const convolution_shape& shape, int pixel)
        : s(shape), y(pixel / shape.width), x(pixel % shape.width), channel(shape.inputs) {}
    /// On to the next step, from channel `channel` on of pixel `source`; false after the last.
    __device__ bool next() {
        channel += Depth;
        if (channel < s.inputs) return true;
        channel = 0;
        while (++tap < s.taps())
            if ((source = s.pixel_of(y, x, tap)) >= 0) return true;
        return false;
    }
};

/// implicit_gemm by warpgroup products, in bfloat16 or TF32: the same tensors, tiles, order of blocks and epilogue. `source` maps
/// [inputs][pixels][lanes], `weights` what weight_extents says. Channels past the last arrive as zeros. Each warpgroup multiplies 64 lanes
/// with all columns.
template <class Precision, class Tile, class Out>
__global__ void __launch_bounds__(Tile::threads, Tile::blocks)
    implicit_gemm_wgmma(const __grid_constant__ CUtensorMap source, const __grid_constant__ CUtensorMap weights,
                        convolution_shape s, epilogue<Out> finish, int lanes) {
#if defined(__CUDA_ARCH__) && !defined(__CUDA_ARCH_FEAT_SM90_ALL)
    __trap();
#else
    using multiply = warpgroup_multiply<Precision, Tile>;
    using memory = typename multiply::memory;
    const copy_ring<typename Precision::storage, Tile> ring;

    const int channel_tiles = (s.outputs + Tile::columns - 1) / Tile::columns, lane_tiles = lanes / Tile::rows;
    const int first_channel = static_cast<int>(blockIdx.x) % channel_tiles * Tile::columns;
    const int first_lane = static_cast<int>(blockIdx.x) / channel_tiles % lane_tiles * Tile::rows;
    const int pixel = static_cast<int>(blockIdx.x) / channel_tiles / lane_tiles;

    using steps = tap_steps<Tile::depth>;
    const auto copy = [&](const steps& at, unsigned char* to, arrival_barrier* arrivals) {
        for (unsigned i = 0; i < Tile::rows / multiply::box; ++i)
            copy_box_async(to + i * multiply::box_bytes, &source, first_lane + static_cast<int>(i * multiply::box), at.source,
                           at.channel, arrivals);
        multiply::copy_weights(to + memory::left_bytes, &weights, first_channel, at.channel, at.tap, arrivals);
    };
    const float* const sums = sum_steps<multiply>(ring, steps(s, pixel), copy);
    const std::size_t pixels = static_cast<std::size_t>(s.height) * s.width;
    for (int i = static_cast<int>(threadIdx.x); i < Tile::columns * Tile::rows / 4; i += Tile::threads) {
        const int column = i / (Tile::rows / 4), lane = i % (Tile::rows / 4) * 4, to = first_channel + column;
        if (to >= s.outputs) continue;
        finish.finish((to * pixels + pixel) * lanes + first_lane + lane, to,
                      load_four(sums + column * memory::sum_stride + lane));
    }
#endif
}

/// Writes 1 where the kernels by wgmma have been compiled for the device, else 0.
template <class = void>
__global__ void find_wgmma(int* found) {
#if defined(__CUDA_ARCH__) && !defined(__CUDA_ARCH_FEAT_SM90_ALL)
    *found = 0;
#else
    *found = 1;
#endif
}

}  // namespace saddle::cuda
