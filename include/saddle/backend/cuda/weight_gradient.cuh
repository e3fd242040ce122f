#pragma once
#include "saddle/backend/cuda/kernels/weight_gradient.cuh"
#include "saddle/backend/cuda/kernels/weight_gradient_wgmma.cuh"
#include "saddle/backend/cuda/launch.cuh"
#include "saddle/backend/cuda/tensor_map.cuh"
#include "saddle/backend/cuda/tuning/convolution_wgmma.cuh"

#include <algorithm>

namespace saddle::cuda {

/// How a weight gradient is cut into blocks and parts.
struct gradient_cut {
    int rows = 64, columns = 64;
    std::size_t tiles = 1, parts = 1;

    template <class Precision>
    [[nodiscard]] static gradient_cut of(const convolution_shape& s, std::size_t lanes) {
        gradient_cut c;
        const auto columns = static_cast<std::size_t>(s.taps()) * static_cast<std::size_t>(s.inputs);
        if (columns <= 32) c.columns = 16;
        if (s.outputs >= 128 && columns >= 128) c.rows = c.columns = 128;
        c.tiles = parts_of(static_cast<std::size_t>(s.outputs), static_cast<std::size_t>(c.rows)) *
                  parts_of(columns, static_cast<std::size_t>(c.columns));
        c.cut_steps(s, lanes, multiply_rows<Precision, tile<64, 64, 2, 2>>::depth);
        return c;
    }
    /// That of weight_gradient_wgmma with a tile of tuning::wgmma_gradient_tiles.
    template <class Precision>
    [[nodiscard]] static gradient_cut by_wgmma(const convolution_shape& s, std::size_t lanes, std::size_t tile) {
        const auto& t = tuning::wgmma_gradient_tiles<Precision>[tile];
        gradient_cut c{t.rows, t.columns};
        c.tiles = parts_of(static_cast<std::size_t>(s.outputs), static_cast<std::size_t>(c.rows)) *
                  static_cast<std::size_t>(s.taps()) *
                  parts_of(static_cast<std::size_t>(s.inputs), static_cast<std::size_t>(c.columns));
        c.cut_steps(s, lanes, static_cast<std::size_t>(t.depth));
        return c;
    }
    /// Floats of the partial sums.
    [[nodiscard]] std::size_t partial_size(const convolution_shape& s) const {
        return parts * static_cast<std::size_t>(s.outputs) * static_cast<std::size_t>(s.inputs) *
               static_cast<std::size_t>(s.taps());
    }

private:
    void cut_steps(const convolution_shape& s, std::size_t lanes, std::size_t depth) {
        const std::size_t steps = static_cast<std::size_t>(s.height) * static_cast<std::size_t>(s.width) * parts_of(lanes, depth);
        parts = tuning::gradient_parts(tiles, steps);
    }
};

namespace detail {

template <class Precision, class Tile, class X, class G>
void launch_gradient_tile(cudaStream_t stream, const convolution_shape& s, const gradient_cut& cut, const X* x, const G* dy,
                          std::size_t lanes, float* partial) {
    launch(stream, cuda::weight_gradient<Precision, Tile, X, G>,
           {.operation = "weight gradient",
            .blocks = cut.tiles,
            .threads = Tile::threads,
            .shared = gradient_shared<Precision, Tile>(),
            .rows = cut.parts},
           x, dy, s, static_cast<int>(lanes), static_cast<int>(cut.parts), partial);
}

template <class Precision, std::size_t Tile>
void launch_gradient_wgmma_tile(cudaStream_t stream, const convolution_shape& s, const gradient_cut& cut,
                                const typename Precision::storage* x, const typename Precision::storage* dy, std::size_t lanes,
                                float* partial, tensor_maps& maps) {
    using tile = tuning::wgmma_gradient_tile_at<Precision, Tile>;
    constexpr bool to_tf32 = std::is_same_v<Precision, tf32>;
    const auto number = [](int n) { return static_cast<std::size_t>(n); };
    const auto& left =
        maps.of(dy, {lanes, number(s.height) * number(s.width), number(s.outputs)}, {tile::depth, 1, tile::rows}, to_tf32);
    const auto& right = maps.of(x, {lanes, number(s.source_height) * number(s.source_width), number(s.inputs)},
                                {tile::depth, 1, tile::columns}, to_tf32);
    launch(stream, weight_gradient_wgmma<Precision, tile>,
           {.operation = "weight gradient by wgmma",
            .blocks = cut.tiles,
            .threads = tile::threads,
            .shared = wgmma_memory<typename Precision::storage, tile>::bytes,
            .rows = cut.parts},
           left, right, s, static_cast<int>(lanes), static_cast<int>(cut.parts), partial);
}
inline void launch_fold(cudaStream_t stream, const convolution_shape& s, const gradient_cut& cut, const float* partial,
                        float* gradient) {
    launch(stream, fold_weight_gradient<>,
           {.operation = "folding a weight gradient", .blocks = parts_of(cut.partial_size(s) / cut.parts, 256)}, partial,
           static_cast<int>(cut.parts), s.outputs, s.inputs, s.taps(), gradient);
}

}  // namespace detail

/// Whether a layer's weight gradient runs by weight_gradient_wgmma in programs that use it.
template <class Precision>
[[nodiscard]] bool gradient_runs_by_wgmma(const convolution_shape& s) {
    return !std::is_same_v<Precision, fp32> &&
           tuning::fits_wgmma(static_cast<std::size_t>(s.inputs), static_cast<std::size_t>(s.outputs));
}
/// The tile that it runs with then.
template <class Precision>
[[nodiscard]] std::size_t wgmma_gradient_tile_of(const convolution_shape& s) {
    return tuning::choose_wgmma_gradient_tile<Precision>(static_cast<std::size_t>(s.outputs), static_cast<std::size_t>(s.inputs));
}

/// Floats of partial sums that launch_weight_gradient needs; `wgmma`: with tensor maps.
template <class Precision>
[[nodiscard]] std::size_t gradient_scratch(const convolution_shape& s, std::size_t lanes, bool wgmma) {
    const std::size_t plain = gradient_cut::of<Precision>(s, lanes).partial_size(s);
    if (!wgmma || !gradient_runs_by_wgmma<Precision>(s)) return plain;
    return std::max(plain, gradient_cut::by_wgmma<Precision>(s, lanes, wgmma_gradient_tile_of<Precision>(s)).partial_size(s));
}

/// Adds the gradient of the weights [O,I,H,W] to `gradient`; `s` is the forward convolution. Lanes past the last image have dy =
/// 0. With `maps`, those of the batch's memory, layers between tensors of the precision's storage that gradient_runs_by_wgmma says so
/// of run so; needs has_wgmma.
template <class Precision, class X, class G>
void launch_weight_gradient(cudaStream_t stream, const convolution_shape& s, const X* x, const G* dy, std::size_t lanes,
                            float* partial, float* gradient, tensor_maps* maps = nullptr) {
    using S = typename Precision::storage;
    if constexpr (!std::is_same_v<Precision, fp32> && std::is_same_v<X, S> && std::is_same_v<G, S>)
        if (maps && gradient_runs_by_wgmma<Precision>(s)) {
            const std::size_t chosen = wgmma_gradient_tile_of<Precision>(s);
            const auto cut = gradient_cut::by_wgmma<Precision>(s, lanes, chosen);
            with_index<tuning::wgmma_gradient_tiles<Precision>.size()>(
                chosen, [&]<std::size_t Tile>(std::integral_constant<std::size_t, Tile>) {
                    detail::launch_gradient_wgmma_tile<Precision, Tile>(stream, s, cut, x, dy, lanes, partial, *maps);
                });
            return detail::launch_fold(stream, s, cut, partial, gradient);
        }
    const auto cut = gradient_cut::of<Precision>(s, lanes);
    if (cut.columns == 16)
        detail::launch_gradient_tile<Precision, tile<64, 16, 4, 1>>(stream, s, cut, x, dy, lanes, partial);
    else if (cut.rows == 128)
        detail::launch_gradient_tile<Precision, tile<128, 128, 4, 2>>(stream, s, cut, x, dy, lanes, partial);
    else
        detail::launch_gradient_tile<Precision, tile<64, 64, 2, 2>>(stream, s, cut, x, dy, lanes, partial);
    detail::launch_fold(stream, s, cut, partial, gradient);
}

}  // namespace saddle::cuda
