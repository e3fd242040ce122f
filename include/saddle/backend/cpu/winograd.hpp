#pragma once
#include "saddle/backend/cpu/winograd_transform.hpp"
#include "saddle/nn/plan.hpp"

namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE {

/// 3×3 convolution with stride 1 by Winograd's F(2×2, 3×3) or F(4×4, 3×3) (Lavin & Gray 2016, section 4.1): 16 products for 4
/// outputs, or 36 for 16, where the plain sum takes 36 and 144.
///
/// Every transform is elementwise over lanes; the middle is one product of matrices a plane, with the register tile of the direct
/// kernel.
struct winograd {
    std::size_t edge = 2;                             ///< outputs of a tile in a row: 2 or 4
    std::size_t inputs = 0, outputs = 0;              ///< channels
    std::size_t input_stride = 0, output_stride = 0;  ///< values between channels
    std::size_t input_row = 0, output_row = 0;        ///< values between rows
    struct tile {
        std::int32_t input, output;  ///< offsets of the patch and of the result
        int height, width;           ///< of the result inside the tensor
    };
    std::vector<tile> tiles;
    std::size_t chunk = 0;  ///< tiles transformed together
    std::size_t group = 0;  ///< output channels multiplied before their sums are transformed back
    std::size_t weights = 0, bias = 0;

    [[nodiscard]] std::size_t planes() const { return (edge + 2) * (edge + 2); }
    [[nodiscard]] std::size_t transformed_size() const { return planes() * inputs * outputs; }
    /// Values between two planes; odd multiples of a cache line keep them in different cache sets.
    [[nodiscard]] std::size_t plane(std::size_t channels, std::size_t lanes) const { return (channels * chunk | 1) * lanes; }
    /// Scratch values one thread needs.
    [[nodiscard]] std::size_t scratch(std::size_t lanes) const { return planes() * (plane(inputs, lanes) + plane(group, lanes)); }
};

/// Chosen by layer shape alone: where the products outweigh the transforms.
[[nodiscard]] inline bool winograd_pays(const saddle::window& w, std::size_t inputs, std::size_t outputs) {
    return w.height == 3 && w.width == 3 && w.stride == 1 && w.padding <= 2 && inputs >= 16 && outputs >= 16 && inputs % 4 == 0 &&
           outputs % 4 == 0;
}

/// Tiles of `edge` outputs that cover a tensor.
[[nodiscard]] inline std::size_t count_tiles(extents output, std::size_t edge) {
    return (output.height + edge - 1) / edge * ((output.width + edge - 1) / edge);
}

/// The edge with fewer products for an output; fewer than four tiles would leave the register tile waiting for its sums.
[[nodiscard]] inline std::size_t winograd_edge(extents output) {
    const auto products = [&](std::size_t edge) {
        return std::max<std::size_t>(count_tiles(output, edge), 4) * (edge + 2) * (edge + 2);
    };
    return products(4) < products(2) ? 4 : 2;
}

/// Borders that whole tiles need beyond those of the taps, for one direction.
inline void reserve_winograd_border(std::ptrdiff_t padding, layout& input, extents output) {
    const std::size_t edge = winograd_edge(output);
    const auto reach = [&](std::size_t n) { return static_cast<std::ptrdiff_t>((n + edge - 1) / edge * edge) + 1 - padding; };
    input.require_border(-padding, reach(output.height), reach(output.width));
}

/// Plans one direction: `padding` is that of the forward pass, or 2 - padding for the backward one.
[[nodiscard]] inline winograd plan_winograd(std::ptrdiff_t padding, const layout& input, const layout& output, std::size_t lanes,
                                            std::size_t sums) {
    winograd w;
    w.edge = winograd_edge(output.shape);
    w.inputs = input.shape.channels;
    w.outputs = output.shape.channels;
    w.input_stride = input.channel_stride() * lanes;
    w.output_stride = output.channel_stride() * lanes;
    w.input_row = input.columns() * lanes;
    w.output_row = output.columns() * lanes;
    const auto l = static_cast<std::ptrdiff_t>(lanes), edge = static_cast<std::ptrdiff_t>(w.edge);
    const auto rows = static_cast<std::ptrdiff_t>(output.shape.height), columns = static_cast<std::ptrdiff_t>(output.shape.width);
    for (std::ptrdiff_t y = 0; y < rows; y += edge)
        for (std::ptrdiff_t x = 0; x < columns; x += edge)
            w.tiles.push_back({static_cast<std::int32_t>(input.position(0, y - padding, x - padding) * l),
                               static_cast<std::int32_t>(output.position(0, y, x) * l),
                               static_cast<int>(std::min(edge, rows - y)), static_cast<int>(std::min(edge, columns - x))});
    // The transformed input of a chunk stays in the second-level cache with the sums of a group of output channels; where one
    // register tile's worth is too much for that, the planes are streamed once for all output channels.
    const std::size_t cache = std::size_t{512} << 10, widest = sums / 4, value = w.planes() * lanes * sizeof(float);
    const std::size_t wanted = std::clamp<std::size_t>(cache / (value * w.inputs * widest), 1, 4) * widest;
    const std::size_t chunks = (w.tiles.size() + wanted - 1) / wanted;
    w.chunk = (w.tiles.size() + chunks - 1) / chunks;
    w.group = value * w.inputs * w.chunk <= cache ? std::clamp<std::size_t>(cache / 2 / (value * w.chunk) / 4 * 4, 4, w.outputs)
                                                  : w.outputs;
    return w;
}

/// Takes room for the transformed weights and the bias in the program's pack.
inline void reserve_weights(winograd& w, std::size_t& used) {
    w.weights = used;
    w.bias = used + w.transformed_size();
    used = w.bias + (w.outputs + 15) / 16 * 16;
}

/// Packs U = G g Gᵀ per plane, four output channels, input channel; `weight(o, i, k)` reads the 3×3 weights of one direction.
template <class T, class Weight>
void pack_winograd(const winograd& w, T* pack, Weight&& weight) {
    const std::size_t planes = w.planes(), plane = w.inputs * w.outputs;
    T* out = pack + w.weights;
    for (std::size_t first = 0; first < w.outputs; first += 4)
        for (std::size_t i = 0; i < w.inputs; ++i, out += 4)
            for (std::size_t o = 0; o < 4; ++o) {
                double g[9], u[36];
                for (std::size_t k = 0; k < 9; ++k) g[k] = weight(first + o, i, k);
                if (w.edge == 4)
                    transform_weights<4>(g, u);
                else
                    transform_weights<2>(g, u);
                for (std::size_t p = 0; p < planes; ++p) out[p * plane + o] = static_cast<T>(u[p]);
            }
}

namespace detail {

/// One register tile of a plane's product: 4 output channels × PX tiles.
template <class V, int PX, class T>
void multiply_plane(const T* weights, const T* in, std::size_t step, std::size_t channels, T* out) {
    V sum[4][PX];
#pragma GCC unroll 16
    for (int o = 0; o < 4; ++o)
#pragma GCC unroll 16
        for (int p = 0; p < PX; ++p) sum[o][p] = V(T(0));
    for (std::size_t c = 0; c < channels; ++c, in += step, weights += 4) {
        V x[PX];
#pragma GCC unroll 16
        for (int p = 0; p < PX; ++p) x[p] = V::load_aligned(in + p * V::size);
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

template <class V, int M, class T>
void run_winograd(const winograd& w, const T* input, const T* packed, const epilogue<T>& e, T* scratch) {
    constexpr std::size_t l = V::size, planes = (M + 2) * (M + 2);
    const std::size_t in_plane = w.plane(w.inputs, l), out_plane = w.plane(w.group, l), step = w.chunk * l;
    T* const product = scratch + planes * in_plane;
    for (std::size_t at = 0; at < w.tiles.size(); at += w.chunk) {
        const winograd::tile* const tiles = w.tiles.data() + at;
        const std::size_t count = std::min(w.chunk, w.tiles.size() - at);
        for (std::size_t c = 0; c < w.inputs; ++c)
            for (std::size_t t = 0; t < count; ++t) {
                const T* const patch = input + c * w.input_stride + tiles[t].input;
                prefetch_rows<V, M + 2, M, false>(patch + w.input_stride, w.input_row);
                transform_patch<V, M>(patch, w.input_row, scratch + c * step + t * l, in_plane);
            }
        for (std::size_t first = 0; first < w.outputs; first += w.group) {
            const std::size_t last = std::min(first + w.group, w.outputs);
            for (std::size_t plane = 0; plane < planes; ++plane)
                multiply_tiles<V>(packed + w.weights + plane * w.inputs * w.outputs, scratch + plane * in_plane, step, w.inputs,
                                  count, first, last, product + plane * out_plane);
            for (std::size_t o = first; o < last; ++o) {
                const V bias = V::broadcast(packed[w.bias + o]);
                for (std::size_t t = 0; t < count; ++t) {
                    const auto to = static_cast<std::ptrdiff_t>(o * w.output_stride) + tiles[t].output;
                    prefetch_rows<V, M, M, true>(e.output + to + w.output_stride, w.output_row);
                    if (e.mask) prefetch_rows<V, M, M, false>(e.mask + to + w.output_stride, w.output_row);
                    finish_tile<V, M>(product + (o - first) * step + t * l, out_plane, bias, to, w.output_row, tiles[t].height,
                                      tiles[t].width, e);
                }
            }
        }
    }
}

}  // namespace detail

/// Runs one direction on one block. `scratch` holds w.scratch(lanes) values.
template <class V, class T>
void run_winograd(const winograd& w, const T* input, const T* packed, const epilogue<T>& e, T* scratch) {
    if (w.edge == 4)
        detail::run_winograd<V, 4>(w, input, packed, e, scratch);
    else
        detail::run_winograd<V, 2>(w, input, packed, e, scratch);
}

}  // namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE
