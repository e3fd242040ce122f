#pragma once
#include "saddle/nn/conv2d.hpp"

namespace saddle {

/// Largest value of each Size×Size window; the stride is Size unless given. Ties: the first in row order takes the gradient.
template <std::size_t Size, class... Options>
struct max_pool2d {
    using options = detail::window_options<Size, Size, Options...>;
    template <class Shape>
    using output = typename options::template slide<Shape, Shape::channels>::type;
    static_assert(2 * options::window.padding <= Size && 2 * options::window.padding <= options::window.width,
                  "saddle: the padding of a pool is at most half its window");

    template <class Shape, class Backend, class T>
    std::size_t append(plan& p, std::size_t input, const std::string& path) const {
        return p.append({.kind = operation_kind::max_pool, .window = options::window, .name = path}, input, output<Shape>::value);
    }
};

/// Mean of each Size×Size window, padding counted as zeros (PyTorch's count_include_pad); the stride is Size unless given.
template <std::size_t Size, class... Options>
struct avg_pool2d {
    using options = detail::window_options<Size, Size, Options...>;
    template <class Shape>
    using output = typename options::template slide<Shape, Shape::channels>::type;
    static_assert(2 * options::window.padding <= Size && 2 * options::window.padding <= options::window.width,
                  "saddle: the padding of a pool is at most half its window");

    template <class Shape, class Backend, class T>
    std::size_t append(plan& p, std::size_t input, const std::string& path) const {
        return p.append({.kind = operation_kind::average_pool, .window = options::window, .name = path}, input,
                        output<Shape>::value);
    }
};

/// Mean over all pixels of each channel: [C,H,W] to [C,1,1].
struct global_avg_pool {
    template <class Shape>
    using output = shape<Shape::channels>;
    template <class Shape, class Backend, class T>
    std::size_t append(plan& p, std::size_t input, const std::string& path) const {
        operation op{.kind = operation_kind::average_pool, .window = {Shape::height, Shape::width, 1, 0}, .name = path};
        return p.append(std::move(op), input, output<Shape>::value);
    }
};

}  // namespace saddle
