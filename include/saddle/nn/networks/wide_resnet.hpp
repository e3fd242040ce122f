#pragma once
#include "saddle/nn/networks/resnet.hpp"

namespace saddle::networks {

namespace detail {

template <std::size_t Channels, std::size_t Stride>
using wide_first =
    sequential<named<"bn1", batch_norm>, relu,
               named<"", residual<sequential<named<"conv1", convolution<Channels, 3, Stride>>, named<"bn2", batch_norm>, relu,
                                             named<"conv2", convolution<Channels, 3>>>,
                                  named<"convShortcut", conv2d<Channels, 1, stride<Stride>, no_bias>>>>>;

}  // namespace detail

/// Wide ResNet of Depth = 6 n + 4 and widening factor Width (Zagoruyko & Komodakis 2016), names as in TRADES' wideresnet.
template <std::size_t Depth, std::size_t Width, std::size_t Classes = 10>
using wide_resnet = sequential<
    named<"conv1", detail::convolution<16, 3>>,
    named<"block1",
          named<"layer", detail::stage<detail::wide_first<16 * Width, 1>, detail::pre_activation<16 * Width>, (Depth - 4) / 6>>>,
    named<"block2",
          named<"layer", detail::stage<detail::wide_first<32 * Width, 2>, detail::pre_activation<32 * Width>, (Depth - 4) / 6>>>,
    named<"block3",
          named<"layer", detail::stage<detail::wide_first<64 * Width, 2>, detail::pre_activation<64 * Width>, (Depth - 4) / 6>>>,
    named<"bn1", batch_norm>, relu, global_avg_pool, flatten, named<"fc", linear<Classes>>>;

/// WRN-28-10: 36,479,194 parameters. WRN-34-10: 46,160,474 parameters.
template <std::size_t Classes = 10>
using wrn_28_10 = wide_resnet<28, 10, Classes>;
template <std::size_t Classes = 10>
using wrn_34_10 = wide_resnet<34, 10, Classes>;

}  // namespace saddle::networks
