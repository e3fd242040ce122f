#pragma once
#include "saddle/nn/activations.hpp"
#include "saddle/nn/linear.hpp"
#include "saddle/nn/normalization.hpp"
#include "saddle/nn/pooling.hpp"
#include "saddle/nn/sequential.hpp"

namespace saddle::networks {

/// The small CNN of TRADES and YOPO, also Carlini & Wagner's MNIST network: 312,202 parameters on MNIST.
/// `First` and `Hidden` scale it: small_cnn<64, 256> is Carlini & Wagner's CIFAR network (1,147,978 parameters on CIFAR-10).
template <std::size_t First = 32, std::size_t Hidden = 200, std::size_t Classes = 10>
using small_cnn = sequential<conv2d<First, 3>, relu, conv2d<First, 3>, relu, max_pool2d<2>,                   //
                             conv2d<2 * First, 3>, relu, conv2d<2 * First, 3>, relu, max_pool2d<2>, flatten,  //
                             linear<Hidden>, relu, dropout, linear<Hidden>, relu, linear<Classes>>;

}  // namespace saddle::networks
