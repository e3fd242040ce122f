#pragma once
#include "saddle/backend/cpu/pointwise.hpp"

namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE {

/// A run of a block's channels.
template <class T>
[[nodiscard]] inline block<T> channels_of(block<T> b, std::size_t first, std::size_t count) {
    b.data = b.at(first);
    b.shape.channels = count;
    return b;
}

/// Mean and 1/deviation per lane of one group.
template <class V, class T>
struct group_moments {
    V mean = V(T(0)), inverse = V(T(0));

    group_moments(block<const T> group, double epsilon) {
        const V share(T(1) / static_cast<T>(group.shape.size()));
        for_each_register<V>(
            group.shape, [&](std::size_t, const T* in) { mean += V::load_aligned(in); }, group);
        mean *= share;
        V variance(T(0));
        for_each_register<V>(
            group.shape,
            [&](std::size_t, const T* in) {
                const V d = V::load_aligned(in) - mean;
                variance = multiply_add(d, d, variance);
            },
            group);
        inverse = V(T(1)) / sqrt(multiply_add(variance, share, V(static_cast<T>(epsilon))));
    }
};

template <class V, class T>
void group_norm_forward(const operation& op, block<const T> x, const T* weight, const T* bias, bool relu, block<T> y) {
    const std::size_t each = x.shape.channels / op.groups;
    for (std::size_t first = 0; first < x.shape.channels; first += each) {
        const auto group = channels_of(x, first, each);
        const group_moments<V, T> moments(group, op.epsilon);
        for_each_register<V>(
            group.shape,
            [&](std::size_t c, const T* in, T* out) {
                const V normal = (V::load_aligned(in) - moments.mean) * moments.inverse;
                store_result(multiply_add(normal, V::broadcast(weight[first + c]), V::broadcast(bias[first + c])), relu, out);
            },
            group, channels_of(y, first, each));
    }
}
template <class V, class T>
void group_norm_backward(const operation& op, block<const T> x, const T* weight, block<const T> dy, gradient_action action,
                         block<T> dx) {
    const std::size_t each = x.shape.channels / op.groups;
    for (std::size_t first = 0; first < x.shape.channels; first += each) {
        const auto group = channels_of(x, first, each);
        const auto above = channels_of(dy, first, each);
        const group_moments<V, T> moments(group, op.epsilon);
        V sum(T(0)), product(T(0));
        for_each_register<V>(
            group.shape,
            [&](std::size_t c, const T* in, const T* g) {
                const V slope = V::load_aligned(g) * V::broadcast(weight[first + c]);
                sum += slope;
                product = multiply_add(slope, (V::load_aligned(in) - moments.mean) * moments.inverse, product);
            },
            group, above);
        const V share(T(1) / static_cast<T>(group.shape.size()));
        sum *= share;
        product *= share;
        for_each_register<V>(
            group.shape,
            [&](std::size_t c, const T* in, const T* g, T* below) {
                const V normal = (V::load_aligned(in) - moments.mean) * moments.inverse;
                leave<V>(action, below, in,
                         (V::load_aligned(g) * V::broadcast(weight[first + c]) - sum - normal * product) * moments.inverse);
            },
            group, above, channels_of(dx, first, each));
    }
}
/// Adds the gradients of weight and bias, lanes in order.
template <class V, class T>
void group_norm_gradient(const operation& op, block<const T> x, block<const T> dy, T* weight_gradient, T* bias_gradient) {
    const std::size_t each = x.shape.channels / op.groups;
    for (std::size_t first = 0; first < x.shape.channels; first += each) {
        const auto group = channels_of(x, first, each);
        const group_moments<V, T> moments(group, op.epsilon);
        for (std::size_t c = 0; c < each; ++c) {
            V sum(T(0)), product(T(0));
            for_each_register<V>(
                {1, x.shape.height, x.shape.width},
                [&](std::size_t, const T* in, const T* g) {
                    sum += V::load_aligned(g);
                    product = multiply_add(V::load_aligned(g), (V::load_aligned(in) - moments.mean) * moments.inverse, product);
                },
                channels_of(x, first + c, 1), channels_of(dy, first + c, 1));
            weight_gradient[first + c] += sum_lanes(product);
            bias_gradient[first + c] += sum_lanes(sum);
        }
    }
}

}  // namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE
