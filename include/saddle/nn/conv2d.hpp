#pragma once
#include "saddle/nn/layer.hpp"

namespace saddle {

/// What the options of a windowed layer set; each option is a type with `apply`.
struct window_settings {
    std::size_t width, stride, padding = 0;
    bool bias = true;
};

/// Options of windowed layers, in any order after the window's size.
template <std::size_t N>
struct stride {
    static constexpr void apply(window_settings& s) { s.stride = N; }
};
template <std::size_t N>
struct padding {
    static constexpr void apply(window_settings& s) { s.padding = N; }
};
template <std::size_t N>
struct window_width {
    static constexpr void apply(window_settings& s) { s.width = N; }
};
struct no_bias {
    static constexpr void apply(window_settings& s) { s.bias = false; }
};

namespace detail {

/// Reads the options of a windowed layer; `Stride` is the stride when none is given.
template <std::size_t Size, std::size_t Stride, class... Options>
struct window_options {
    static constexpr window_settings settings = [] {
        window_settings s{.width = Size, .stride = Stride};
        (Options::apply(s), ...);
        return s;
    }();
    static constexpr bool bias = settings.bias;
    static constexpr saddle::window window{Size, settings.width, settings.stride, settings.padding};
    static_assert(Size > 0 && settings.width > 0 && settings.stride > 0, "saddle: a window and its stride must be at least 1");

    template <class Shape, std::size_t Channels>
    struct slide {
        static_assert(Shape::height + 2 * window.padding >= Size && Shape::width + 2 * window.padding >= window.width,
                      "saddle: wrong input shape: the layer's window is larger than its padded input");
        using type = shape<Channels, (Shape::height + 2 * window.padding - Size) / window.stride + 1,
                           (Shape::width + 2 * window.padding - window.width) / window.stride + 1>;
    };
};

/// A convolution or linear layer with `weight` of these dimensions, the first of which counts the bias's elements.
[[nodiscard, gnu::cold]] inline std::size_t append_convolution(plan& p, std::size_t input, const std::string& path,
                                                               std::vector<std::size_t> weight, bool bias, const window& w,
                                                               extents output) {
    operation op{.kind = operation_kind::convolution, .window = w, .name = path};
    const std::size_t outputs = weight[0];
    std::size_t fan_in = 1;
    for (std::size_t i = 1; i < weight.size(); ++i) fan_in *= weight[i];
    op.weight = p.add_parameter(join_name(path, "weight"), std::move(weight), fan_in);
    if (bias) op.bias = p.add_parameter(join_name(path, "bias"), {outputs}, fan_in);
    return p.append(std::move(op), input, output);
}

}  // namespace detail

/// Convolution of [C,H,W] with Channels filters of Size×Size: `conv2d<16, 4, stride<2>, padding<1>, no_bias>`.
///
/// Weight [Channels,C,Size,Size] (OIHW) and bias [Channels], as PyTorch's nn.Conv2d. Starts uniform in ±1/sqrt(fan_in).
template <std::size_t Channels, std::size_t Size, class... Options>
struct conv2d {
    using options = detail::window_options<Size, 1, Options...>;
    template <class Shape>
    using output = typename options::template slide<Shape, Channels>::type;

    template <class Shape, class Backend, class T>
    std::size_t append(plan& p, std::size_t input, const std::string& path) const {
        return detail::append_convolution(p, input, path,
                                          {Channels, Shape::channels, options::window.height, options::window.width},
                                          options::bias, options::window, output<Shape>::value);
    }
};

}  // namespace saddle
