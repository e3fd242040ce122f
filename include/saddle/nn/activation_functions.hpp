#pragma once
#include "saddle/core/scalar.hpp"
#include "saddle/nn/plan.hpp"

namespace saddle {

/// The built-in elementwise functions, written once for numbers and for lanes: `value(x)` and `derivative(x, y)` with y = value(x).
namespace functions {

using std::abs, std::exp, std::log1p, std::tanh;

template <class V>
SADDLE_HOST_DEVICE V sigmoid_of(const V& x) {
    const V decay = exp(-abs(x));
    return choose(x >= V(0), V(1), decay) / (V(1) + decay);
}

struct relu {
    template <class V>
    SADDLE_HOST_DEVICE static V value(const V& x, double) {
        return choose(x < V(0), V(0), x);
    }
    template <class V>
    SADDLE_HOST_DEVICE static V derivative(const V& x, const V&, double) {
        return choose(x > V(0), V(1), V(0));
    }
};
struct leaky_relu {
    template <class V>
    SADDLE_HOST_DEVICE static V value(const V& x, double slope) {
        return choose(x > V(0), x, x * V(slope));
    }
    template <class V>
    SADDLE_HOST_DEVICE static V derivative(const V& x, const V&, double slope) {
        return choose(x > V(0), V(1), V(slope));
    }
};
struct sigmoid {
    template <class V>
    SADDLE_HOST_DEVICE static V value(const V& x, double) {
        return sigmoid_of(x);
    }
    template <class V>
    SADDLE_HOST_DEVICE static V derivative(const V&, const V& y, double) {
        return y * (V(1) - y);
    }
};
struct tanh_function {
    template <class V>
    SADDLE_HOST_DEVICE static V value(const V& x, double) {
        return tanh(x);
    }
    template <class V>
    SADDLE_HOST_DEVICE static V derivative(const V&, const V& y, double) {
        return V(1) - y * y;
    }
};
struct softplus {
    template <class V>
    SADDLE_HOST_DEVICE static V value(const V& x, double) {
        return choose(x > V(0), x, V(0)) + log1p(exp(-abs(x)));
    }
    template <class V>
    SADDLE_HOST_DEVICE static V derivative(const V& x, const V&, double) {
        return sigmoid_of(x);
    }
};
struct silu {
    template <class V>
    SADDLE_HOST_DEVICE static V value(const V& x, double) {
        return x * sigmoid_of(x);
    }
    template <class V>
    SADDLE_HOST_DEVICE static V derivative(const V& x, const V& y, double) {
        return sigmoid_of(x) * (V(1) + x - y);
    }
};

}  // namespace functions

/// Calls f with the functor of a built-in activation.
template <class F>
decltype(auto) with_activation(activation_function which, F&& f) {
    switch (which) {
    case activation_function::relu:
        return f(functions::relu{});
    case activation_function::leaky_relu:
        return f(functions::leaky_relu{});
    case activation_function::sigmoid:
        return f(functions::sigmoid{});
    case activation_function::tanh:
        return f(functions::tanh_function{});
    case activation_function::softplus:
        return f(functions::softplus{});
    case activation_function::silu:
        return f(functions::silu{});
    }
    throw error("with_activation: not a built-in activation");
}

}  // namespace saddle
