#pragma once
#include "saddle/nn/custom_layer.hpp"

namespace saddle {

/// y = x, as the approximation of layers that change their input little: the gradient passes straight through.
struct straight_through {
    template <class Shape>
    using output = Shape;
    template <class V>
    static V value(V x) {
        return x;
    }
    template <class V>
    static V derivative(V) {
        return V(1);
    }
};

/// BPDA (Athalye et al. 2018): forward as `L`, backward as the differentiable `Approximation` of it at the same input.
///
/// Both are layers of the user's kind, elementwise or on blocks, without parameters, and have the same output shape; L needs no
/// derivative. A block approximation's backward is given L's output as y. Several of them may stand in one network.
template <class L, class Approximation = straight_through>
struct backward_pass_approximation {
    template <class Shape>
    using output = output_of<L, Shape>;

    template <class In, class T>
    static void forward(block<const T> x, std::span<const T* const> parameters, block<T> y) {
        static_assert(std::is_same_v<output_of<L, In>, output_of<Approximation, In>>,
                      "saddle: a backward pass approximation needs the output shape of the layer it replaces (docs/layers.md)");
        if constexpr (requires { L::template forward<In, T>(x, parameters, y); })
            L::template forward<In, T>(x, parameters, y);
        else
            for_each_row(
                [n = x.shape.width * x.lanes](const T* in, T* out) {
                    for (std::size_t i = 0; i < n; ++i) out[i] = static_cast<T>(L::value(in[i]));
                },
                x, y);
    }
    template <class In, class T>
    static void backward(block<const T> x, block<const T> y, block<const T> dy, std::span<const T* const> parameters,
                         block<T> dx) {
        if constexpr (requires { Approximation::template backward<In, T>(x, y, dy, parameters, dx); })
            Approximation::template backward<In, T>(x, y, dy, parameters, dx);
        else
            detail::elementwise_backward<Approximation, T>(x, y, dy, parameters, dx);
    }
};

}  // namespace saddle
