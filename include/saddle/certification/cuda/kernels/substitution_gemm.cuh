#pragma once
#include "saddle/certification/cuda/kernels/substitution.cuh"

/// The backward pass of a convolution over tiles of 64 rows, an implicit matrix product in double.
namespace saddle::cuda {

/// Tile of the product: 64 rows × Columns inputs, by threads that sum Rows × Each of them.
template <int Columns, int Rows, int Each>
struct substitution_tile {
    static constexpr int columns = Columns, rows = Rows, each = Each, depth = 16, stages = 2;
    static constexpr int row_threads = bound_lanes / Rows, threads = row_threads * (Columns / Each);
    static constexpr int source_stage = depth * bound_lanes, weight_stage = depth * Columns;
    static constexpr std::size_t shared = sizeof(double) * stages * (source_stage + weight_stage);
    static_assert(Rows % 2 == 0 && Columns % 2 == 0, "saddle: rows and columns go in pairs");
};

struct alignas(16) double_pair {
    double at[2];
};

/// to = (or +=) the coefficients of `node`'s window pushed back through its weights. A block is a group of input positions that
/// the same outputs read (a stride's square of them) × Tile::columns of its values; taps come in order, output channels inside
/// them.
///
/// Blocks: column tiles, groups of the largest window, tiles.
template <class Tile>
__global__ void __launch_bounds__(Tile::threads)
    substitute_convolution(node_view node, node_view in, tile_view tiles, coefficient_view from, coefficient_view to,
                           int group_rows, int group_columns, bool accumulate) {
    constexpr int depth = Tile::depth;
    double* const shared = shared_memory<double>();
    const int column_tiles = (node.columns + Tile::columns - 1) / Tile::columns;
    const int first_column = static_cast<int>(blockIdx.x) % column_tiles * Tile::columns;
    const int group = static_cast<int>(blockIdx.x) / column_tiles % (group_rows * group_columns);
    const std::size_t tile = blockIdx.x / static_cast<unsigned>(column_tiles) / static_cast<unsigned>(group_rows * group_columns);
    const int position = tiles.positions[tile], s = node.stride;
    const auto f = from.windows[position], t = to.windows[position];
    const int oy = (t.y + node.padding) / s + group / group_columns, ox = (t.x + node.padding) / s + group % group_columns;
    if (oy * s >= t.y + node.padding + t.height || ox * s >= t.x + node.padding + t.width) return;

    const int first_ky = std::max(0, oy - (f.y + f.height - 1)),
              ky_count = std::min(node.tap_rows() - 1, oy - f.y) - first_ky + 1;
    const int first_kx = std::max(0, ox - (f.x + f.width - 1)),
              kx_count = std::min(node.tap_columns() - 1, ox - f.x) - first_kx + 1;
    const int parts = (node.channels + depth - 1) / depth;
    const int steps = ky_count > 0 && kx_count > 0 ? ky_count * kx_count * parts : 0;
    const int thread = static_cast<int>(threadIdx.x);
    const double* const source = from.tile(tile);

    const auto load = [&](int step, int stage) {
        const int tap = step / parts, k0 = step % parts * depth;
        const int ky = first_ky + tap / kx_count, kx = first_kx + tap % kx_count;
        double* const a = shared + stage * (Tile::source_stage + Tile::weight_stage);
        double* const b = a + Tile::source_stage;
        const double* const cell = source + static_cast<std::size_t>((oy - ky - f.y) * f.width + ox - kx - f.x) * bound_lanes;
        const std::size_t channel_stride = static_cast<std::size_t>(f.height) * f.width * bound_lanes;
        for (int e = thread; e < depth * bound_lanes / 2; e += Tile::threads) {
            const int k = e / (bound_lanes / 2), pair = e % (bound_lanes / 2) * 2;
            const bool valid = k0 + k < node.channels;
            copy_async_16(a + k * bound_lanes + pair, cell + (valid ? (k0 + k) * channel_stride + pair : 0), valid);
        }
        const double* const weights =
            node.backward_weights + static_cast<std::size_t>(ky * node.tap_columns() + kx) * node.channels * node.padded_columns;
        for (int e = thread; e < depth * Tile::columns / 2; e += Tile::threads) {
            const int k = e / (Tile::columns / 2), column = first_column + e % (Tile::columns / 2) * 2;
            const bool valid = k0 + k < node.channels && column < node.padded_columns;
            copy_async_16(b + 2 * e, weights + (valid ? static_cast<std::size_t>(k0 + k) * node.padded_columns + column : 0),
                          valid);
        }
        copy_async_commit();
    };

    const int row = thread % Tile::row_threads * 2, column = thread / Tile::row_threads * Tile::each;
    double sum[Tile::each][Tile::rows] = {};
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

    for (int n = 0; n < Tile::each; ++n) {
        const int at = first_column + column + n;
        if (at >= node.columns) break;
        const int c = at % in.channels, place = at / in.channels;
        const int y = oy * s + place / s - node.padding - t.y, x = ox * s + place % s - node.padding - t.x;
        if (y < 0 || x < 0 || y >= t.height || x >= t.width) continue;
        double* const out = to.tile(tile) + static_cast<std::size_t>((c * t.height + y) * t.width + x) * bound_lanes + row;
        for (int r = 0; r < Tile::rows; r += 2) {
            auto& two = *reinterpret_cast<double_pair*>(out + r * Tile::row_threads);
            two.at[0] = accumulate ? two.at[0] + sum[n][r] : sum[n][r];
            two.at[1] = accumulate ? two.at[1] + sum[n][r + 1] : sum[n][r + 1];
        }
    }
}

}  // namespace saddle::cuda
