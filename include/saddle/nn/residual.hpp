#pragma once
#include "saddle/nn/layer.hpp"

namespace saddle {

/// The shortcut that passes its input on.
struct identity {
    template <class Shape>
    using output = Shape;
    template <class Shape, class Backend, class T>
    std::size_t append(plan&, std::size_t input, const std::string&) const {
        return input;
    }
};

/// y = body(x) + shortcut(x). The body's parameters carry the residual's own path, the shortcut's stand under "shortcut" unless it is `named`.
template <class Body, class Shortcut = identity>
struct residual {
    Body body{};
    Shortcut shortcut{};

    template <class Shape>
    struct checked_output {
        static_assert(std::same_as<output_of<Body, Shape>, output_of<Shortcut, Shape>>,
                      "saddle: the body and the shortcut of a residual have different output shapes");
        using type = output_of<Body, Shape>;
    };
    template <class Shape>
    using output = typename checked_output<Shape>::type;

    template <class Shape, class Backend, class T>
    std::size_t append(plan& p, std::size_t input, const std::string& path) const {
        const auto through = append_layer<Shape, Backend, T>(body, p, input, path);
        const auto around = append_layer<Shape, Backend, T>(
            shortcut, p, input,
            detail::is_named<Shortcut> ? join_name(path, detail::naming<Shortcut>::of(0)) : join_name(path, "shortcut"));
        return p.append({.kind = operation_kind::add, .second = around, .name = path}, through, output<Shape>::value);
    }
};

}  // namespace saddle
