#pragma once
#include "saddle/nn/layer.hpp"

namespace saddle {

namespace detail {

[[nodiscard, gnu::cold]] inline std::size_t append_activation(plan& p, activation_function function, std::size_t input,
                                                              const std::string& path, extents shape, double slope = 0) {
    operation op{.kind = operation_kind::activation, .function = function, .slope = slope, .name = path};
    return p.append(std::move(op), input, shape);
}

}  // namespace detail

/// Elementwise max(x, 0).
struct relu {
    template <class Shape>
    using output = Shape;
    template <class Shape, class Backend, class T>
    std::size_t append(plan& p, std::size_t input, const std::string& path) const {
        return detail::append_activation(p, activation_function::relu, input, path, Shape::value);
    }
};

/// Elementwise x for x > 0, slope·x otherwise.
struct leaky_relu {
    double slope = .01;
    template <class Shape>
    using output = Shape;
    template <class Shape, class Backend, class T>
    std::size_t append(plan& p, std::size_t input, const std::string& path) const {
        return detail::append_activation(p, activation_function::leaky_relu, input, path, Shape::value, slope);
    }
};

/// Elementwise 1 / (1 + exp(-x)).
struct sigmoid {
    template <class Shape>
    using output = Shape;
    template <class Shape, class Backend, class T>
    std::size_t append(plan& p, std::size_t input, const std::string& path) const {
        return detail::append_activation(p, activation_function::sigmoid, input, path, Shape::value);
    }
};

/// Elementwise the hyperbolic tangent.
struct tanh {
    template <class Shape>
    using output = Shape;
    template <class Shape, class Backend, class T>
    std::size_t append(plan& p, std::size_t input, const std::string& path) const {
        return detail::append_activation(p, activation_function::tanh, input, path, Shape::value);
    }
};

/// Elementwise log(1 + exp(x)).
struct softplus {
    template <class Shape>
    using output = Shape;
    template <class Shape, class Backend, class T>
    std::size_t append(plan& p, std::size_t input, const std::string& path) const {
        return detail::append_activation(p, activation_function::softplus, input, path, Shape::value);
    }
};

/// Elementwise x · sigmoid(x).
struct silu {
    template <class Shape>
    using output = Shape;
    template <class Shape, class Backend, class T>
    std::size_t append(plan& p, std::size_t input, const std::string& path) const {
        return detail::append_activation(p, activation_function::silu, input, path, Shape::value);
    }
};

}  // namespace saddle
