#pragma once
#include "saddle/backend/cuda/precision.cuh"

/// The products of one tile from shared memory. Operand a is stored [k][row], b [k][column], as the layouts [channel][lane] and
/// [input channel][output channel] come; sums end in a tile [column][row] of floats.
namespace saddle::cuda {

/// Products by fused multiply-add, k in ascending order: full fp32.
template <class Tile>
struct multiply_fp32 {
    using element = float;
    static constexpr int depth = 16, pad = 8;
    static constexpr int row_threads = Tile::rows / 8, columns = Tile::columns * row_threads / Tile::threads;
    static_assert(columns >= 1, "saddle: too many threads for this tile");

    float sum[columns][8] = {};

    __device__ static int thread() { return static_cast<int>(threadIdx.x) % Tile::threads; }
    __device__ void add(const float* a, const float* b) {
        const int row = thread() % row_threads * 4, column = thread() / row_threads * columns;
        for (int k = 0; k < depth; ++k) {
            const float* left = a + k * (Tile::rows + pad);
            const auto low = load_four(left + row), high = load_four(left + Tile::rows / 2 + row);
#pragma unroll
            for (int c = 0; c < columns; ++c) {
                const float w = b[k * (Tile::columns + pad) + column + c];
#pragma unroll
                for (int i = 0; i < 4; ++i) {
                    sum[c][i] = fmaf(low.at[i], w, sum[c][i]);
                    sum[c][4 + i] = fmaf(high.at[i], w, sum[c][4 + i]);
                }
            }
        }
    }
    /// Leaves the sums at [column][row], or adds them to what stands there.
    __device__ void store(float* to, int stride, bool more = false) const {
        const int row = thread() % row_threads * 4, column = thread() / row_threads * columns;
#pragma unroll
        for (int c = 0; c < columns; ++c)
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                float& low = to[(column + c) * stride + row + i];
                float& high = to[(column + c) * stride + Tile::rows / 2 + row + i];
                low = more ? low + sum[c][i] : sum[c][i];
                high = more ? high + sum[c][4 + i] : sum[c][4 + i];
            }
    }
};

/// What both tensor-core forms share: the warp's place in the tile and the sums, as mma.sync leaves them.
template <class Tile>
struct multiply_warp {
    static constexpr int row_parts = Tile::rows_of_warp / 16, column_parts = Tile::columns_of_warp / 8;
    float sum[row_parts][column_parts][4] = {};

    __device__ static int thread() { return static_cast<int>(threadIdx.x) % Tile::threads; }
    __device__ static int lane() { return threadIdx.x % 32; }
    __device__ static int first_row() { return thread() / 32 % Tile::warp_rows * Tile::rows_of_warp; }
    __device__ static int first_column() { return thread() / 32 / Tile::warp_rows * Tile::columns_of_warp; }

    /// Leaves the sums at [column][row], or adds them to what stands there.
    __device__ void store(float* to, int stride, bool more = false) const {
        const int row = first_row() + lane() / 4, column = first_column() + lane() % 4 * 2;
#pragma unroll
        for (int r = 0; r < row_parts; ++r)
#pragma unroll
            for (int c = 0; c < column_parts; ++c)
#pragma unroll
                for (int i = 0; i < 4; ++i) {
                    float& at = to[(column + 8 * c + i % 2) * stride + row + 16 * r + i / 2 * 8];
                    at = more ? at + sum[r][c][i] : sum[r][c][i];
                }
    }
};

/// TF32 tensor cores; a is rounded on its way from shared memory, b has been rounded when it was packed.
template <class Tile>
struct multiply_tf32_tile : multiply_warp<Tile> {
    using element = float;
    using base = multiply_warp<Tile>;
    static constexpr int depth = 16, pad = 8;

    __device__ void add(const float* a, const float* b) {
        const int group = base::lane() / 4, place = base::lane() % 4;
        constexpr int a_stride = Tile::rows + pad, b_stride = Tile::columns + pad;
#pragma unroll
        for (int k = 0; k < depth; k += 8) {
            std::uint32_t left[base::row_parts][4];
#pragma unroll
            for (int r = 0; r < base::row_parts; ++r)
#pragma unroll
                for (int i = 0; i < 4; ++i)
                    left[r][i] =
                        round_to_tf32(a[(k + place + i / 2 * 4) * a_stride + base::first_row() + 16 * r + group + i % 2 * 8]);
#pragma unroll
            for (int c = 0; c < base::column_parts; ++c) {
                std::uint32_t right[2];
#pragma unroll
                for (int i = 0; i < 2; ++i)
                    right[i] =
                        std::bit_cast<std::uint32_t>(b[(k + place + 4 * i) * b_stride + base::first_column() + 8 * c + group]);
#pragma unroll
                for (int r = 0; r < base::row_parts; ++r) multiply_tf32(base::sum[r][c], left[r], right);
            }
        }
    }
};

/// bfloat16 tensor cores; both operands are transposed on their way from shared memory.
template <class Tile>
struct multiply_bf16_tile : multiply_warp<Tile> {
    using element = bfloat16;
    using base = multiply_warp<Tile>;
    static constexpr int depth = 32, pad = 8;

    __device__ void add(const bfloat16* a, const bfloat16* b) {
        const int matrix = base::lane() / 8, row = base::lane() % 8;
        constexpr int a_stride = Tile::rows + pad, b_stride = Tile::columns + pad;
#pragma unroll
        for (int k = 0; k < depth; k += 16) {
            std::uint32_t left[base::row_parts][4];
#pragma unroll
            for (int r = 0; r < base::row_parts; ++r)
                load_matrix_transposed(left[r],
                                       a + (k + row + matrix / 2 * 8) * a_stride + base::first_row() + 16 * r + matrix % 2 * 8);
#pragma unroll
            for (int c = 0; c < base::column_parts; c += 2) {
                std::uint32_t right[4];
                load_matrix_transposed(right,
                                       b + (k + row + matrix % 2 * 8) * b_stride + base::first_column() + 8 * c + matrix / 2 * 8);
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
struct multiply_for;
template <class Tile>
struct multiply_for<fp32, Tile> {
    using type = multiply_fp32<Tile>;
};
template <class Tile>
struct multiply_for<tf32, Tile> {
    using type = multiply_tf32_tile<Tile>;
};
template <class Tile>
struct multiply_for<bf16, Tile> {
    using type = multiply_bf16_tile<Tile>;
};

}  // namespace saddle::cuda
