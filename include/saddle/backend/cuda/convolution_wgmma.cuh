#pragma once
#include "saddle/backend/cuda/context.cuh"
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

namespace detail {

template <std::size_t Tile, class Out>
void launch_wgmma_tile(cudaStream_t stream, const convolution_shape& s, const bfloat16* source, const bfloat16* weights,
                       const epilogue<Out>& e, std::size_t lanes, tensor_maps& maps) {
    using tile = typename tuning::wgmma_tile_at<Tile>::type;
    const auto number = [](int n) { return static_cast<std::size_t>(n); };
    const auto& from =
        maps.of(source, {lanes, number(s.source_height) * number(s.source_width), number(s.inputs)}, {tile::box, 1, tile::depth});
    const auto& packed =
        maps.of(weights, {number(s.columns), number(s.inputs), number(s.taps())}, {tile::weight_box, tile::depth, 1});
    launch(stream, implicit_gemm_wgmma<tile, Out>,
           {.operation = s.backward ? "convolution by wgmma, backward" : "convolution by wgmma",
            .blocks = number(s.height) * number(s.width) * (lanes / number(tile::rows)) *
                      parts_of(number(s.outputs), number(tile::columns)),
            .threads = tile::threads,
            .shared = tile::shared},
           from, packed, s, e, static_cast<int>(lanes));
}

}  // namespace detail

/// Runs a convolution by warpgroup products. Needs has_wgmma; lanes a multiple of 64; `maps` are those of the batch's memory.
template <class Out>
void launch_wgmma(cudaStream_t stream, const convolution_shape& s, const bfloat16* source, const bfloat16* weights,
                  const epilogue<Out>& e, std::size_t lanes, std::size_t multiprocessors, tensor_maps& maps) {
    const auto run = [&]<std::size_t Tile>(std::integral_constant<std::size_t, Tile>) {
        detail::launch_wgmma_tile<Tile>(stream, s, source, weights, e, lanes, maps);
    };
    const std::size_t pixels = static_cast<std::size_t>(s.height) * static_cast<std::size_t>(s.width);
    switch (tuning::choose_wgmma_tile(pixels, lanes, static_cast<std::size_t>(s.outputs), multiprocessors)) {
    case 0:
        return run(std::integral_constant<std::size_t, 0>{});
    case 1:
        return run(std::integral_constant<std::size_t, 1>{});
    case 2:
        return run(std::integral_constant<std::size_t, 2>{});
    case 3:
        return run(std::integral_constant<std::size_t, 3>{});
    default:
        return run(std::integral_constant<std::size_t, 4>{});
    }
}

}  // namespace saddle::cuda
