#pragma once
#include "saddle/nn/block.hpp"
#include "saddle/nn/layer.hpp"

#include <span>
#include <type_traits>

namespace saddle {

/// A user's elementwise layer: `template <class V> static V value(V x)` and `derivative(V x)`, called with float or double.
template <class L>
concept ElementwiseLayer = requires(double x) {
    { L::value(x) } -> std::convertible_to<double>;
    { L::derivative(x) } -> std::convertible_to<double>;
};

/// A user's layer on blocks of any number of lanes; In is the input's shape type.
///   template <class In, class T> static void forward(block<const T> x, std::span<const T* const> parameters, block<T> y);
///   template <class In, class T> static void backward(block<const T> x, block<const T> y, block<const T> dy,
///                                                     std::span<const T* const> parameters, block<T> dx);      // assigns dx
///   template <class In, class T> static void gradient(block<const T> x, block<const T> y, block<const T> dy,
///                                                     std::span<T* const> gradients);                          // adds, only with parameters
///   template <class In> static std::vector<parameter_info> parameters();                                       // only with parameters
template <class L, class In, class T>
concept BlockLayer = requires(block<const T> in, block<T> out, std::span<const T* const> parameters) {
    L::template forward<In, T>(in, parameters, out);
    L::template backward<In, T>(in, in, in, parameters, out);
};

/// Erased signatures of a custom layer's kernels for one scalar type.
template <class T>
struct custom_signatures {
    using forward = void (*)(block<const T> x, std::span<const T* const> parameters, block<T> y);
    using backward = void (*)(block<const T> x, block<const T> y, block<const T> dy, std::span<const T* const> parameters,
                              block<T> dx);
    using gradient = void (*)(block<const T> x, block<const T> y, block<const T> dy, std::span<T* const> gradients);
};

namespace detail {

template <class L, class T>
void elementwise_forward(block<const T> x, std::span<const T* const>, block<T> y) {
    for_each_row(
        [n = x.shape.width * x.lanes](const T* in, T* out) {
            for (std::size_t i = 0; i < n; ++i) out[i] = static_cast<T>(L::value(in[i]));
        },
        x, y);
}
template <class L, class T>
void elementwise_backward(block<const T> x, block<const T>, block<const T> dy, std::span<const T* const>, block<T> dx) {
    for_each_row(
        [n = x.shape.width * x.lanes](const T* in, const T* above, T* below) {
            for (std::size_t i = 0; i < n; ++i) below[i] = above[i] * static_cast<T>(L::derivative(in[i]));
        },
        x, dy, dx);
}

}  // namespace detail

/// The erased kernels of a user's layer, for backends that run block kernels on the host.
template <class L, class In, class T>
    requires ElementwiseLayer<L> || BlockLayer<L, In, T>
[[nodiscard]] custom_operation custom_kernels_of() {
    using signatures = custom_signatures<T>;
    const auto erase = [](auto f) { return reinterpret_cast<custom_operation::erased>(f); };
    custom_operation kernels;
    if constexpr (ElementwiseLayer<L>) {
        kernels.forward = erase(static_cast<typename signatures::forward>(&detail::elementwise_forward<L, T>));
        kernels.backward = erase(static_cast<typename signatures::backward>(&detail::elementwise_backward<L, T>));
    } else {
        kernels.forward = erase(static_cast<typename signatures::forward>(&L::template forward<In, T>));
        kernels.backward = erase(static_cast<typename signatures::backward>(&L::template backward<In, T>));
        if constexpr (requires { L::template parameters<In>(); })
            kernels.gradient = erase(static_cast<typename signatures::gradient>(&L::template gradient<In, T>));
    }
    return kernels;
}

}  // namespace saddle
