#pragma once
#include "saddle/certification/cuda/kernels/node_view.cuh"

/// Products of tiles of 64 rows with weights, in double: the core of convolutions over rows.
namespace saddle::cuda {

/// Tile of the product: 64 rows × Columns inputs, by threads that sum Rows × Each of them.
template <int Columns, int Rows, int Each>
struct product_tile {
    static constexpr int columns = Columns, rows = Rows, each = Each, depth = 16, stages = 2;
    static constexpr int row_threads = bound_lanes / Rows, threads = row_threads * (Columns / Each);
    static constexpr int source_stage = depth * bound_lanes, weight_stage = depth * Columns;
    static constexpr std::size_t shared = sizeof(double) * stages * (source_stage + weight_stage);
    static_assert(Rows % 2 == 0 && Columns % 2 == 0, "saddle: rows and columns go in pairs");
};

/// Calls f with the tile for weights of so many columns.
template <class F>
void with_product_tile(int columns, F&& f) {
    columns <= 4 ? f(product_tile<4, 4, 1>{}) : columns <= 16 ? f(product_tile<16, 4, 4>{}) : f(product_tile<32, 8, 4>{});
}

struct alignas(16) double_pair {
    double at[2];
};

/// Sums over `taps` taps in order, input channels inside them.
struct row_product {
    int taps = 0, channels = 0;
    std::size_t channel_stride = 0;     ///< from a channel's rows to the next one's
    int first_column = 0, columns = 0;  ///< of the weights; a multiple of 4 columns
};

/// One tap: the rows of its first channel, and its weights [channel][column].
struct product_tap {
    const double *rows, *weights;
};

/// The first row of a pair, and the first column, that this thread sums; its next pair is 2 · row_threads rows further.
template <class Tile>
[[nodiscard]] __device__ inline int tile_row() {
    return static_cast<int>(threadIdx.x) % Tile::row_threads * 2;
}
template <class Tile>
[[nodiscard]] __device__ inline int tile_column() {
    return static_cast<int>(threadIdx.x) / Tile::row_threads * Tile::each;
}

/// sum[column][row] += Σ over taps and channels of rows · weights. `tap_of(t)` gives tap t. All threads of a block of Tile::threads.
template <class Tile, class Taps>
__device__ inline void multiply_tile(const row_product& p, const Taps& tap_of, double (&sum)[Tile::each][Tile::rows]) {
    constexpr int depth = Tile::depth;
    double* const shared = shared_memory<double>();
    const int thread = static_cast<int>(threadIdx.x), row = tile_row<Tile>(), column = tile_column<Tile>();
    const int parts = (p.channels + depth - 1) / depth, steps = p.taps * parts;
    const auto load = [&](int step, int stage) {
        const product_tap tap = tap_of(step / parts);
        const int k0 = step % parts * depth;
        double* const a = shared + stage * (Tile::source_stage + Tile::weight_stage);
        double* const b = a + Tile::source_stage;
        for (int e = thread; e < depth * bound_lanes / 2; e += Tile::threads) {
            const int k = e / (bound_lanes / 2), pair = e % (bound_lanes / 2) * 2;
            const bool valid = k0 + k < p.channels;
            copy_async_16(a + k * bound_lanes + pair, tap.rows + (valid ? (k0 + k) * p.channel_stride + pair : 0), valid);
        }
        for (int e = thread; e < depth * Tile::columns / 2; e += Tile::threads) {
            const int k = e / (Tile::columns / 2), at = p.first_column + e % (Tile::columns / 2) * 2;
            const bool valid = k0 + k < p.channels && at < p.columns;
            copy_async_16(b + 2 * e, tap.weights + (valid ? static_cast<std::size_t>(k0 + k) * p.columns + at : 0), valid);
        }
        copy_async_commit();
    };
    if (steps > 0) load(0, 0);
    for (int step = 0; step < steps; ++step) {
        if (step + 1 < steps) {
            load(step + 1, (step + 1) % Tile::stages);
            copy_async_wait<1>();
        } else {
            copy_async_wait<0>();
        }
        __syncthreads();
        const double* const a = shared + step % Tile::stages * (Tile::source_stage + Tile::weight_stage);
        const double* const b = a + Tile::source_stage;
#pragma unroll 4
        for (int k = 0; k < depth; ++k) {
            double left[Tile::rows];
#pragma unroll
            for (int r = 0; r < Tile::rows; r += 2) {
                const auto two = *reinterpret_cast<const double_pair*>(a + k * bound_lanes + row + r * Tile::row_threads);
                left[r] = two.at[0];
                left[r + 1] = two.at[1];
            }
#pragma unroll
            for (int n = 0; n < Tile::each; ++n) {
                const double w = b[k * Tile::columns + column + n];
#pragma unroll
                for (int r = 0; r < Tile::rows; ++r) sum[n][r] = std::fma(left[r], w, sum[n][r]);
            }
        }
        __syncthreads();
    }
}

}  // namespace saddle::cuda
