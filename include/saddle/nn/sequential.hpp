#pragma once
#include "saddle/nn/layer.hpp"

#include <tuple>

namespace saddle {

/// The same layer N times, each with its own parameters; stands for N neighbours in a sequential and is compiled once.
template <std::size_t N, class L>
struct repeat {
    L layer{};

    template <class Shape>
    struct checked_output {
        static_assert(std::same_as<output_of<L, Shape>, Shape>,
                      "saddle: repeat needs a layer whose output has the shape of its input");
        using type = Shape;
    };
    template <class Shape>
    using output = typename checked_output<Shape>::type;

    template <class Shape, class Backend, class T>
    std::size_t append_from(plan& p, std::size_t tensor, const std::string& path, std::size_t first) const {
        for (std::size_t i = 0; i < N; ++i)
            tensor = append_layer<Shape, Backend, T>(layer, p, tensor, join_name(path, std::to_string(first + i)));
        return tensor;
    }
    template <class Shape, class Backend, class T>
    std::size_t append(plan& p, std::size_t input, const std::string& path) const {
        return append_from<Shape, Backend, T>(p, input, path, 0);
    }
};

namespace detail {

template <std::size_t N, class L>
struct naming<repeat<N, L>> {
    static constexpr std::size_t count = N;
};

template <class Shape, class... Layers>
struct chain {
    using type = Shape;
};
template <class Shape, class First, class... Rest>
struct chain<Shape, First, Rest...> {
    static_assert(Layer<First, Shape>,
                  "saddle: a member of this sequential is not a layer for the shape it receives (docs/layers.md)");
    using type = typename chain<output_of<First, Shape>, Rest...>::type;
};

}  // namespace detail

/// Layers one after the other. Parameters are named by position as in PyTorch's nn.Sequential ("0.weight"), or by `named`.
template <class... Layers>
struct sequential {
    std::tuple<Layers...> layers{};

    constexpr sequential() = default;
    constexpr explicit(sizeof...(Layers) == 1) sequential(Layers... each) requires(sizeof...(Layers) > 0)
        : layers(std::move(each)...) {}

    template <class Shape>
    using output = typename detail::chain<Shape, Layers...>::type;

    template <class Shape, class Backend, class T>
    std::size_t append(plan& p, std::size_t input, const std::string& path) const {
        return append_rest<Shape, Backend, T, 0>(p, input, path, 0);
    }

private:
    template <class Shape, class Backend, class T, std::size_t I>
    [[gnu::cold]] std::size_t append_rest(plan& p, std::size_t tensor, const std::string& path, std::size_t index) const {
        if constexpr (I == sizeof...(Layers)) {
            return tensor;
        } else {
            using layer = std::tuple_element_t<I, std::tuple<Layers...>>;
            const auto& each = std::get<I>(layers);
            if constexpr (requires { each.template append_from<Shape, Backend, T>(p, tensor, path, index); })
                tensor = each.template append_from<Shape, Backend, T>(p, tensor, path, index);
            else
                tensor = append_layer<Shape, Backend, T>(each, p, tensor, join_name(path, detail::naming<layer>::of(index)));
            return append_rest<output_of<layer, Shape>, Backend, T, I + 1>(p, tensor, path, index + detail::naming<layer>::count);
        }
    }
};

}  // namespace saddle
