#pragma once
#include "saddle/backend/cuda/kernels/convolution_wgmma.cuh"

#include <array>
#include <cstddef>

namespace saddle::cuda::tuning {

/// Whether programs use implicit_gemm_wgmma from the start, where the device and the build have it. Off as long as the kernel has not been
/// tested on a device.
inline constexpr bool wgmma_by_default = false;

/// The tiles that implicit_gemm_wgmma is compiled for, largest first, and the share of the tensor cores' rate that each is taken to reach;
/// estimates.
struct wgmma_choice {
    int rows, columns;
    double rate;
};
inline constexpr std::array<wgmma_choice, 5> wgmma_tiles{
    {{128, 256, 1.}, {128, 160, .95}, {128, 128, .85}, {128, 64, .6}, {64, 64, .45}}};
template <std::size_t I>
struct wgmma_tile_at;
template <>
struct wgmma_tile_at<0> {
    using type = wgmma_tile<128, 256, 64, 4, 1>;
};
template <>
struct wgmma_tile_at<1> {
    using type = wgmma_tile<128, 160, 32, 10, 1>;
};
template <>
struct wgmma_tile_at<2> {
    using type = wgmma_tile<128, 128, 64, 3, 2>;
};
template <>
struct wgmma_tile_at<3> {
    using type = wgmma_tile<128, 64, 64, 3, 3>;
};
template <>
struct wgmma_tile_at<4> {
    using type = wgmma_tile<64, 64, 64, 3, 4>;
};

/// Whether a layer is for implicit_gemm_wgmma: by its shape alone, since bits may differ from implicit_gemm's.
[[nodiscard]] constexpr bool fits_wgmma(std::size_t inputs, std::size_t outputs) { return inputs >= 32 && outputs >= 32; }

/// The tile that should finish first: whole waves of blocks times the time of one.
[[nodiscard]] inline std::size_t choose_wgmma_tile(std::size_t pixels, std::size_t lanes, std::size_t channels,
                                                   std::size_t multiprocessors) {
    std::size_t best = wgmma_tiles.size() - 1;
    double least = -1;
    for (std::size_t i = 0; i < wgmma_tiles.size(); ++i) {
        const auto& t = wgmma_tiles[i];
        const auto rows = static_cast<std::size_t>(t.rows), columns = static_cast<std::size_t>(t.columns);
        if (lanes % rows != 0) continue;
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

}  // namespace saddle::cuda::tuning
