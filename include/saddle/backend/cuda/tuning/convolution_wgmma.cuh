#pragma once
#include "saddle/backend/cuda/kernels/convolution_wgmma.cuh"
#include "saddle/backend/cuda/tuning/convolution.cuh"

namespace saddle::cuda::tuning {

/// Whether programs use implicit_gemm_wgmma from the start, where the device and the build have it. Off as long as the kernel has
/// not been tested on a device.
inline constexpr bool wgmma_by_default = false;

/// The tiles that implicit_gemm_wgmma is compiled for, largest first, and the share of the tensor cores' rate that each is taken
/// to reach; estimates.
inline constexpr std::array<convolution_tile, 5> wgmma_tiles{
    {{128, 256, 1.}, {128, 160, .95}, {128, 128, .85}, {128, 64, .6}, {64, 64, .45}}};
template <std::size_t I>
struct wgmma_tile_at;
template <>
struct wgmma_tile_at<0> {
    using type = wgmma_tile<128, 256, 64, 4, 1>;
};
template <>
struct wgmma_tile_at<1> {
    using type = wgmma_tile<128, 160, 32, 12, 1>;
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

/// The tile that should finish first. Every tile should give the same bits, as it does in the emulator.
[[nodiscard]] inline std::size_t choose_wgmma_tile(std::size_t pixels, std::size_t lanes, std::size_t channels,
                                                   std::size_t multiprocessors) {
    return quickest_tile(wgmma_tiles, pixels, lanes, channels, multiprocessors, 128);
}

}  // namespace saddle::cuda::tuning
