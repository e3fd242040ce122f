#pragma once
#include "saddle/certification/cuda/kernels/row_product.cuh"
#include "saddle/certification/cuda/kernels/row_tiles.cuh"

/// The backward pass of a convolution over tiles of 64 rows, an implicit matrix product in double.
namespace saddle::cuda {

/// to = (or +=) the coefficients of `node`'s window pushed back through its weights. A block is a group of input positions that
/// the same outputs read (a stride's square of them) × Tile::columns of its values; taps come in order, output channels inside
/// them.
///
/// Blocks: column tiles, groups of the largest window, tiles.
template <class Tile>
__global__ void __launch_bounds__(Tile::threads)
    substitute_convolution(node_view node, node_view in, tile_view tiles, coefficient_view from, coefficient_view to,
                           int group_rows, int group_columns, bool accumulate) {
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
    const auto tap = [&](int k) {
        const int ky = first_ky + k / kx_count, kx = first_kx + k % kx_count;
        return product_tap{from.tile(tile) + static_cast<std::size_t>((oy - ky - f.y) * f.width + ox - kx - f.x) * bound_lanes,
                           node.backward_weights +
                               static_cast<std::size_t>(ky * node.tap_columns() + kx) * node.channels * node.padded_columns};
    };
    double sum[Tile::each][Tile::rows] = {};
    multiply_tile<Tile>({.taps = ky_count > 0 && kx_count > 0 ? ky_count * kx_count : 0,
                         .channels = node.channels,
                         .channel_stride = static_cast<std::size_t>(f.height) * f.width * bound_lanes,
                         .first_column = first_column,
                         .columns = node.padded_columns},
                        tap, sum);

    const int row = tile_row<Tile>(), column = tile_column<Tile>();
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
