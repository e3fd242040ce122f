#pragma once
#include "saddle/backend/cuda/kernels/convolution.cuh"

/// The weight gradient as a matrix product: rows are output channels, columns (tap, input channel), K the pixels and lanes.
/// Both operands have K as their contiguous axis.
namespace saddle::cuda {

/// Products of one tile from shared memory, operands [row][k] and [column][k], Multiply's sums.
template <class Precision, class Tile>
struct multiply_rows;

template <class Tile>
struct multiply_rows<fp32, Tile> : multiply_fp32<Tile> {
    static constexpr int depth = 32, pad = 4;
    __device__ void add(const float* a, const float* b) {
        using base = multiply_fp32<Tile>;
        const int row = base::thread() % base::row_threads * 4, column = base::thread() / base::row_threads * base::columns;
        for (int k = 0; k < depth; ++k) {
            float left[8];
#pragma unroll
            for (int i = 0; i < 8; ++i) left[i] = a[(row + i % 4 + i / 4 * (Tile::rows / 2)) * (depth + pad) + k];
#pragma unroll
            for (int c = 0; c < base::columns; ++c) {
                const float w = b[(column + c) * (depth + pad) + k];
#pragma unroll
                for (int i = 0; i < 8; ++i) base::sum[c][i] = fmaf(left[i], w, base::sum[c][i]);
            }
        }
    }
};

template <class Tile>
struct multiply_rows<tf32, Tile> : multiply_warp<Tile> {
    using element = float;
    static constexpr int depth = 32, pad = 4;
    __device__ void add(const float* a, const float* b) {
        using base = multiply_warp<Tile>;
        const int group = base::lane() / 4, place = base::lane() % 4;
#pragma unroll
        for (int k = 0; k < depth; k += 8) {
            std::uint32_t left[base::row_parts][4];
#pragma unroll
            for (int r = 0; r < base::row_parts; ++r)
#pragma unroll
                for (int i = 0; i < 4; ++i)
                    left[r][i] = std::bit_cast<std::uint32_t>(
                        a[(base::first_row() + 16 * r + group + i % 2 * 8) * (depth + pad) + k + place + i / 2 * 4]);
#pragma unroll
            for (int c = 0; c < base::column_parts; ++c) {
                std::uint32_t right[2];
#pragma unroll
                for (int i = 0; i < 2; ++i)
                    right[i] = std::bit_cast<std::uint32_t>(
                        b[(base::first_column() + 8 * c + group) * (depth + pad) + k + place + 4 * i]);
#pragma unroll
                for (int r = 0; r < base::row_parts; ++r) multiply_tf32(base::sum[r][c], left[r], right);
            }
        }
    }
};

template <class Tile>
struct multiply_rows<bf16, Tile> : multiply_warp<Tile> {
    using element = bfloat16;
    static constexpr int depth = 64, pad = 8;
    __device__ void add(const bfloat16* a, const bfloat16* b) {
        using base = multiply_warp<Tile>;
        const int matrix = base::lane() / 8, row = base::lane() % 8;
#pragma unroll
        for (int k = 0; k < depth; k += 16) {
            std::uint32_t left[base::row_parts][4];
#pragma unroll
            for (int r = 0; r < base::row_parts; ++r)
                load_matrix(left[r],
                            a + (base::first_row() + 16 * r + row + matrix % 2 * 8) * (depth + pad) + k + matrix / 2 * 8);
#pragma unroll
            for (int c = 0; c < base::column_parts; c += 2) {
                std::uint32_t right[4];
                load_matrix(right,
                            b + (base::first_column() + 8 * c + row + matrix / 2 * 8) * (depth + pad) + k + matrix % 2 * 8);
                const std::uint32_t first[2] = {right[0], right[1]}, second[2] = {right[2], right[3]};
#pragma unroll
                for (int r = 0; r < base::row_parts; ++r) {
                    multiply_bf16(base::sum[r][c], left[r], first);
                    multiply_bf16(base::sum[r][c + 1], left[r], second);
                }
            }
        }
    }
};

template <class Precision, class Tile>
[[nodiscard]] constexpr std::size_t gradient_shared() {
    using product = multiply_rows<Precision, Tile>;
    constexpr std::size_t stage =
        sizeof(typename product::element) * (Tile::rows + Tile::columns) * (product::depth + product::pad);
    constexpr std::size_t sums = sizeof(float) * Tile::columns * (Tile::rows + 4);
    return 2 * stage > sums ? 2 * stage : sums;
}

/// Part `blockIdx.y` of the sums: partial [part][O][taps · I]. `s` is the forward convolution; x [I][H][W][lanes], dy
/// [O][h][w][lanes]. Block x: row tile · column tiles. A part covers an equal share of the steps, a step being one pixel ×
/// depth lanes.
template <class Precision, class Tile, class X, class G>
__global__ void __launch_bounds__(Tile::threads)
    weight_gradient(const X* x, const G* dy, convolution_shape s, int lanes, int parts, float* partial) {
    using product = multiply_rows<Precision, Tile>;
    using T = typename product::element;
    constexpr int depth = product::depth, stride = depth + product::pad, stage = (Tile::rows + Tile::columns) * stride;
    constexpr int fours = depth / 4;
    constexpr int a_loads = (Tile::rows * fours + Tile::threads - 1) / Tile::threads;
    constexpr int b_loads = (Tile::columns * fours + Tile::threads - 1) / Tile::threads;
    T* const shared = shared_memory<T>();

    const int total_columns = s.taps() * s.inputs, column_tiles = (total_columns + Tile::columns - 1) / Tile::columns;
    const int first_row = static_cast<int>(blockIdx.x) / column_tiles * Tile::rows;
    const int first_column = static_cast<int>(blockIdx.x) % column_tiles * Tile::columns;
    const int last_column = first_column + Tile::columns < total_columns ? first_column + Tile::columns - 1 : total_columns - 1;
    const bool one_tap = first_column / s.inputs == last_column / s.inputs;
    const int chunks = (lanes + depth - 1) / depth, pixels = s.height * s.width, source_pixels = s.source_height * s.source_width;
    const long long steps = static_cast<long long>(pixels) * chunks, part = static_cast<int>(blockIdx.y);
    const int begin = static_cast<int>(steps * part / parts), end = static_cast<int>(steps * (part + 1) / parts);

    four_lanes<float> left[a_loads], right[b_loads];
    int column_tap[b_loads], column_channel[b_loads];  // of this thread's columns, -1 past the last
#pragma unroll
    for (int i = 0; i < b_loads; ++i) {
        const int at = static_cast<int>(threadIdx.x) + i * Tile::threads, column = first_column + at / fours;
        const bool inside = at < Tile::columns * fours && column < total_columns;
        column_tap[i] = inside ? column / s.inputs : -1;
        column_channel[i] = inside ? column % s.inputs : 0;
    }
    /// The next step at or after `step` that has a tap inside the image.
    const auto reach = [&](int step) {
        while (one_tap && step < end && s.pixel_of(step / chunks / s.width, step / chunks % s.width, first_column / s.inputs) < 0)
            step = (step / chunks + 1) * chunks;
        return step < end ? step : end;
    };
    const auto fetch = [&](int step) {
        const int pixel = step / chunks, lane = step % chunks * depth, y = pixel / s.width, x_of = pixel % s.width;
        const int common = one_tap ? s.pixel_of(y, x_of, first_column / s.inputs) : 0;
#pragma unroll
        for (int i = 0; i < a_loads; ++i) {
            const int at = static_cast<int>(threadIdx.x) + i * Tile::threads, row = first_row + at / fours,
                      k = lane + at % fours * 4;
            left[i] = {};
            if (at < Tile::rows * fours && row < s.outputs && k < lanes)
                left[i] = load_four(dy + (static_cast<std::size_t>(row) * pixels + pixel) * lanes + k);
        }
#pragma unroll
        for (int i = 0; i < b_loads; ++i) {
            const int k = lane + (static_cast<int>(threadIdx.x) + i * Tile::threads) % fours * 4;
            right[i] = {};
            if (column_tap[i] < 0 || k >= lanes) continue;
            const int source = one_tap ? common : s.pixel_of(y, x_of, column_tap[i]);
            if (source >= 0)
                right[i] = load_four(x + (static_cast<std::size_t>(column_channel[i]) * source_pixels + source) * lanes + k);
        }
    };
    const auto put = [&](int slot) {
        T* const a = shared + slot * stage;
        T* const b = a + Tile::rows * stride;
        const auto place = [&](T* to, const four_lanes<float>& v) {
            four_lanes<T> rounded;
#pragma unroll
            for (int i = 0; i < 4; ++i) rounded.at[i] = Precision::round(v.at[i]);
            *reinterpret_cast<four_lanes<T>*>(to) = rounded;
        };
#pragma unroll
        for (int i = 0; i < a_loads; ++i) {
            const int at = static_cast<int>(threadIdx.x) + i * Tile::threads;
            if (at < Tile::rows * fours) place(a + at / fours * stride + at % fours * 4, left[i]);
        }
#pragma unroll
        for (int i = 0; i < b_loads; ++i) {
            const int at = static_cast<int>(threadIdx.x) + i * Tile::threads;
            if (at < Tile::columns * fours) place(b + at / fours * stride + at % fours * 4, right[i]);
        }
    };

    product sums;
    int step = reach(begin), slot = 0;
    if (step < end) fetch(step);
    while (step < end) {
        put(slot);
        __syncthreads();
        const int next = reach(step + 1);
        if (next < end) fetch(next);
        sums.add(shared + slot * stage, shared + slot * stage + Tile::rows * stride);
        step = next;
        slot = 1 - slot;
    }
    __syncthreads();
    float* const tile_sums = shared_memory<float>();
    constexpr int tile_stride = Tile::rows + 4;
    sums.store(tile_sums, tile_stride);
    __syncthreads();
    for (int i = static_cast<int>(threadIdx.x); i < Tile::rows * Tile::columns; i += Tile::threads) {
        const int row = i / Tile::columns, column = i % Tile::columns;
        if (first_row + row >= s.outputs || first_column + column >= total_columns) continue;
        partial[(static_cast<std::size_t>(blockIdx.y) * s.outputs + first_row + row) * total_columns + first_column + column] =
            tile_sums[column * tile_stride + row];
    }
}

/// Adds the parts in order to the gradient [O][I][taps].
template <class = void>
__global__ void fold_weight_gradient(const float* partial, int parts, int outputs, int inputs, int taps, float* gradient) {
    const std::size_t i = blockIdx.x * std::size_t{256} + threadIdx.x, size = static_cast<std::size_t>(outputs) * inputs * taps;
    if (i >= size) return;
    float sum = 0;
    for (int p = 0; p < parts; ++p) sum += partial[p * size + i];
    const std::size_t column = i % (static_cast<std::size_t>(inputs) * taps), o = i / (static_cast<std::size_t>(inputs) * taps);
    gradient[(o * inputs + column % inputs) * taps + column / inputs] += sum;
}

}  // namespace saddle::cuda
