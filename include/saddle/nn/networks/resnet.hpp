#pragma once
#include "saddle/nn/activations.hpp"
#include "saddle/nn/linear.hpp"
#include "saddle/nn/normalization.hpp"
#include "saddle/nn/pooling.hpp"
#include "saddle/nn/residual.hpp"
#include "saddle/nn/sequential.hpp"

namespace saddle::networks {

namespace detail {

// Names stand in `named` itself: nvcc 13 loses a string that passes through an alias template.
template <std::size_t Channels, std::size_t Size, std::size_t Stride = 1>
using convolution = conv2d<Channels, Size, stride<Stride>, padding<Size / 2>, no_bias>;

template <std::size_t Channels, std::size_t Stride>
using projection = sequential<conv2d<Channels, 1, stride<Stride>, no_bias>, batch_norm>;

template <std::size_t Channels, std::size_t Stride, class Shortcut>
using basic_block =
    sequential<named<"", residual<sequential<named<"conv1", convolution<Channels, 3, Stride>>, named<"bn1", batch_norm>, relu,
                                             named<"conv2", convolution<Channels, 3>>, named<"bn2", batch_norm>>,
                                  Shortcut>>,
               relu>;

template <std::size_t Channels, std::size_t Stride, class Shortcut>
using bottleneck =
    sequential<named<"", residual<sequential<named<"conv1", convolution<Channels, 1>>, named<"bn1", batch_norm>, relu,
                                             named<"conv2", convolution<Channels, 3, Stride>>, named<"bn2", batch_norm>, relu,
                                             named<"conv3", convolution<4 * Channels, 1>>, named<"bn3", batch_norm>>,
                                  Shortcut>>,
               relu>;

/// Pre-activation with a projection: the shortcut starts after the first norm and ReLU.
template <std::size_t Channels, std::size_t Stride>
using pre_activation_first =
    sequential<named<"bn1", batch_norm>, relu,
               named<"", residual<sequential<named<"conv1", convolution<Channels, 3, Stride>>, named<"bn2", batch_norm>, relu,
                                             named<"conv2", convolution<Channels, 3>>>,
                                  sequential<conv2d<Channels, 1, stride<Stride>, no_bias>>>>>;
template <std::size_t Channels>
using pre_activation = residual<sequential<named<"bn1", batch_norm>, relu, named<"conv1", convolution<Channels, 3>>,
                                           named<"bn2", batch_norm>, relu, named<"conv2", convolution<Channels, 3>>>>;

/// One stage: the block that changes the shape, then Blocks - 1 equal ones.
template <class First, class Next, std::size_t Blocks>
using stage = sequential<First, repeat<Blocks - 1, Next>>;

template <class S1, class S2, class S3, class S4, std::size_t Classes>
using cifar_resnet =
    sequential<named<"conv1", convolution<64, 3>>, named<"bn1", batch_norm>, relu, named<"layer1", S1>, named<"layer2", S2>,
               named<"layer3", S3>, named<"layer4", S4>, global_avg_pool, flatten, named<"linear", linear<Classes>>>;

}  // namespace detail

/// ResNet-18 for 32×32 images (He et al. 2016, CIFAR stem): 11,173,962 parameters.
template <std::size_t Classes = 10>
using resnet18 = detail::cifar_resnet<
    sequential<repeat<2, detail::basic_block<64, 1, identity>>>,
    detail::stage<detail::basic_block<128, 2, detail::projection<128, 2>>, detail::basic_block<128, 1, identity>, 2>,
    detail::stage<detail::basic_block<256, 2, detail::projection<256, 2>>, detail::basic_block<256, 1, identity>, 2>,
    detail::stage<detail::basic_block<512, 2, detail::projection<512, 2>>, detail::basic_block<512, 1, identity>, 2>, Classes>;

/// ResNet-50 for 32×32 images (CIFAR stem): 23,520,842 parameters.
template <std::size_t Classes = 10>
using resnet50 = detail::cifar_resnet<
    detail::stage<detail::bottleneck<64, 1, detail::projection<256, 1>>, detail::bottleneck<64, 1, identity>, 3>,
    detail::stage<detail::bottleneck<128, 2, detail::projection<512, 2>>, detail::bottleneck<128, 1, identity>, 4>,
    detail::stage<detail::bottleneck<256, 2, detail::projection<1024, 2>>, detail::bottleneck<256, 1, identity>, 6>,
    detail::stage<detail::bottleneck<512, 2, detail::projection<2048, 2>>, detail::bottleneck<512, 1, identity>, 3>, Classes>;

/// PreAct-ResNet-18 for 32×32 images (He et al. 2016b) without a last norm, the form that Fast and YOPO use: 11,171,146 parameters.
template <std::size_t Classes = 10>
using preact_resnet18 =
    sequential<named<"conv1", detail::convolution<64, 3>>, named<"layer1", sequential<repeat<2, detail::pre_activation<64>>>>,
               named<"layer2", detail::stage<detail::pre_activation_first<128, 2>, detail::pre_activation<128>, 2>>,
               named<"layer3", detail::stage<detail::pre_activation_first<256, 2>, detail::pre_activation<256>, 2>>,
               named<"layer4", detail::stage<detail::pre_activation_first<512, 2>, detail::pre_activation<512>, 2>>,
               global_avg_pool, flatten, named<"linear", linear<Classes>>>;

}  // namespace saddle::networks
