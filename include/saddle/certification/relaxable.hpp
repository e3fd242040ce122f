#pragma once
#include "saddle/nn/activations.hpp"
#include "saddle/nn/conv2d.hpp"
#include "saddle/nn/linear.hpp"
#include "saddle/nn/normalization.hpp"
#include "saddle/nn/pooling.hpp"
#include "saddle/nn/residual.hpp"
#include "saddle/nn/sequential.hpp"

namespace saddle {

/// Whether a layer, and all it is made of, has a relaxation, so that networks of it can be certified.
template <class L>
inline constexpr bool has_relaxation = false;

template <std::size_t Channels, std::size_t Size, class... Options>
inline constexpr bool has_relaxation<conv2d<Channels, Size, Options...>> = true;
template <std::size_t Features, class... Options>
inline constexpr bool has_relaxation<linear<Features, Options...>> = true;
template <std::size_t Size, class... Options>
inline constexpr bool has_relaxation<max_pool2d<Size, Options...>> = true;
template <std::size_t Size, class... Options>
inline constexpr bool has_relaxation<avg_pool2d<Size, Options...>> = true;
template <>
inline constexpr bool has_relaxation<global_avg_pool> = true;
template <>
inline constexpr bool has_relaxation<flatten> = true;
template <>
inline constexpr bool has_relaxation<normalize> = true;
template <>
inline constexpr bool has_relaxation<batch_norm> = true;
template <>
inline constexpr bool has_relaxation<dropout> = true;  // passes its input on in evaluation
template <>
inline constexpr bool has_relaxation<relu> = true;
template <>
inline constexpr bool has_relaxation<leaky_relu> = true;
template <>
inline constexpr bool has_relaxation<sigmoid> = true;
template <>
inline constexpr bool has_relaxation<saddle::tanh> = true;
template <>
inline constexpr bool has_relaxation<identity> = true;
template <class... Layers>
inline constexpr bool has_relaxation<sequential<Layers...>> = (has_relaxation<Layers> && ...);
template <std::size_t N, class L>
inline constexpr bool has_relaxation<repeat<N, L>> = has_relaxation<L>;
template <fixed_string Name, class L>
inline constexpr bool has_relaxation<named<Name, L>> = has_relaxation<L>;
template <class Body, class Shortcut>
inline constexpr bool has_relaxation<residual<Body, Shortcut>> = has_relaxation<Body>&& has_relaxation<Shortcut>;

}  // namespace saddle
