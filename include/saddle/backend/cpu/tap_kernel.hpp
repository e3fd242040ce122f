#pragma once
#include "saddle/backend/cpu/layout.hpp"
#include "saddle/core/arena.hpp"
#include "saddle/core/lanes.hpp"

#include <array>
#include <cstdint>

namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE {

/// What happens to a sum before it is stored. `addend` and `mask` have the layout of the output.
template <class T>
struct epilogue {
    T* output = nullptr;
    const T* addend = nullptr;  ///< added to the sum (a residual, or the gradient gathered so far)
    const T* mask = nullptr;    ///< the sum passes where this is > 0 (the derivative of a ReLU)
    bool relu = false;
};

template <class V, class T>
[[gnu::always_inline]] inline void finish(const epilogue<T>& e, std::ptrdiff_t at, V sum) {
    if (e.addend) sum += V::load_aligned(e.addend + at);
    if (e.relu) sum = choose(sum < V(0), V(0), sum);
    if (e.mask) sum = choose(V::load_aligned(e.mask + at) > V(0), sum, V(0));
    sum.store_aligned(e.output + at);
}

/// A run of output channels or pixels that one register tile covers.
struct tile_range {
    std::uint32_t first = 0, count = 0;
    std::size_t weights = 0;  ///< output channels only: where their packed weights start
};

/// One convolution-like sum: out[o][p] = bias[o] + Σ_c Σ_t w[o][c][t] · in[input_pixels[p] + c·channel_stride + taps[t]].
///
/// The forward pass, each phase of the backward pass and a linear layer are all of this form; offsets count values (lanes included).
struct tap_job {
    std::size_t channels = 0, channel_stride = 0;
    std::vector<std::int32_t> taps, input_pixels, output_pixels, output_channels;
    std::vector<tile_range> channel_tiles, pixel_tiles;
    std::size_t weights = 0, bias = 0;  ///< where the packed weights and the bias start
    std::size_t run = 1;                ///< taps come in runs of so many neighbours from left to right

    [[nodiscard]] std::size_t depth() const { return channels * taps.size(); }
    /// Whether every tile is of neighbouring pixels, so that a run of taps can share its inputs. Pays where channels do not share them.
    [[nodiscard]] bool in_rows() const { return run > 1 && output_channels.size() == 1; }
    /// How many pixels from `first` on are neighbours.
    [[nodiscard]] std::size_t row_from(std::size_t first) const {
        std::size_t count = 1;
        while (first + count < input_pixels.size() &&
               input_pixels[first + count] - input_pixels[first + count - 1] == taps[1] - taps[0])
            ++count;
        return count;
    }
};

/// The register tile: OC output channels × PX pixels of sums.
template <class V, int OC, int PX, class T>
void run_tile(const tap_job& job, const T* input, const T* weights, const T* bias, const std::int32_t* input_pixels,
              const std::int32_t* output_pixels, const std::int32_t* output_channels, const epilogue<T>& e) {
    V sum[OC][PX];
    const T* base[PX];
#pragma GCC unroll 16
    for (int p = 0; p < PX; ++p) base[p] = input + input_pixels[p];
#pragma GCC unroll 16
    for (int o = 0; o < OC; ++o) {
        const V start = V::broadcast(bias[o]);
#pragma GCC unroll 16
        for (int p = 0; p < PX; ++p) sum[o][p] = start;
    }
    const std::int32_t* const first_tap = job.taps.data();
    const std::int32_t* const last_tap = first_tap + job.taps.size();
    std::ptrdiff_t channel = 0;
    for (std::size_t c = 0; c < job.channels; ++c, channel += static_cast<std::ptrdiff_t>(job.channel_stride))
        for (const std::int32_t* tap = first_tap; tap != last_tap; ++tap, weights += OC) {
            const std::ptrdiff_t at = channel + *tap;
            // A linear layer reads each of its weights once a block, faster than processors fetch ahead of themselves.
            if constexpr (PX == 1 && OC >= 8) __builtin_prefetch(weights + 24 * OC);
            V x[PX];
#pragma GCC unroll 16
            for (int p = 0; p < PX; ++p) x[p] = V::load_aligned(base[p] + at);
#pragma GCC unroll 16
            for (int o = 0; o < OC; ++o) {
                const V w = V::broadcast(weights[o]);
#pragma GCC unroll 16
                for (int p = 0; p < PX; ++p) sum[o][p] = multiply_add(w, x[p], sum[o][p]);
            }
        }
#pragma GCC unroll 16
    for (int o = 0; o < OC; ++o)
#pragma GCC unroll 16
        for (int p = 0; p < PX; ++p) finish(e, std::ptrdiff_t{output_channels[o]} + output_pixels[p], sum[o][p]);
}

/// The register tile of one output channel on PX neighbouring pixels: every input of a run of taps is loaded once, and the lines of
/// the next PX pixels are asked for.
template <class V, int PX, class T>
void run_row_tile(const tap_job& job, const T* input, const T* weights, const T* bias, const std::int32_t* input_pixels,
                  const std::int32_t* output_pixels, const std::int32_t* output_channels, const epilogue<T>& e) {
    V sum[PX];
#pragma GCC unroll 16
    for (int p = 0; p < PX; ++p) sum[p] = V::broadcast(*bias);
    const std::int32_t* const first_tap = job.taps.data();
    const std::int32_t* const last_tap = first_tap + job.taps.size();
    const T* channel = input + *input_pixels;
    for (std::size_t c = 0; c < job.channels; ++c, channel += job.channel_stride)
        for (const std::int32_t* tap = first_tap; tap != last_tap; tap += job.run) {
            const T* in = channel + *tap;
            V x[PX];
#pragma GCC unroll 16
            for (int p = 0; p < PX; ++p) {
                x[p] = V::load_aligned(in + p * V::size);
                __builtin_prefetch(in + (PX + p) * V::size);
            }
            in += PX * V::size;
            for (std::size_t k = 0;;) {
                const V w = V::broadcast(*weights++);
#pragma GCC unroll 16
                for (int p = 0; p < PX; ++p) sum[p] = multiply_add(w, x[p], sum[p]);
                if (++k == job.run) break;
#pragma GCC unroll 16
                for (int p = 0; p + 1 < PX; ++p) x[p] = x[p + 1];
                x[PX - 1] = V::load_aligned(in);
                in += V::size;
            }
        }
#pragma GCC unroll 16
    for (int p = 0; p < PX; ++p) finish(e, std::ptrdiff_t{*output_channels} + output_pixels[p], sum[p]);
}

/// Registers decide the tile: 24 sums with 32 registers, 12 with 16.
template <class V>
inline constexpr int tile_sums = sizeof(V) == 64 ? 24 : 12;

/// Calls f(std::integral_constant<int, N>) with the one of `Counts` that is `count`, which must be among them.
template <int... Counts, class F>
void with_count(std::size_t count, F&& f) {
    (void)((count == Counts && (f(std::integral_constant<int, Counts>{}), true)) || ...);
}

/// Runs one tile. The counts of a tile are those of choose_tiles; only tiles that fit the registers exist.
template <class V, class T>
void run_one(const tap_job& job, const T* input, const T* weights, const T* bias, const tile_range& channels,
             const tile_range& pixels, const epilogue<T>& e) {
    with_count<4, 1, 3, 8, 16, 2>(channels.count, [&]<int OC>(std::integral_constant<int, OC>) {
        with_count<6, 8, 1, 2, 3, 4>(pixels.count, [&]<int PX>(std::integral_constant<int, PX>) {
            const auto run = [&](auto tile) {
                tile(job, input, weights + channels.weights, bias + channels.first, job.input_pixels.data() + pixels.first,
                     job.output_pixels.data() + pixels.first, job.output_channels.data() + channels.first, e);
            };
            if constexpr (OC == 1 && PX >= 4 && 2 * PX < tile_sums<V>)
                if (job.in_rows()) return run(run_row_tile<V, PX, T>);
            if constexpr (OC * PX <= tile_sums<V> && (OC != 2 || PX == 1)) run(run_tile<V, OC, PX, T>);
        });
    });
}

/// Runs a whole job on one block. `input` and the epilogue's pointers are the tensors' storage, borders included.
template <class V, class T>
void run_job(const tap_job& job, const T* input, const T* weights, const T* bias, const epilogue<T>& e) {
    for (const auto& pixels : job.pixel_tiles)
        for (const auto& channels : job.channel_tiles)
            run_one<V>(job, input, weights + job.weights, bias + job.bias, channels, pixels, e);
}

/// Chooses the register tiles of a job from its shape alone; `sums` is how many the registers hold.
///
/// Tiles are 16, 8, 4, 3 or 1 channels (2 for a single pixel) by 8, 6, 4, 3, 2 or 1 pixels: each further size costs compile time
/// in every program.
[[gnu::cold]] inline void choose_tiles(tap_job& job, std::size_t sums) {
    const std::size_t pixels = job.output_pixels.size(), channels = job.output_channels.size();
    std::vector<std::size_t> widths = pixels == 1   ? std::vector<std::size_t>{16, 8, 4, 2, 1}
                                      : pixels <= 3 ? std::vector<std::size_t>{8, 4, 1}
                                                    : std::vector<std::size_t>{4, 1};
    if (channels == 3) widths = {3};
    std::erase_if(widths, [&](std::size_t w) { return w > std::max<std::size_t>(sums, 1); });
    std::size_t widest = 1, weights = 0;
    for (std::size_t first = 0; first < channels;) {
        std::size_t width = 1;
        for (const auto w : widths)
            if (w <= channels - first) {
                width = w;
                break;
            }
        widest = std::max(widest, width);
        job.channel_tiles.push_back({static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(width), weights});
        weights += width * job.depth();
        first += width;
    }
    const std::size_t longest = std::min<std::size_t>(8, sums / widest);
    for (std::size_t first = 0, left = pixels; left > 0;) {
        std::size_t count = 1;
        const std::size_t reach = job.in_rows() ? job.row_from(first) : left;
        for (const std::size_t size : {8, 6, 4, 3, 2})
            if (size <= longest && size <= reach && reach - size != 1) {  // a single pixel would wait for its sums
                count = size;
                break;
            }
        job.pixel_tiles.push_back({static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(count), 0});
        first += count;
        left -= count;
    }
}

/// Takes room for a job's packed weights and bias in the program's pack; `used` counts values.
inline void reserve_weights(tap_job& job, std::size_t& used) {
    const auto take = [&](std::size_t count) {
        const std::size_t at = used;
        used += (count + 15) / 16 * 16;
        return at;
    };
    job.weights = take(job.depth() * job.output_channels.size());
    job.bias = take(job.output_channels.size());
}

/// Packs the weights of a job: per channel tile [channel][tap][output channel of the tile]; `weight(o, c, t)` reads one.
template <class T, class Weight>
void pack_weights(const tap_job& job, T* pack, Weight&& weight) {
    T* to = pack + job.weights;
    for (const auto& tile : job.channel_tiles)
        for (std::size_t c = 0; c < job.channels; ++c)
            for (std::size_t t = 0; t < job.taps.size(); ++t)
                for (std::size_t o = 0; o < tile.count; ++o) *to++ = weight(tile.first + o, c, t);
}

}  // namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE
