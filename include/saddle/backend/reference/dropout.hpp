#pragma once
#include "saddle/backend/reference/call.hpp"
#include "saddle/core/philox.hpp"

namespace saddle::reference_backend {

/// Calls f(image, element, factor) for every value: 0 with probability `rate`, else 1 / (1 - rate); 1 in evaluation mode.
///
/// The draw is keyed by (seed, purpose::dropout, layer = index of the operation, epoch, step), the example's id and the element.
template <class T, class F>
void for_each_dropout_factor(const call<T>& c, std::size_t count, std::size_t size, F&& f) {
    const double rate = c.op().rate;
    draw_key key{.purpose = purpose::dropout, .layer = static_cast<std::uint32_t>(c.index)};
    if (c.training) key.seed = c.training->seed, key.epoch = c.training->epoch, key.step = c.training->step;
    const random_stream draws(key);
    for (std::size_t n = 0; n < count; ++n)
        for (std::size_t i = 0; i < size; ++i)
            f(n, i, !c.training ? T(1) : draws.uniform(c.ids[n], i) >= rate ? static_cast<T>(1 / (1 - rate)) : T(0));
}

template <class T>
void dropout_forward(const call<T>& c, const basic_images<T>& x, basic_images<T>& y) {
    for_each_dropout_factor(c, x.size(), x.each().size(),
                            [&](std::size_t n, std::size_t i, T factor) { y[n][i] = x[n][i] * factor; });
}

template <class T>
void dropout_backward(const call<T>& c, const basic_images<T>& dy, basic_images<T>& dx) {
    for_each_dropout_factor(c, dy.size(), dy.each().size(),
                            [&](std::size_t n, std::size_t i, T factor) { dx[n][i] += dy[n][i] * factor; });
}

}  // namespace saddle::reference_backend
