#pragma once
#include "saddle/backend/cuda/kernels/convolution_wgmma.cuh"
#include "saddle/backend/cuda/tuning/convolution.cuh"

namespace saddle::cuda::tuning {

/// Whether programs use the kernels by wgmma from the start, where the device and the build have them. Off as long as they have not
/// been tested on a device.
inline constexpr bool wgmma_by_default = false;

/// A tile as wgmma_tile has it, and the share of the tensor cores' rate that it is taken to reach; estimates.
struct rated_wgmma_tile {
    int rows, columns, depth, stages, blocks;
    double rate;
};
/// The tiles that implicit_gemm_wgmma is compiled for, largest first. Nine warps take the registers of twelve, 168 a thread: in TF32,
/// which has the source in registers too, 256 columns do not fit.
template <class Precision>
inline constexpr std::array<rated_wgmma_tile, 0> wgmma_tiles{};
template <>
inline constexpr std::array<rated_wgmma_tile, 5> wgmma_tiles<bf16>{{{128, 256, 64, 4, 1, 1.},
                                                                    {128, 160, 32, 12, 1, .95},
                                                                    {128, 128, 64, 3, 2, .85},
                                                                    {128, 64, 64, 3, 3, .6},
                                                                    {64, 64, 64, 3, 4, .45}}};
template <>
inline constexpr std::array<rated_wgmma_tile, 4> wgmma_tiles<tf32>{
    {{128, 160, 32, 6, 1, 1.}, {128, 128, 32, 6, 1, .95}, {128, 64, 32, 4, 2, .65}, {64, 64, 32, 3, 4, .5}}};
/// Those of weight_gradient_wgmma: output channels × input channels, a step being 128 bytes of lanes.
template <class Precision, int Depth = 128 / sizeof(typename Precision::storage)>
inline constexpr std::array<rated_wgmma_tile, 5> wgmma_gradient_tiles{{{128, 256, Depth, 4, 1, 1.},
                                                                       {128, 160, Depth, 6, 1, .95},
                                                                       {128, 128, Depth, 3, 2, .85},
                                                                       {128, 64, Depth, 3, 3, .6},
                                                                       {64, 64, Depth, 3, 4, .45}}};
template <class Precision, std::size_t I>
using wgmma_tile_at =
    wgmma_tile<wgmma_tiles<Precision>[I].rows, wgmma_tiles<Precision>[I].columns, wgmma_tiles<Precision>[I].depth,
               wgmma_tiles<Precision>[I].stages, wgmma_tiles<Precision>[I].blocks>;
template <class Precision, std::size_t I>
using wgmma_gradient_tile_at = wgmma_tile<wgmma_gradient_tiles<Precision>[I].rows, wgmma_gradient_tiles<Precision>[I].columns,
                                          wgmma_gradient_tiles<Precision>[I].depth, wgmma_gradient_tiles<Precision>[I].stages,
                                          wgmma_gradient_tiles<Precision>[I].blocks>;

/// Whether a layer is for implicit_gemm_wgmma and weight_gradient_wgmma: by its shape alone, since bits may differ from those of the
/// kernels by mma.sync.
[[nodiscard]] constexpr bool fits_wgmma(std::size_t inputs, std::size_t outputs) { return inputs >= 32 && outputs >= 32; }

/// The tile that should finish first. Every tile should give the same bits, as it does in the emulator.
template <class Precision>
[[nodiscard]] std::size_t choose_wgmma_tile(std::size_t pixels, std::size_t lanes, std::size_t channels,
                                            std::size_t multiprocessors) {
    return quickest_tile(wgmma_tiles<Precision>, pixels, lanes, channels, multiprocessors, 128);
}

/// The tile whose blocks have the least to do in all: by the layer's shape alone, since the number of parts depends on it.
template <class Precision>
[[nodiscard]] constexpr std::size_t choose_wgmma_gradient_tile(std::size_t outputs, std::size_t inputs) {
    std::size_t best = 0;
    double least = -1;
    for (std::size_t i = 0; i < wgmma_gradient_tiles<Precision>.size(); ++i) {
        const auto& t = wgmma_gradient_tiles<Precision>[i];
        const auto rows = static_cast<std::size_t>(t.rows), columns = static_cast<std::size_t>(t.columns);
        const double work =
            static_cast<double>((outputs + rows - 1) / rows * rows * ((inputs + columns - 1) / columns * columns)) / t.rate;
        if (least < 0 || work < least) {
            least = work;
            best = i;
        }
    }
    return best;
}

}  // namespace saddle::cuda::tuning
