#pragma once
#include "saddle/nn/plan.hpp"

#include <concepts>

namespace saddle {

/// A layer: a type with `output<Shape>` and `append<Shape, Backend, T>(plan&, input tensor, name path)`, which adds its operations.
///
/// Built-in layers append built-in operations; a user's layer derives nothing and instead offers `forward`, `backward` and, with
/// parameters, `gradient` on blocks (see nn/custom_layer.hpp). docs/layers.md has both.
template <class L, class Shape>
concept Layer = requires {
    typename L::template output<Shape>;
};

template <class L, class Shape>
using output_of = typename L::template output<Shape>;

namespace detail {

template <class L, class Shape, class Backend, class T>
concept appends_itself = requires(const L& layer, plan& p, std::size_t input, const std::string& path) {
    { layer.template append<Shape, Backend, T>(p, input, path) } -> std::same_as<std::size_t>;
};

template <class L, class Shape, class Backend, class T>
concept has_block_kernels = requires {
    Backend::template custom_kernels<L, Shape, T>();
};

}  // namespace detail

/// Adds a layer's operations to a plan and returns the tensor that holds its output.
template <class Shape, class Backend, class T, class L>
[[gnu::cold]] std::size_t append_layer(const L& layer, plan& p, std::size_t input, const std::string& path) {
    static_assert(Layer<L, Shape>, "saddle: this type is not a layer for this input shape: it has no `template <class Shape> "
                                   "using output` (docs/layers.md)");
    if constexpr (detail::appends_itself<L, Shape, Backend, T>) {
        return layer.template append<Shape, Backend, T>(p, input, path);
    } else {
        constexpr bool has_kernel = detail::has_block_kernels<L, Shape, Backend, T>;
        static_assert(has_kernel,
                      "saddle: this layer has no kernel for this backend: give it `value` and `derivative`, or `forward` and "
                      "`backward` on blocks (docs/layers.md)");
        if constexpr (has_kernel) {
            operation op{.kind = operation_kind::custom, .name = path};
            op.first_parameter = p.parameters.size();
            if constexpr (requires { L::template parameters<Shape>(); })
                for (const auto& info : L::template parameters<Shape>())
                    p.add_parameter(join_name(path, info.name), info.dimensions, info.fan_in, info.start);
            op.parameters = p.parameters.size() - op.first_parameter;
            op.custom = Backend::template custom_kernels<L, Shape, T>();
            return p.append(std::move(op), input, output_of<L, Shape>::value);
        }
        return none;
    }
}

/// A string as a template argument: the name of a layer.
template <std::size_t N>
struct fixed_string {
    char characters[N]{};
    constexpr fixed_string(const char (&s)[N]) {
        for (std::size_t i = 0; i < N; ++i) characters[i] = s[i];
    }
    [[nodiscard]] std::string str() const { return {characters, N - 1}; }
};

namespace detail {

/// How a member of a sequential is named: by its position, or by its `named`.
template <class L>
struct naming {
    static constexpr std::size_t count = 1;
    static std::string of(std::size_t index) { return std::to_string(index); }
};
template <class L>
inline constexpr bool is_named = false;

}  // namespace detail

/// A layer with the name it has in a state_dict; the empty name makes it transparent (its parts are named as its parent's).
template <fixed_string Name, class L>
struct named {
    L layer{};

    template <class Shape>
    using output = output_of<L, Shape>;

    template <class Shape, class Backend, class T>
    std::size_t append(plan& p, std::size_t input, const std::string& path) const {
        return append_layer<Shape, Backend, T>(layer, p, input,
                                               detail::is_named<L> ? join_name(path, detail::naming<L>::of(0)) : path);
    }
};

namespace detail {

template <fixed_string Name, class L>
struct naming<named<Name, L>> {
    static constexpr std::size_t count = 1;
    static std::string of(std::size_t) { return Name.str(); }
};
template <fixed_string Name, class L>
inline constexpr bool is_named<named<Name, L>> = true;

}  // namespace detail

}  // namespace saddle
