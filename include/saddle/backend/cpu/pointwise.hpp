#pragma once
#include "saddle/backend/cpu/steps.hpp"
#include "saddle/core/lanes.hpp"
#include "saddle/nn/activation_functions.hpp"

namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE {

/// Leaves `value` at a place of an input's gradient as the schedule asks: added, masked by the input's ReLU, or just stored.
template <class V, class T>
inline void leave(gradient_action action, T* gradient, const T* input, V value) {
    if (action.accumulate) value += V::load_aligned(gradient);
    if (action.mask) value = choose(V::load_aligned(input) > V(T(0)), value, V(T(0)));
    value.store_aligned(gradient);
}

/// Calls f(channel, pointers...) for every register of blocks of one shape.
template <class V, class F, class... Blocks>
inline void for_each_register(extents shape, F&& f, const Blocks&... blocks) {
    const std::size_t width = shape.width * V::size;
    for (std::size_t c = 0; c < shape.channels; ++c)
        for (std::size_t y = 0; y < shape.height; ++y)
            [&](auto*... row) {
                for (std::size_t i = 0; i < width; i += V::size) f(c, row + i...);
            }(blocks.at(c, y)...);
}

template <class V, class T>
inline void store_result(V value, bool relu, T* to) {
    if (relu) value = choose(value < V(T(0)), V(T(0)), value);
    value.store_aligned(to);
}

/// y = scale[c]·x + shift[c], then the fused ReLU.
template <class V, class T>
void affine_forward(block<const T> x, const T* scale, const T* shift, bool relu, block<T> y) {
    for_each_register<V>(
        x.shape,
        [&](std::size_t c, const T* in, T* out) {
            store_result(multiply_add(V::load_aligned(in), V::broadcast(scale[c]), V::broadcast(shift[c])), relu, out);
        },
        x, y);
}
template <class V, class T>
void affine_backward(block<const T> x, const T* scale, block<const T> dy, gradient_action action, block<T> dx) {
    for_each_register<V>(
        x.shape,
        [&](std::size_t c, const T* in, const T* above, T* below) {
            leave<V>(action, below, in, V::load_aligned(above) * V::broadcast(scale[c]));
        },
        x, dy, dx);
}

template <class V, class T>
void activation_forward(const operation& op, block<const T> x, block<T> y) {
    with_activation(op.function, [&](auto function) {
        for_each_register<V>(
            x.shape, [&](std::size_t, const T* in, T* out) { function.value(V::load_aligned(in), op.slope).store_aligned(out); },
            x, y);
    });
}
template <class V, class T>
void activation_backward(const operation& op, block<const T> x, block<const T> y, block<const T> dy, gradient_action action,
                         block<T> dx) {
    with_activation(op.function, [&](auto function) {
        for_each_register<V>(
            x.shape,
            [&](std::size_t, const T* in, const T* out, const T* above, T* below) {
                leave<V>(action, below, in,
                         V::load_aligned(above) * function.derivative(V::load_aligned(in), V::load_aligned(out), op.slope));
            },
            x, y, dy, dx);
    });
}

template <class V, class T>
void add_forward(block<const T> a, block<const T> b, bool relu, block<T> y) {
    for_each_register<V>(
        a.shape,
        [&](std::size_t, const T* first, const T* second, T* out) {
            store_result(V::load_aligned(first) + V::load_aligned(second), relu, out);
        },
        a, b, y);
}
/// Hands a gradient on unchanged: the backward pass of a sum, and of a copy between equal shapes.
template <class V, class T>
void pass_backward(block<const T> x, block<const T> dy, gradient_action action, block<T> dx) {
    for_each_register<V>(
        x.shape, [&](std::size_t, const T* in, const T* above, T* below) { leave<V>(action, below, in, V::load_aligned(above)); },
        x, dy, dx);
}

/// The register of a block that holds the i-th value in row order.
template <class T>
inline T* nth(const block<T>& b, std::size_t i) {
    return b.at(i / b.shape.pixels(), i % b.shape.pixels() / b.shape.width, i % b.shape.width);
}
/// The same values in another layout or shape (flatten), in row order.
template <class V, class T>
void copy_forward(block<const T> x, block<T> y) {
    for (std::size_t i = 0; i < x.shape.size(); ++i) V::load_aligned(nth(x, i)).store_aligned(nth(y, i));
}
template <class V, class T>
void copy_backward(block<const T> x, block<const T> dy, gradient_action action, block<T> dx) {
    for (std::size_t i = 0; i < x.shape.size(); ++i) leave<V>(action, nth(dx, i), nth(x, i), V::load_aligned(nth(dy, i)));
}

}  // namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE
