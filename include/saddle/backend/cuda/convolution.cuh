#pragma once
#include "saddle/backend/cuda/convolution_wgmma.cuh"
#include "saddle/backend/cuda/kernels/few_channels.cuh"
#include "saddle/backend/cuda/kernels/pack.cuh"
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

}  // namespace saddle::cuda
