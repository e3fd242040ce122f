#pragma once
#include "saddle/backend/cuda/convolution_wgmma.cuh"
#include "saddle/backend/cuda/kernels/few_channels.cuh"
#include "saddle/backend/cuda/kernels/pack.cuh"
#include "saddle/backend/cuda/kernels/reduce.cuh"
#include "saddle/backend/cuda/kernels/weight_gradient.cuh"
#include "saddle/backend/cuda/kernels/weight_gradient_wgmma.cuh"
#include "saddle/backend/cuda/launch.cuh"
#include "saddle/backend/cuda/tuning/convolution.cuh"
#include "saddle/nn/plan.hpp"

namespace saddle::cuda {

/// A convolution between two tensors in both directions, as its kernels want it. A window over the whole input is a linear
/// layer on all its values.
struct convolution_pair {
    convolution_shape forward, backward;

    convolution_pair() = default;
    convolution_pair(const window& w, extents input, extents output) {
        const bool dense = w.padding == 0 && w.height == input.height && w.width == input.width;
        if (dense) {
            input = {input.size(), 1, 1};
            output = {output.size(), 1, 1};
        }
        const auto number = [](std::size_t n) { return static_cast<int>(n); };
        auto& f = forward;
        f.inputs = number(input.channels), f.outputs = number(output.channels);
        f.source_height = number(input.height), f.source_width = number(input.width);
        f.height = number(output.height), f.width = number(output.width);
        if (!dense) {
            f.kernel_height = number(w.height), f.kernel_width = number(w.width);
            f.stride = number(w.stride), f.padding = number(w.padding);
        }
        backward = f;
        backward.backward = true;
        std::swap(backward.inputs, backward.outputs);
        std::swap(backward.source_height, backward.height);
        std::swap(backward.source_width, backward.width);
        forward.columns = number(parts_of(static_cast<std::size_t>(forward.outputs), 8) * 8);
        backward.columns = number(parts_of(static_cast<std::size_t>(backward.outputs), 8) * 8);
    }
};

/// Packed values of one direction.
[[nodiscard]] inline std::size_t packed_size(const convolution_shape& s) {
    return static_cast<std::size_t>(s.taps()) * static_cast<std::size_t>(s.inputs) * static_cast<std::size_t>(s.columns);
}

/// Packs weights [O,I,H,W] for one direction.
template <class Precision>
void launch_pack(cudaStream_t stream, const float* weight, const float* scale, const convolution_shape& s,
                 typename Precision::storage* packed) {
    launch(stream, pack_weights<Precision>, {.operation = "packing weights", .blocks = parts_of(packed_size(s), 256)}, weight,
           scale, s.backward ? s.inputs : s.outputs, s.backward ? s.outputs : s.inputs, s.taps(), s.columns, s.backward, packed);
}

namespace detail {

template <class Precision, std::size_t Tile, bool Sliced, class Out>
void launch_tile(cudaStream_t stream, const convolution_shape& s, const typename Precision::storage* source,
                 const typename Precision::storage* weights, const epilogue<Out>& e, std::size_t lanes) {
    using shape_of_tile = tuning::convolution_tile_at<Tile>;
    using product = typename multiply_for<Precision, shape_of_tile>::type;
    constexpr int stages = Sliced ? tuning::sliced_stages : tuning::convolution_stages, slices = Sliced ? tuning::slices : 1;
    const std::size_t blocks = static_cast<std::size_t>(s.height) * static_cast<std::size_t>(s.width) *
                               (lanes / shape_of_tile::rows) *
                               parts_of(static_cast<std::size_t>(s.outputs), shape_of_tile::columns);
    launch(stream, implicit_gemm<product, shape_of_tile, stages, slices, Out>,
           {.operation = s.backward ? "convolution, backward" : "convolution",
            .blocks = blocks,
            .threads = shape_of_tile::threads * slices,
            .shared = convolution_shared<product, shape_of_tile, stages, slices>()},
           source, weights, s, e, static_cast<int>(lanes));
}

}  // namespace detail

/// Whether a layer runs by implicit_gemm_wgmma in programs that use it.
template <class Precision>
[[nodiscard]] bool runs_by_wgmma(const convolution_shape& s) {
    const std::size_t pixels = static_cast<std::size_t>(s.height) * static_cast<std::size_t>(s.width);
    const auto inputs = static_cast<std::size_t>(s.inputs), outputs = static_cast<std::size_t>(s.outputs);
    return !std::is_same_v<Precision, fp32> && tuning::fits_wgmma(inputs, outputs) &&
           !tuning::cuts_into_slices(pixels, outputs, static_cast<std::size_t>(s.taps()) * inputs);
}

/// Runs a convolution on tensor cores or, in fp32, by multiply-add. With `wgmma.maps` those that runs_by_wgmma says so of; needs
/// has_wgmma.
template <class Precision, class Out>
void launch_convolution(cudaStream_t stream, const convolution_shape& s, const typename Precision::storage* source,
                        const typename Precision::storage* weights, const epilogue<Out>& e, std::size_t lanes,
                        std::size_t multiprocessors, const wgmma_operands<typename Precision::storage>& wgmma = {}) {
    if constexpr (!std::is_same_v<Precision, fp32> && std::is_same_v<Out, typename Precision::storage>)
        if (wgmma.maps && runs_by_wgmma<Precision>(s))
            return launch_wgmma<Precision>(stream, s, source, wgmma, e, lanes, multiprocessors);
    const std::size_t pixels = static_cast<std::size_t>(s.height) * static_cast<std::size_t>(s.width);
    const auto inputs = static_cast<std::size_t>(s.inputs), outputs = static_cast<std::size_t>(s.outputs);
    const bool sliced = tuning::cuts_into_slices(pixels, outputs, static_cast<std::size_t>(s.taps()) * inputs);
    with_index<tuning::convolution_tiles.size()>(
        tuning::choose_convolution_tile(pixels, lanes, outputs, multiprocessors, sliced),
        [&]<std::size_t Tile>(std::integral_constant<std::size_t, Tile>) {
            if constexpr (tuning::convolution_tiles[Tile].rows <= 64)
                if (sliced) return detail::launch_tile<Precision, Tile, true>(stream, s, source, weights, e, lanes);
            detail::launch_tile<Precision, Tile, false>(stream, s, source, weights, e, lanes);
        });
}

/// The forward pass from at most three channels of floats.
template <class Out>
void launch_few_inputs(cudaStream_t stream, const convolution_shape& s, const float* source, const float* weights,
                       const epilogue<Out>& e, std::size_t lanes) {
    const std::size_t groups = std::min<std::size_t>(16, parts_of(static_cast<std::size_t>(s.outputs), few_inputs_channels));
    const std::size_t tiles = parts_of(static_cast<std::size_t>(s.outputs), groups * few_inputs_channels);
    launch(stream, few_inputs<Out>,
           {.operation = "convolution from few channels",
            .blocks = static_cast<std::size_t>(s.height) * static_cast<std::size_t>(s.width) * (lanes / 64) * tiles,
            .threads = static_cast<unsigned>(16 * groups)},
           source, weights, s, e, static_cast<int>(lanes));
}
/// The backward pass to at most three channels; `finish` takes the sums.
template <class In, class Finish>
void launch_few_outputs(cudaStream_t stream, const convolution_shape& s, const In* source, const float* weights,
                        const Finish& finish, std::size_t lanes) {
    launch(stream, few_outputs<In, Finish>,
           {.operation = "convolution to few channels",
            .blocks = parts_of(static_cast<std::size_t>(s.height) * static_cast<std::size_t>(s.width), few_outputs_pixels) *
                      (lanes / 64),
            .threads = 16 * few_outputs_pixels},
           source, weights, s, finish, static_cast<int>(lanes));
}

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
    [[nodiscard]] static gradient_cut by_wgmma(const convolution_shape& s, std::size_t lanes, std::size_t tile) {
        const auto& t = tuning::wgmma_gradient_tiles[tile];
        gradient_cut c{t.rows, t.columns};
        c.tiles = parts_of(static_cast<std::size_t>(s.outputs), static_cast<std::size_t>(c.rows)) *
                  static_cast<std::size_t>(s.taps()) *
                  parts_of(static_cast<std::size_t>(s.inputs), static_cast<std::size_t>(c.columns));
        c.cut_steps(s, lanes, static_cast<std::size_t>(t.depth));
        return c;
    }
    [[nodiscard]] static gradient_cut by_wgmma(const convolution_shape& s, std::size_t lanes) {
        return by_wgmma(
            s, lanes,
            tuning::choose_wgmma_gradient_tile(static_cast<std::size_t>(s.outputs), static_cast<std::size_t>(s.inputs)));
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

template <std::size_t Tile>
void launch_gradient_wgmma_tile(cudaStream_t stream, const convolution_shape& s, const gradient_cut& cut, const bfloat16* x,
                                const bfloat16* dy, std::size_t lanes, float* partial, tensor_maps& maps) {
    using tile = tuning::wgmma_gradient_tile_at<Tile>;
    const auto number = [](int n) { return static_cast<std::size_t>(n); };
    const auto& left = maps.of(dy, {lanes, number(s.height) * number(s.width), number(s.outputs)}, {tile::depth, 1, tile::rows});
    const auto& right =
        maps.of(x, {lanes, number(s.source_height) * number(s.source_width), number(s.inputs)}, {tile::depth, 1, tile::columns});
    launch(stream, weight_gradient_wgmma<tile>,
           {.operation = "weight gradient by wgmma",
            .blocks = cut.tiles,
            .threads = tile::threads,
            .shared = wgmma_memory<bfloat16, tile>::bytes,
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
    return std::is_same_v<Precision, bf16> &&
           tuning::fits_wgmma(static_cast<std::size_t>(s.inputs), static_cast<std::size_t>(s.outputs));
}

/// Floats of partial sums that launch_weight_gradient needs; `wgmma`: with tensor maps.
template <class Precision>
[[nodiscard]] std::size_t gradient_scratch(const convolution_shape& s, std::size_t lanes, bool wgmma) {
    const std::size_t plain = gradient_cut::of<Precision>(s, lanes).partial_size(s);
    if (!wgmma || !gradient_runs_by_wgmma<Precision>(s)) return plain;
    return std::max(plain, gradient_cut::by_wgmma(s, lanes).partial_size(s));
}

/// Adds the gradient of the weights [O,I,H,W] to `gradient`; `s` is the forward convolution. Lanes past the last image have dy =
/// 0. With `maps`, those of the batch's memory, layers in bf16 that gradient_runs_by_wgmma says so of run so; needs has_wgmma.
template <class Precision, class X, class G>
void launch_weight_gradient(cudaStream_t stream, const convolution_shape& s, const X* x, const G* dy, std::size_t lanes,
                            float* partial, float* gradient, tensor_maps* maps = nullptr) {
    if constexpr (std::is_same_v<X, bfloat16> && std::is_same_v<G, bfloat16>)
        if (maps && gradient_runs_by_wgmma<Precision>(s)) {
            const std::size_t chosen =
                tuning::choose_wgmma_gradient_tile(static_cast<std::size_t>(s.outputs), static_cast<std::size_t>(s.inputs));
            const auto cut = gradient_cut::by_wgmma(s, lanes, chosen);
            with_index<tuning::wgmma_gradient_tiles.size()>(
                chosen, [&]<std::size_t Tile>(std::integral_constant<std::size_t, Tile>) {
                    detail::launch_gradient_wgmma_tile<Tile>(stream, s, cut, x, dy, lanes, partial, *maps);
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
