#pragma once
#include "saddle/backend/cuda/precision.cuh"

#include <array>
#include <cstddef>

namespace saddle::cuda::tuning {

/// A tile as cuda::tile has it, and the share of the tensor cores' rate that it is taken to reach; estimates: benchmarks/cuda prints
/// what a device gives.
struct convolution_tile {
    int rows, columns, warp_rows, warp_columns;
    double rate;
};
/// The tiles that convolutions are compiled for, largest first.
inline constexpr std::array<convolution_tile, 5> convolution_tiles{
    {{128, 128, 4, 2, 1.}, {128, 64, 4, 2, .85}, {64, 64, 2, 2, .7}, {64, 32, 2, 2, .5}, {64, 16, 4, 1, .35}}};
template <std::size_t I>
using convolution_tile_at = tile<convolution_tiles[I].rows, convolution_tiles[I].columns, convolution_tiles[I].warp_rows,
                                 convolution_tiles[I].warp_columns>;
/// Stages of the pipeline from global to shared memory, and slices of K, for layers as a whole and for those that are cut into
/// slices.
inline constexpr int convolution_stages = 3, sliced_stages = 2, slices = 4;

/// Whether a layer's K is cut into slices: by its shape alone, since the order of sums depends on it. Few results and many
/// products each.
[[nodiscard]] constexpr bool cuts_into_slices(std::size_t pixels, std::size_t channels, std::size_t products) {
    return pixels * channels <= 1024 && products >= 256;
}

/// The tile of a list, of at most so many rows, that should finish first: whole waves of blocks times the time of one.
template <class Tile, std::size_t Count>
[[nodiscard]] std::size_t quickest_tile(const std::array<Tile, Count>& tiles, std::size_t pixels, std::size_t lanes,
                                        std::size_t channels, std::size_t multiprocessors, std::size_t most_rows) {
    std::size_t best = Count - 1;
    double least = -1;
    for (std::size_t i = 0; i < Count; ++i) {
        const auto& t = tiles[i];
        const auto rows = static_cast<std::size_t>(t.rows), columns = static_cast<std::size_t>(t.columns);
        if (lanes % rows != 0 || rows > most_rows) continue;
        const std::size_t blocks = pixels * (lanes / rows) * ((channels + columns - 1) / columns);
        const std::size_t waves = (blocks + multiprocessors - 1) / multiprocessors;
        const double time = static_cast<double>(waves * rows * columns) / t.rate;
        if (least < 0 || time < least) {
            least = time;
            best = i;
        }
    }
    return best;
}

/// The tile that should finish first. Every tile gives the same bits.
[[nodiscard]] inline std::size_t choose_convolution_tile(std::size_t pixels, std::size_t lanes, std::size_t channels,
                                                         std::size_t multiprocessors, bool sliced) {
    const std::size_t most_rows = sliced ? 64 : 128;  // a block has at most 1024 threads
    return quickest_tile(convolution_tiles, pixels, lanes, channels, multiprocessors, most_rows);
}

/// Parts that a weight gradient's K is split into: by the layer's shape and the batch alone, so that sums keep their order.
[[nodiscard]] inline std::size_t gradient_parts(std::size_t tiles, std::size_t steps) {
    constexpr std::size_t wanted_blocks = 512, least_steps = 16;
    const std::size_t parts = (wanted_blocks + tiles - 1) / tiles, most = (steps + least_steps - 1) / least_steps;
    return parts < most ? (parts > 0 ? parts : 1) : (most > 0 ? most : 1);
}

/// Parts of a sum over a channel.
[[nodiscard]] inline std::size_t channel_parts(std::size_t fours) {
    constexpr std::size_t each = 4096;
    const std::size_t parts = (fours + each - 1) / each;
    return parts < 64 ? parts : 64;
}

}  // namespace saddle::cuda::tuning
