#pragma once
#include "saddle/backend/cpu/tap_kernel.hpp"
#include "saddle/nn/plan.hpp"

namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE {

/// 3×3 convolution with stride 1 by Winograd's F(2×2, 3×3) (Lavin & Gray 2016, section 4.1): 16 products for 4 outputs instead of 36.
///
/// Every transform is elementwise over lanes; the middle is 16 products of matrices with the register tile of the direct kernel.
struct winograd {
    std::size_t inputs = 0, outputs = 0;              ///< channels
    std::size_t input_stride = 0, output_stride = 0;  ///< values between channels
    std::size_t input_row = 0, output_row = 0;        ///< values between rows
    struct tile {
        std::int32_t input, output;      ///< offsets of the 4×4 patch and of the 2×2 result
        bool second_row, second_column;  ///< does the result reach that far
    };
    std::vector<tile> tiles;
    std::size_t chunk = 0;  ///< tiles transformed together
    std::vector<tile_range> channel_tiles;
    std::size_t weights = 0, bias = 0;

    [[nodiscard]] std::size_t transformed_size() const { return 16 * inputs * outputs; }
    /// Values between two of the 16 planes; odd multiples of a cache line keep them in different cache sets.
    [[nodiscard]] std::size_t plane(std::size_t channels, std::size_t lanes) const { return (channels * chunk | 1) * lanes; }
    /// Scratch values one thread needs.
    [[nodiscard]] std::size_t scratch(std::size_t lanes) const { return 16 * (plane(inputs, lanes) + plane(outputs, lanes)); }
};

/// Chosen by layer shape alone: where the products outweigh the transforms.
[[nodiscard]] inline bool winograd_pays(const saddle::window& w, std::size_t inputs, std::size_t outputs) {
    return w.height == 3 && w.width == 3 && w.stride == 1 && w.padding <= 2 && inputs >= 16 && outputs >= 16 && inputs % 4 == 0 &&
           outputs % 4 == 0;
}

/// Borders that whole tiles need beyond those of the taps, for one direction.
inline void reserve_winograd_border(std::ptrdiff_t padding, layout& input, extents output) {
    const auto reach = [&](std::size_t n) { return static_cast<std::ptrdiff_t>((n + 1) / 2 * 2) + 1 - padding; };
    input.require_border(-padding, reach(output.height), reach(output.width));
}

/// Plans one direction: `padding` is that of the forward pass, or 2 - padding for the backward one.
[[nodiscard]] inline winograd plan_winograd(std::ptrdiff_t padding, const layout& input, const layout& output, std::size_t lanes,
                                            std::size_t sums) {
    winograd w;
    w.inputs = input.shape.channels;
    w.outputs = output.shape.channels;
    w.input_stride = input.channel_stride() * lanes;
    w.output_stride = output.channel_stride() * lanes;
    w.input_row = input.columns() * lanes;
    w.output_row = output.columns() * lanes;
    const auto l = static_cast<std::ptrdiff_t>(lanes);
    const auto rows = static_cast<std::ptrdiff_t>(output.shape.height), columns = static_cast<std::ptrdiff_t>(output.shape.width);
    for (std::ptrdiff_t y = 0; y < rows; y += 2)
        for (std::ptrdiff_t x = 0; x < columns; x += 2)
            w.tiles.push_back({static_cast<std::int32_t>(input.position(0, y - padding, x - padding) * l),
                               static_cast<std::int32_t>(output.position(0, y, x) * l), y + 1 < rows, x + 1 < columns});
    const std::size_t widest = sums / 4, cached = (std::size_t{768} << 10) / (16 * (w.inputs + w.outputs) * lanes * 4);
    w.chunk = std::min(std::clamp<std::size_t>(cached / widest, 1, 4) * widest, w.tiles.size());
    for (std::size_t o = 0; o < w.outputs; o += 4) w.channel_tiles.push_back({static_cast<std::uint32_t>(o), 4, o * w.inputs});
    return w;
}

/// Takes room for the transformed weights and the bias in the program's pack.
inline void reserve_weights(winograd& w, std::size_t& used) {
    w.weights = used;
    w.bias = used + w.transformed_size();
    used = w.bias + (w.outputs + 15) / 16 * 16;
}

/// Packs U = G g Gᵀ per plane, channel tile, input channel; `weight(o, i, k)` reads the 3×3 weights of one direction.
template <class T, class Weight>
void pack_winograd(const winograd& w, T* pack, Weight&& weight) {
    const std::size_t plane = w.inputs * w.outputs;
    T* out = pack + w.weights;
    for (std::size_t first = 0; first < w.outputs; first += 4)
        for (std::size_t i = 0; i < w.inputs; ++i, out += 4) {
            T u[4][4][4];
            for (std::size_t o = 0; o < 4; ++o) {
                T rows[4][3];
                for (std::size_t c = 0; c < 3; ++c) {
                    const T a = weight(first + o, i, c), b = weight(first + o, i, 3 + c), d = weight(first + o, i, 6 + c);
                    rows[0][c] = a;
                    rows[1][c] = (a + d + b) / 2;
                    rows[2][c] = (a + d - b) / 2;
                    rows[3][c] = d;
                }
                for (std::size_t r = 0; r < 4; ++r) {
                    u[r][0][o] = rows[r][0];
                    u[r][1][o] = (rows[r][0] + rows[r][2] + rows[r][1]) / 2;
                    u[r][2][o] = (rows[r][0] + rows[r][2] - rows[r][1]) / 2;
                    u[r][3][o] = rows[r][2];
                }
            }
            for (std::size_t r = 0; r < 4; ++r)
                for (std::size_t c = 0; c < 4; ++c) std::copy_n(u[r][c], 4, out + (4 * r + c) * plane);
        }
}

namespace detail {

/// V = Bᵀ d B of one 4×4 patch; the 16 results go to planes `plane` values apart.
template <class V, class T>
inline void transform_patch(const T* patch, std::size_t row, T* out, std::size_t plane) {
    constexpr std::size_t l = V::size;
    V t[4][4];
#pragma GCC unroll 4
    for (std::size_t c = 0; c < 4; ++c) {
        const V a = V::load_aligned(patch + c * l), b = V::load_aligned(patch + row + c * l);
        const V d = V::load_aligned(patch + 2 * row + c * l), e = V::load_aligned(patch + 3 * row + c * l);
        t[0][c] = a - d;
        t[1][c] = b + d;
        t[2][c] = d - b;
        t[3][c] = b - e;
    }
#pragma GCC unroll 4
    for (std::size_t r = 0; r < 4; ++r) {
        T* const to = out + 4 * r * plane;
        (t[r][0] - t[r][2]).store_aligned(to);
        (t[r][1] + t[r][2]).store_aligned(to + plane);
        (t[r][2] - t[r][1]).store_aligned(to + 2 * plane);
        (t[r][1] - t[r][3]).store_aligned(to + 3 * plane);
    }
}

/// Y = Aᵀ M A of one tile, bias and epilogue applied.
template <class V, class T>
inline void finish_tile(const T* from, std::size_t plane, V bias, std::ptrdiff_t at, std::size_t row, const winograd::tile& t,
                        const epilogue<T>& e) {
    V s[2][4];
#pragma GCC unroll 4
    for (std::size_t c = 0; c < 4; ++c) {
        const V a = V::load_aligned(from + c * plane), b = V::load_aligned(from + (4 + c) * plane);
        const V d = V::load_aligned(from + (8 + c) * plane), f = V::load_aligned(from + (12 + c) * plane);
        s[0][c] = a + b + d;
        s[1][c] = b - d - f;
    }
    constexpr auto l = static_cast<std::ptrdiff_t>(V::size);
    finish(e, at, s[0][0] + s[0][1] + s[0][2] + bias);
    if (t.second_column) finish(e, at + l, s[0][1] - s[0][2] - s[0][3] + bias);
    if (t.second_row) {
        at += static_cast<std::ptrdiff_t>(row);
        finish(e, at, s[1][0] + s[1][1] + s[1][2] + bias);
        if (t.second_column) finish(e, at + l, s[1][1] - s[1][2] - s[1][3] + bias);
    }
}

/// One register tile of a plane's product: 4 output channels × PX tiles.
template <class V, int PX, class T>
inline void multiply_plane(const T* weights, const T* in, std::size_t in_step, std::size_t channels, T* out,
                           std::size_t out_step) {
    V sum[4][PX];
#pragma GCC unroll 16
    for (int o = 0; o < 4; ++o)
#pragma GCC unroll 16
        for (int p = 0; p < PX; ++p) sum[o][p] = V(T(0));
    for (std::size_t c = 0; c < channels; ++c, in += in_step, weights += 4) {
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
        for (int p = 0; p < PX; ++p) sum[o][p].store_aligned(out + o * out_step + p * V::size);
}

}  // namespace detail

/// Runs one direction on one block. `scratch` holds w.scratch(lanes) values.
template <class V, class T>
void run_winograd(const winograd& w, const T* input, const T* packed, const epilogue<T>& e, T* scratch) {
    constexpr std::size_t l = V::size;
    const std::size_t in_plane = w.plane(w.inputs, l), out_plane = w.plane(w.outputs, l);
    T* const transformed = scratch;
    T* const product = scratch + 16 * in_plane;
    const T* const bias = packed + w.bias;
    for (std::size_t first = 0; first < w.tiles.size(); first += w.chunk) {
        const std::size_t count = std::min(w.chunk, w.tiles.size() - first), step = w.chunk * l;
        for (std::size_t c = 0; c < w.inputs; ++c)
            for (std::size_t t = 0; t < count; ++t)
                detail::transform_patch<V>(input + c * w.input_stride + w.tiles[first + t].input, w.input_row,
                                           transformed + c * step + t * l, in_plane);
        for (std::size_t plane = 0; plane < 16; ++plane) {
            const T* const from = transformed + plane * in_plane;
            T* const to = product + plane * out_plane;
            const T* weights = packed + w.weights + plane * w.inputs * w.outputs;
            const std::size_t parts = (count + tile_sums<V> / 4 - 1) / (tile_sums<V> / 4);
            for (std::size_t part = 0, t = 0; part < parts; ++part) {
                const std::size_t width = count / parts + (part < count % parts);
                for (const auto& channels : w.channel_tiles) {
                    const T* const u = weights + channels.weights;
                    T* const out = to + channels.first * step + t * l;
                    switch (width) {
                    case 1:
                        detail::multiply_plane<V, 1>(u, from + t * l, step, w.inputs, out, step);
                        break;
                    case 2:
                        detail::multiply_plane<V, 2>(u, from + t * l, step, w.inputs, out, step);
                        break;
                    case 3:
                        detail::multiply_plane<V, 3>(u, from + t * l, step, w.inputs, out, step);
                        break;
                    case 4:
                        detail::multiply_plane<V, 4>(u, from + t * l, step, w.inputs, out, step);
                        break;
                    case 5:
                        detail::multiply_plane<V, 5>(u, from + t * l, step, w.inputs, out, step);
                        break;
                    default:
                        detail::multiply_plane<V, 6>(u, from + t * l, step, w.inputs, out, step);
                        break;
                    }
                }
                t += width;
            }
        }
        for (std::size_t o = 0; o < w.outputs; ++o) {
            const V start = V::broadcast(bias[o]);
            for (std::size_t t = 0; t < count; ++t) {
                const auto& tile = w.tiles[first + t];
                detail::finish_tile(product + o * step + t * l, out_plane, start,
                                    static_cast<std::ptrdiff_t>(o * w.output_stride) + tile.output, w.output_row, tile, e);
            }
        }
    }
}

}  // namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE
