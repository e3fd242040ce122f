#pragma once
#include "saddle/backend/cuda/context.cuh"
#include "saddle/backend/cuda/kernels/pack.cuh"
#include "saddle/backend/cuda/launch.cuh"
#include "saddle/backend/cuda/tensor_map.cuh"
#include "saddle/backend/cuda/tuning/convolution_wgmma.cuh"

namespace saddle::cuda {

/// True when implicit_gemm_wgmma runs here: the current device has compute capability 9.0 and this program has been compiled for
/// sm_90a. Asks the device.
[[nodiscard]] inline bool has_wgmma(const device_properties& device) {
    if (device.major != 9 || device.minor != 0) return false;
    const stream order;
    device_vector<int> flag(1);
    int found = 0;
    launch(order.handle(), find_wgmma<>, {.operation = "search for sm_90a", .threads = 1}, flag.data());
    copy_values(order.handle(), &found, flag.data(), 1, cudaMemcpyDeviceToHost);
    order.synchronize();
    return found == 1;
}

/// What a convolution by wgmma needs beside what one by mma.sync does: the tensor maps of the batch's memory, null where it is not
/// wanted, and the weights as launch_pack_for_wgmma leaves them.
template <class T>
struct wgmma_operands {
    tensor_maps* maps = nullptr;
    const T* weights = nullptr;
};

/// Packed values of one direction: for bf16 those of pack_weights, for TF32 those of pack_weight_rows.
template <class Precision>
[[nodiscard]] std::size_t wgmma_packed_size(const convolution_shape& s) {
    const auto e = warpgroup_multiply<Precision, tuning::wgmma_tile_at<Precision, 0>>::weight_extents(s);
    return e[0] * e[1] * e[2];
}

/// Packs weights [O,I,H,W] for one direction; those of bf16 are launch_pack's.
inline void launch_pack_for_wgmma(cudaStream_t stream, const float* weight, const float* scale, const convolution_shape& s,
                                  float* packed) {
    launch(stream, pack_weight_rows<>,
           {.operation = "packing weights for wgmma", .blocks = parts_of(wgmma_packed_size<tf32>(s), 256)}, weight, scale,
           s.backward ? s.inputs : s.outputs, s.backward ? s.outputs : s.inputs, s.taps(), s.columns, s.backward, packed);
}

namespace detail {

template <class Precision, std::size_t Tile, class Out>
void launch_wgmma_tile(cudaStream_t stream, const convolution_shape& s, const typename Precision::storage* source,
                       const wgmma_operands<typename Precision::storage>& wgmma, const epilogue<Out>& e, std::size_t lanes) {
    using tile = tuning::wgmma_tile_at<Precision, Tile>;
    using multiply = warpgroup_multiply<Precision, tile>;
    const auto number = [](int n) { return static_cast<std::size_t>(n); };
    const auto& from = wgmma.maps->of(source, {lanes, number(s.source_height) * number(s.source_width), number(s.inputs)},
                                      {multiply::box, 1, tile::depth});
    const auto& packed = wgmma.maps->of(wgmma.weights, multiply::weight_extents(s), multiply::weight_box);
    launch(stream, implicit_gemm_wgmma<Precision, tile, Out>,
           {.operation = s.backward ? "convolution by wgmma, backward" : "convolution by wgmma",
            .blocks = number(s.height) * number(s.width) * (lanes / number(tile::rows)) *
                      parts_of(number(s.outputs), number(tile::columns)),
            .threads = tile::threads,
            .shared = multiply::memory::bytes},
           from, packed, s, e, static_cast<int>(lanes));
}

}  // namespace detail

/// Runs a convolution by warpgroup products. Needs has_wgmma; lanes a multiple of 64.
template <class Precision, class Out>
void launch_wgmma(cudaStream_t stream, const convolution_shape& s, const typename Precision::storage* source,
                  const wgmma_operands<typename Precision::storage>& wgmma, const epilogue<Out>& e, std::size_t lanes,
                  std::size_t multiprocessors) {
    const std::size_t pixels = static_cast<std::size_t>(s.height) * static_cast<std::size_t>(s.width);
    with_index<tuning::wgmma_tiles<Precision>.size()>(
        tuning::choose_wgmma_tile<Precision>(pixels, lanes, static_cast<std::size_t>(s.outputs), multiprocessors),
        [&]<std::size_t Tile>(std::integral_constant<std::size_t, Tile>) {
            detail::launch_wgmma_tile<Precision, Tile>(stream, s, source, wgmma, e, lanes);
        });
}

}  // namespace saddle::cuda
