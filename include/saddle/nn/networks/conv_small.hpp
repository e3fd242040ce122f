#pragma once
#include "saddle/nn/activations.hpp"
#include "saddle/nn/linear.hpp"
#include "saddle/nn/pooling.hpp"
#include "saddle/nn/sequential.hpp"

namespace saddle::networks {

/// conv_small (S0, ERAN's convSmall): 3,614 neurons on MNIST, 4,862 on CIFAR-10; 89,606 and 125,318 parameters.
template <std::size_t Classes = 10>
using conv_small =
    sequential<conv2d<16, 4, stride<2>>, relu, conv2d<32, 4, stride<2>>, relu, flatten, linear<100>, relu, linear<Classes>>;

/// Model Z (S3, after ATDA): conv 16 and 32, 4×4, stride 2, padding 1; 166,406 parameters on MNIST.
template <std::size_t Classes = 10>
using model_z = sequential<conv2d<16, 4, stride<2>, padding<1>>, relu, conv2d<32, 4, stride<2>, padding<1>>, relu, flatten,
                           linear<100>, relu, linear<Classes>>;

/// The naive LeNet of S1: 62,006 parameters on CIFAR-10.
template <std::size_t Classes = 10>
using lenet = sequential<conv2d<6, 5>, relu, max_pool2d<2>, conv2d<16, 5>, relu, max_pool2d<2>, flatten, linear<120>, relu,
                         linear<84>, relu, linear<Classes>>;

/// The MNIST network of Madry et al. 2018: 3,274,634 parameters.
template <std::size_t Classes = 10>
using madry_mnist = sequential<conv2d<32, 5, padding<2>>, relu, max_pool2d<2>, conv2d<64, 5, padding<2>>, relu, max_pool2d<2>,
                               flatten, linear<1024>, relu, linear<Classes>>;

}  // namespace saddle::networks
