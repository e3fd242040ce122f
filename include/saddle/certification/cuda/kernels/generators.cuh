#pragma once
#include "saddle/certification/cuda/kernels/forms.cuh"
#include "saddle/certification/cuda/kernels/row_product.cuh"
#include "saddle/certification/cuda/kernels/row_tiles.cuh"

/// Generators of a zonotope on their way forward: a row of a tile is one generator of one image.
namespace saddle::cuda {

/// Values whose form has a generator of its own.
struct fresh_value {
    const double* fresh;

    static constexpr int rows = 1;
    [[nodiscard]] __device__ bool operator()(std::size_t at) const { return fresh[at] > 0; }
};

/// Where an image's generators stand that one node gave birth to: from a position's first row, image after image.
struct generator_places {
    const int* groups = nullptr;              ///< of every tile: what its windows are filed under
    const std::size_t* first_rows = nullptr;  ///< of every position
    const int *totals = nullptr,
              *before = nullptr;  ///< generators of a position [position], of the images before [position][image]
    int columns = 0;              ///< positions of a row of the map they are born in
};

/// The coefficients of a node from those of its input (and, of a sum, its second), but for a convolution. They may become the node's where
/// they stand if nothing moves. Blocks: tiles × cells of the largest window; 64 × substitution_threads threads.
template <class = void>
__global__ void __launch_bounds__(bound_lanes* substitution_threads)
    carry_generators(node_view node, node_view in, tile_view tiles, coefficient_view from, coefficient_view second,
                     coefficient_view to, generator_rule rule, int cells, int lanes) {
    using enum operation_kind;
    const std::size_t tile = blockIdx.x / static_cast<unsigned>(cells);
    const int cell = static_cast<int>(blockIdx.x % static_cast<unsigned>(cells)), group = tiles.positions[tile];
    const auto t = to.windows[group];
    if (cell >= t.height * t.width) return;
    const int image = std::max(tiles.rows[tile * bound_lanes + threadIdx.x].image, 0);
    const int y = t.y + cell / t.width, x = t.x + cell % t.width;
    const window_reader coefficient{from.tile(tile) + threadIdx.x, from.windows[group]};
    const window_reader other = second.data ? window_reader{second.tile(tile) + threadIdx.x, second.windows[group]} : coefficient;
    const auto of_value = [&](int k) { return coefficient(k / in.pixels(), k % in.pixels() / in.width, k % in.width); };
    double* const target = to.tile(tile) + static_cast<std::size_t>(cell) * bound_lanes + threadIdx.x;
    for (int c = static_cast<int>(threadIdx.y); c < node.channels; c += substitution_threads) {
        const int j = (c * node.height + y) * node.width + x;
        const std::size_t at = static_cast<std::size_t>(j) * lanes + image;
        double sum = 0;
        switch (node.kind) {
        case activation:
            if (const double slope = rule.slope[at]; slope != 0) sum = slope * coefficient(c, y, x);
            break;
        case scale_shift:
            sum = node.scale[c] * coefficient(c, y, x);
            break;
        case add:
            sum = coefficient(c, y, x);
            if (second.data) sum += other(c, y, x);
            break;
        case average_pool:
            for (int k = 0; k < node.taps(); ++k)
                sum += coefficient(c, y * node.stride - node.padding + k / node.kernel_width,
                                   x * node.stride - node.padding + k % node.kernel_width);
            sum *= node.share;
            break;
        case max_pool:
            if (const int chosen = rule.chosen[at]; chosen >= 0) sum = of_value(chosen);
            break;
        default:  // flatten keeps the order [channel][row][column]
            sum = of_value(j);
        }
        target[static_cast<std::size_t>(c) * t.height * t.width * bound_lanes] = sum;
    }
}

/// The coefficients of a convolution without its bias. A block is a position of the output × Tile::columns of its channels; taps come in
/// order, input channels inside them. Blocks: column tiles, cells of the largest window, tiles.
template <class Tile>
__global__ void __launch_bounds__(Tile::threads)
    convolve_generators(node_view node, node_view in, tile_view tiles, coefficient_view from, coefficient_view to, int cells) {
    const int column_tiles = (node.channels + Tile::columns - 1) / Tile::columns;
    const int first_column = static_cast<int>(blockIdx.x) % column_tiles * Tile::columns;
    const int cell = static_cast<int>(blockIdx.x) / column_tiles % cells;
    const std::size_t tile = blockIdx.x / static_cast<unsigned>(column_tiles) / static_cast<unsigned>(cells);
    const int group = tiles.positions[tile];
    const auto f = from.windows[group], t = to.windows[group];
    if (cell >= t.height * t.width) return;
    const int top = (t.y + cell / t.width) * node.stride - node.padding,
              left = (t.x + cell % t.width) * node.stride - node.padding;
    const int first_ky = std::max(0, f.y - top), ky_count = std::min(node.kernel_height, f.y + f.height - top) - first_ky;
    const int first_kx = std::max(0, f.x - left), kx_count = std::min(node.kernel_width, f.x + f.width - left) - first_kx;
    const auto tap = [&](int k) {
        const int ky = first_ky + k / kx_count, kx = first_kx + k % kx_count;
        return product_tap{from.tile(tile) + static_cast<std::size_t>((top + ky - f.y) * f.width + left + kx - f.x) * bound_lanes,
                           node.forward_weights +
                               static_cast<std::size_t>(ky * node.kernel_width + kx) * in.channels * node.forward_columns};
    };
    double sum[Tile::each][Tile::rows] = {};
    multiply_tile<Tile>({.taps = ky_count > 0 && kx_count > 0 ? ky_count * kx_count : 0,
                         .channels = in.channels,
                         .channel_stride = static_cast<std::size_t>(f.height) * f.width * bound_lanes,
                         .first_column = first_column,
                         .columns = node.forward_columns},
                        tap, sum);
    const int row = tile_row<Tile>(), column = first_column + tile_column<Tile>();
    for (int n = 0; n < Tile::each && column + n < node.channels; ++n) {
        double* const out =
            to.tile(tile) + (static_cast<std::size_t>(column + n) * t.height * t.width + cell) * bound_lanes + row;
        for (int r = 0; r < Tile::rows; r += 2)
            *reinterpret_cast<double_pair*>(out + r * Tile::row_threads) = {{sum[n][r], sum[n][r + 1]}};
    }
}

/// sums [value][image] += factor · Σ|coefficient| of each value, or, with labels, of each value's difference from the label's, over the
/// generators that one node gave birth to: position by position in the order of the map, so that an image's bits do not depend on its
/// batch. `sources`: for every pixel of the node the positions whose generators reach it. Grid as of bound_values.
template <bool Differences>
__global__ void sum_coefficients(node_view node, generator_places places, coefficient_view a, const map_window* sources,
                                 double factor, const int* labels, int images, int lanes, double* sums) {
    for_each_value(node, lanes, [&](int j, int lane, std::size_t at) {
        if (lane >= images) return;
        const auto w = sources[Differences ? 0 : j % node.pixels()];
        const auto reader_of = [&](int value) {  // of one value, whatever the row
            return [c = value / node.pixels(), y = value % node.pixels() / node.width,
                    x = value % node.width](const window_reader& coefficient) { return coefficient(c, y, x); };
        };
        const auto own = reader_of(j), other = reader_of(Differences ? labels[lane] : j);
        double sum = 0;
        for (int q = 0; q < w.height * w.width; ++q) {
            const int p = (w.y + q / w.width) * places.columns + w.x + q % w.width;
            const std::size_t here = static_cast<std::size_t>(p) * lanes + lane;
            const int first = places.before[here], last = lane + 1 < lanes ? places.before[here + 1] : places.totals[p];
            std::size_t row = places.first_rows[p] + static_cast<std::size_t>(first);
            for (int k = first; k < last; ++k, ++row) {
                const std::size_t tile = row / bound_lanes;
                const window_reader coefficient{a.tile(tile) + row % bound_lanes, a.windows[places.groups[tile]]};
                sum += std::abs(Differences ? other(coefficient) - own(coefficient) : own(coefficient));
            }
        }
        sums[at] += sum * factor;
    });
}

}  // namespace saddle::cuda
