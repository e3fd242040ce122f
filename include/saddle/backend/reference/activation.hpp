#pragma once
#include "saddle/backend/reference/call.hpp"

#include <cmath>

namespace saddle::reference_backend {

/// 1 / (1 + exp(-x)) without overflow.
template <class T>
[[nodiscard]] T stable_sigmoid(T x) {
    const T e = std::exp(-std::abs(x));
    return (x >= 0 ? T(1) : e) / (1 + e);
}

/// The built-in functions, written apart from the functors of the fast backends so that tests compare two.
template <class T>
[[nodiscard]] T activation_value(activation_function function, T x, T slope) {
    switch (function) {
    case activation_function::relu:
        return x <= 0 ? T(0) : x;  // a NaN stays one
    case activation_function::leaky_relu:
        return x <= 0 ? slope * x : x;
    case activation_function::sigmoid:
        return stable_sigmoid(x);
    case activation_function::tanh:
        return std::tanh(x);
    case activation_function::softplus:
        return std::max(x, T(0)) + std::log1p(std::exp(-std::abs(x)));
    case activation_function::silu:
        return x * stable_sigmoid(x);
    }
    throw error("backend::reference: activation_value: unknown activation function");
}

/// The derivative at x, where y is the value there. The sides of ReLU are told by y > 0, all else by x.
template <class T>
[[nodiscard]] T activation_derivative(activation_function function, T x, T y, T slope) {
    const T s = stable_sigmoid(x);
    switch (function) {
    case activation_function::relu:
        return y > 0 ? T(1) : T(0);
    case activation_function::leaky_relu:
        return x > 0 ? T(1) : slope;
    case activation_function::sigmoid:
        return s * stable_sigmoid(-x);
    case activation_function::tanh:
        return 1 - y * y;
    case activation_function::softplus:
        return s;
    case activation_function::silu:
        return s + x * s * stable_sigmoid(-x);
    }
    throw error("backend::reference: activation_derivative: unknown activation function");
}

template <class T>
void activation_forward(const call<T>& c, const basic_images<T>& x, basic_images<T>& y) {
    for (std::size_t i = 0; i < x.values().size(); ++i)
        y.values()[i] = activation_value(c.op().function, x.values()[i], static_cast<T>(c.op().slope));
}

/// dx += dy · derivative.
template <class T>
void activation_backward(const call<T>& c, const basic_images<T>& x, const basic_images<T>& y, const basic_images<T>& dy,
                         basic_images<T>& dx) {
    for (std::size_t i = 0; i < x.values().size(); ++i)
        dx.values()[i] +=
            dy.values()[i] * activation_derivative(c.op().function, x.values()[i], y.values()[i], static_cast<T>(c.op().slope));
}

}  // namespace saddle::reference_backend
