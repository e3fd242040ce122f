#pragma once
#include "saddle/backend/cpu/winograd_grid.hpp"
#include "saddle/backend/cpu/winograd_transform.hpp"

namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE {

/// 3×3 convolution with stride 1 by Winograd's F(R×C, 3×3) (Lavin & Gray 2016, section 4.1): (R + 2)(C + 2) products for R·C outputs,
/// where the plain sum takes 9·R·C.
///
/// Every transform is elementwise over lanes; the middle is one product of matrices a plane, with the register tile of the direct
/// kernel.
struct winograd {
    /// Where a 2×2 max pool is joined: its output takes the place of the convolution's output in the forward pass, and of its input
    /// in the backward pass.
    enum class pool_side : std::uint8_t { no_pool, output, input };
    struct tile {
        std::int32_t input, output;       ///< offsets of the patch and of the result
        int height, width;                ///< of the result inside the tensor
        int odd_row = 0, odd_column = 0;  ///< of the patch's first value in its window, where a pool stands at the input
    };
    /// Tiles of one size.
    struct part {
        std::size_t rows = 0, columns = 0;  ///< outputs of a tile: 2, 4 or 5
        std::vector<tile> tiles{};
        std::size_t chunk = 0;    ///< tiles transformed together
        std::size_t group = 0;    ///< output channels multiplied before their sums are transformed back
        std::size_t weights = 0;  ///< where the packed ones start

        [[nodiscard]] std::size_t planes() const { return (rows + 2) * (columns + 2); }
        /// Values between two planes; odd multiples of a cache line keep them in different cache sets.
        [[nodiscard]] std::size_t plane(std::size_t channels, std::size_t lanes) const { return (channels * chunk | 1) * lanes; }
    };
    std::size_t inputs = 0, outputs = 0;              ///< channels
    std::size_t input_stride = 0, output_stride = 0;  ///< values between channels
    std::size_t input_row = 0, output_row = 0;        ///< values between rows
    std::vector<part> parts{};
    std::size_t bias = 0;
    pool_side pool = pool_side::no_pool;

    /// Scratch values one thread needs.
    [[nodiscard]] std::size_t scratch(std::size_t lanes) const {
        std::size_t most = 0;
        for (const auto& p : parts) most = std::max(most, p.planes() * (p.plane(inputs, lanes) + p.plane(p.group, lanes)));
        return most;
    }
};

/// Plans one direction: `padding` is that of the forward pass, or 2 - padding for the backward one.
/// Where a pool is joined, `side`'s layout is that of the pool's output, and `extent` the convolution's output in this direction.
[[nodiscard]] inline winograd plan_winograd(std::ptrdiff_t padding, const layout& input, const layout& output, extents extent,
                                            std::size_t lanes, std::size_t sums,
                                            winograd::pool_side pool = winograd::pool_side::no_pool) {
    winograd w;
    w.pool = pool;
    w.inputs = input.shape.channels;
    w.outputs = output.shape.channels;
    w.input_stride = input.channel_stride() * lanes;
    w.output_stride = output.channel_stride() * lanes;
    w.input_row = input.columns() * lanes;
    w.output_row = output.columns() * lanes;
    const auto l = static_cast<std::ptrdiff_t>(lanes);
    const auto grid = choose_grid(extent);
    for (const auto& rows : grid.rows)
        for (const auto& columns : grid.columns) {
            auto& part = w.parts.emplace_back(winograd::part{.rows = rows.edge, .columns = columns.edge});
            for (std::size_t i = 0; i < rows.count * columns.count; ++i) {
                const std::size_t row = rows.first + i / columns.count * rows.edge,
                                  column = columns.first + i % columns.count * columns.edge;
                const auto y = static_cast<std::ptrdiff_t>(row), x = static_cast<std::ptrdiff_t>(column);
                const auto place = [&](const layout& of, winograd::pool_side side, std::ptrdiff_t down, std::ptrdiff_t right) {
                    return static_cast<std::int32_t>((pool == side ? of.position(0, down >> 1, right >> 1)  //
                                                                   : of.position(0, down, right)) *
                                                     l);
                };
                part.tiles.push_back({place(input, winograd::pool_side::input, y - padding, x - padding),
                                      place(output, winograd::pool_side::output, y, x),
                                      static_cast<int>(std::min(rows.edge, extent.height - row)),
                                      static_cast<int>(std::min(columns.edge, extent.width - column)),
                                      static_cast<int>((y - padding) & 1), static_cast<int>((x - padding) & 1)});
            }
            // The transformed input of a chunk stays in the second-level cache with the sums of a group of output channels; where
            // one register tile's worth is too much for that, the planes are streamed once for all output channels.
            const std::size_t cache = std::size_t{512} << 10, widest = sums / 4, value = part.planes() * lanes * sizeof(float);
            const std::size_t wanted = std::clamp<std::size_t>(cache / (value * w.inputs * widest), 1, 4) * widest;
            const std::size_t chunks = (part.tiles.size() + wanted - 1) / wanted;
            part.chunk = (part.tiles.size() + chunks - 1) / chunks;
            part.group = value * w.inputs * part.chunk <= cache
                             ? std::clamp<std::size_t>(cache / 2 / (value * part.chunk) / 4 * 4, 4, w.outputs)
                             : w.outputs;
        }
    return w;
}

/// Takes room for the transformed weights and the bias in the program's pack.
inline void reserve_weights(winograd& w, std::size_t& used) {
    for (auto& part : w.parts) {
        part.weights = used;
        used += (part.planes() * w.inputs * w.outputs + 15) / 16 * 16;
    }
    w.bias = used;
    used += (w.outputs + 15) / 16 * 16;
}

namespace detail {

/// Calls f(std::integral_constant<int, R>, std::integral_constant<int, C>) with the size of a part's tiles.
template <class F>
void with_tile_size(const winograd::part& part, F&& f) {
    if (part.rows == 2) return f(std::integral_constant<int, 2>{}, std::integral_constant<int, 2>{});
    with_count<4, 5>(part.rows, [&](auto rows) { with_count<4, 5>(part.columns, [&](auto columns) { f(rows, columns); }); });
}

}  // namespace detail

/// Packs U = G g Gᵀ per plane, four output channels, input channel; `weight(o, i, k)` reads the 3×3 weights of one direction.
template <class T, class Weight>
void pack_winograd(const winograd& w, T* pack, Weight&& weight) {
    for (const auto& part : w.parts)
        detail::with_tile_size(part, [&]<int R, int C>(std::integral_constant<int, R>, std::integral_constant<int, C>) {
            using four_filters [[gnu::vector_size(32)]] = double;
            constexpr std::size_t planes = (R + 2) * (C + 2);
            const std::size_t plane = w.inputs * w.outputs;
            T* out = pack + part.weights;
            for (std::size_t first = 0; first < w.outputs; first += 4)
                for (std::size_t i = 0; i < w.inputs; ++i, out += 4) {
                    four_filters g[9], u[planes];
                    for (std::size_t k = 0; k < 9; ++k)
                        for (std::size_t o = 0; o < 4; ++o) g[k][o] = weight(first + o, i, k);
                    transform_weights<R, C>(g, u);
                    for (std::size_t p = 0; p < planes; ++p)
                        for (std::size_t o = 0; o < 4; ++o) out[p * plane + o] = static_cast<T>(u[p][o]);
                }
        });
}

namespace detail {

/// One register tile of a plane's product: 4 output channels × PX tiles. Weights further on are asked for: where tiles are few, they
/// come from the last cache, each once.
template <class V, int PX, class T>
void multiply_plane(const T* weights, const T* in, std::size_t step, std::size_t channels, T* out) {
    V sum[4][PX];
#pragma GCC unroll 16
    for (int o = 0; o < 4; ++o)
#pragma GCC unroll 16
        for (int p = 0; p < PX; ++p) sum[o][p] = V(T(0));
    for (std::size_t c = 0; c < channels; ++c, in += step, weights += 4) {
        V x[PX];
        __builtin_prefetch(weights + 256);
#pragma GCC unroll 16
        for (int p = 0; p < PX; ++p) {
            x[p] = V::load_aligned(in + p * V::size);
            keep_in_register(x[p]);
        }
#pragma GCC unroll 16
        for (int o = 0; o < 4; ++o) {
            const V w = V::broadcast(weights[o]);
#pragma GCC unroll 16
            for (int p = 0; p < PX; ++p) sum[o][p] = multiply_add(w, x[p], sum[o][p]);
        }
    }
#pragma GCC unroll 16
    for (int o = 0; o < 4; ++o)
#pragma GCC unroll 16
        for (int p = 0; p < PX; ++p) sum[o][p].store_aligned(out + o * step + p * V::size);
}

/// One plane's product for `count` tiles and output channels [first, last), split into register tiles of even width.
template <class V, class T>
void multiply_tiles(const T* weights, const T* in, std::size_t step, std::size_t channels, std::size_t count, std::size_t first,
                    std::size_t last, T* out) {
    constexpr std::size_t widest = tile_sums<V> / 4;
    const std::size_t parts = (count + widest - 1) / widest;
    for (std::size_t part = 0, t = 0; part < parts; ++part) {
        const std::size_t width = count / parts + (part < count % parts);
        for (std::size_t o = first; o < last; o += 4)
            with_count<6, 5, 4, 3, 2, 1>(width, [&]<int PX>(std::integral_constant<int, PX>) {
                if constexpr (PX <= widest)
                    multiply_plane<V, PX>(weights + o * channels, in + t * V::size, step, channels,
                                          out + (o - first) * step + t * V::size);
            });
        t += width;
    }
}

template <class V, int R, int C, class T>
void run_part(const winograd& w, const winograd::part& part, const T* input, const T* packed, const epilogue<T>& e, T* scratch,
              T* winner) {
    constexpr std::size_t l = V::size, planes = (R + 2) * (C + 2);
    const std::size_t in_plane = part.plane(w.inputs, l), out_plane = part.plane(part.group, l), step = part.chunk * l;
    T* const product = scratch + planes * in_plane;
    for (std::size_t at = 0; at < part.tiles.size(); at += part.chunk) {
        const winograd::tile* const tiles = part.tiles.data() + at;
        const std::size_t count = std::min(part.chunk, part.tiles.size() - at);
        for (std::size_t c = 0; c < w.inputs; ++c)
            for (std::size_t t = 0; t < count; ++t) {
                const std::size_t from = c * w.input_stride + static_cast<std::size_t>(tiles[t].input);
                T* const to = scratch + c * step + t * l;
                if (w.pool == winograd::pool_side::input) {
                    const routed_patch<V, T> patch(input + from, winner + from, w.input_row, tiles[t].odd_row,
                                                   tiles[t].odd_column);
                    transform_patch<V, R, C>(patch, to, in_plane);
                } else {
                    prefetch_rows<V, false>(input + from + w.input_stride, w.input_row, R + 2, C);
                    transform_patch<V, R, C>(stored_patch<V, T>{input + from, w.input_row}, to, in_plane);
                }
            }
        for (std::size_t first = 0; first < w.outputs; first += part.group) {
            const std::size_t last = std::min(first + part.group, w.outputs);
            for (std::size_t plane = 0; plane < planes; ++plane)
                multiply_tiles<V>(packed + part.weights + plane * w.inputs * w.outputs, scratch + plane * in_plane, step,
                                  w.inputs, count, first, last, product + plane * out_plane);
            for (std::size_t o = first; o < last; ++o) {
                const V bias = V::broadcast(packed[w.bias + o]);
                for (std::size_t t = 0; t < count; ++t) {
                    const winograd::tile& tile = tiles[t];
                    const auto to = static_cast<std::ptrdiff_t>(o * w.output_stride) + tile.output;
                    const T* const sums = product + (o - first) * step + t * l;
                    if constexpr (R % 2 == 0 && C % 2 == 0)
                        if (w.pool == winograd::pool_side::output) {
                            finish_pooled_tile<V, R, C>(sums, out_plane, bias, to, w.output_row, tile.height, tile.width, e,
                                                        winner);
                            continue;
                        }
                    prefetch_rows<V, true>(e.output + to + w.output_stride, w.output_row, R, C);
                    if (e.mask) prefetch_rows<V, false>(e.mask + to + w.output_stride, w.output_row, R, C);
                    finish_tile<V, R, C>(sums, out_plane, bias, to, w.output_row, tile.height, tile.width, e);
                }
            }
        }
    }
}

}  // namespace detail

/// Runs one direction on one block. `scratch` holds w.scratch(lanes) values; `winner` what a joined pool keeps between the forward
/// and the backward pass, in the layout of its output.
template <class V, class T>
void run_winograd(const winograd& w, const T* input, const T* packed, const epilogue<T>& e, T* scratch, T* winner = nullptr) {
    for (const auto& part : w.parts)
        detail::with_tile_size(part, [&]<int R, int C>(std::integral_constant<int, R>, std::integral_constant<int, C>) {
            detail::run_part<V, R, C>(w, part, input, packed, e, scratch, winner);
        });
}

}  // namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE
