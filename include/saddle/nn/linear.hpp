#pragma once
#include "saddle/nn/conv2d.hpp"

namespace saddle {

/// y = W x + b on a flattened input [C]: weight [Features,C], bias [Features], as PyTorch's nn.Linear.
template <std::size_t Features, class... Options>
struct linear {
    template <class Shape>
    struct checked_output {
        static_assert(Shape::height == 1 && Shape::width == 1,
                      "saddle: wrong input shape: linear needs a flattened input, put flatten before it");
        using type = shape<Features>;
    };
    template <class Shape>
    using output = typename checked_output<Shape>::type;

    template <class Shape, class Backend, class T>
    std::size_t append(plan& p, std::size_t input, const std::string& path) const {
        return detail::append_convolution(p, input, path, {Features, Shape::channels},
                                          detail::window_options<1, 1, Options...>::bias, {}, output<Shape>::value);
    }
};

/// [C,H,W] as [C*H*W,1,1], in that order, as PyTorch's nn.Flatten.
struct flatten {
    template <class Shape>
    using output = shape<Shape::size>;
    template <class Shape, class Backend, class T>
    std::size_t append(plan& p, std::size_t input, const std::string& path) const {
        return p.append({.kind = operation_kind::flatten, .name = path}, input, output<Shape>::value);
    }
};

}  // namespace saddle
