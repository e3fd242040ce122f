#pragma once
#include "saddle/backend/cpu/pointwise.hpp"

namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE {

/// The input rows (or columns) that window `i` covers, padding cut off.
struct span_of_window {
    std::size_t first, last;
    span_of_window(std::size_t i, std::size_t size, const saddle::window& w, std::size_t extent)
        : first(i * w.stride < w.padding ? 0 : i * w.stride - w.padding),
          last(std::min(extent, i * w.stride + size - w.padding)) {}
};
/// The windows that cover input row (or column) `i`.
struct windows_over {
    std::size_t first, last;
    windows_over(std::size_t i, std::size_t size, const saddle::window& w, std::size_t windows)
        : first(i + w.padding < size ? 0 : (i + w.padding - size) / w.stride + 1),
          last(std::min(windows, (i + w.padding) / w.stride + 1)) {}
};

/// Whether every input lies in at most one window.
[[nodiscard]] inline bool disjoint(const saddle::window& w) {
    return w.padding == 0 && w.stride == w.height && w.stride == w.width;
}

template <class V, class T>
void max_pool_forward(const saddle::window& w, block<const T> x, block<T> y) {
    for (std::size_t c = 0; c < y.shape.channels; ++c)
        for (std::size_t oy = 0; oy < y.shape.height; ++oy)
            for (std::size_t ox = 0; ox < y.shape.width; ++ox) {
                const span_of_window rows(oy, w.height, w, x.shape.height), columns(ox, w.width, w, x.shape.width);
                V best = V::load_aligned(x.at(c, rows.first, columns.first));
                for (std::size_t iy = rows.first; iy < rows.last; ++iy)
                    for (std::size_t ix = columns.first; ix < columns.last; ++ix) {
                        const V value = V::load_aligned(x.at(c, iy, ix));
                        best = choose(value > best || !(value == value), value, best);
                    }
                best.store_aligned(y.at(c, oy, ox));
            }
}
/// Backward of disjoint windows: one pass over them; dx may stand where x stands.
template <class V, class T>
void max_pool_backward_disjoint(const saddle::window& w, block<const T> x, block<const T> y, block<const T> dy,
                                gradient_action action, block<T> dx) {
    const V zero(T(0));
    const auto clear = [&](std::size_t c, std::size_t row, std::size_t first) {
        for (std::size_t q = first; q < x.shape.width; ++q) leave<V>(action, dx.at(c, row, q), x.at(c, row, q), zero);
    };
    for (std::size_t c = 0; c < x.shape.channels; ++c) {
        for (std::size_t oy = 0; oy < y.shape.height; ++oy)
            for (std::size_t ox = 0; ox < y.shape.width; ++ox) {
                const V best = V::load_aligned(y.at(c, oy, ox));
                V rest = V::load_aligned(dy.at(c, oy, ox));
                for (std::size_t ky = 0; ky < w.height; ++ky)
                    for (std::size_t kx = 0; kx < w.width; ++kx) {
                        const T* const in = x.at(c, oy * w.height + ky, ox * w.width + kx);
                        const auto wins = V::load_aligned(in) == best;
                        leave<V>(action, dx.at(c, oy * w.height + ky, ox * w.width + kx), in, choose(wins, rest, zero));
                        rest = choose(wins, zero, rest);
                    }
            }
        for (std::size_t row = 0; row < x.shape.height; ++row)
            clear(c, row, row < y.shape.height * w.height ? y.shape.width * w.width : 0);
    }
}

/// The gradient of a window goes to its first largest value in row order.
template <class V, class T>
void max_pool_backward(const saddle::window& w, block<const T> x, block<const T> y, block<const T> dy, gradient_action action,
                       block<T> dx) {
    if (disjoint(w)) return max_pool_backward_disjoint<V>(w, x, y, dy, action, dx);
    for (std::size_t c = 0; c < x.shape.channels; ++c)
        for (std::size_t iy = 0; iy < x.shape.height; ++iy)
            for (std::size_t ix = 0; ix < x.shape.width; ++ix) {
                const windows_over rows(iy, w.height, w, y.shape.height), columns(ix, w.width, w, y.shape.width);
                const V value = V::load_aligned(x.at(c, iy, ix));
                V sum(T(0));
                for (std::size_t oy = rows.first; oy < rows.last; ++oy)
                    for (std::size_t ox = columns.first; ox < columns.last; ++ox) {
                        auto wins = value == V::load_aligned(y.at(c, oy, ox));
                        const span_of_window above(oy, w.height, w, x.shape.height), left(ox, w.width, w, x.shape.width);
                        for (std::size_t ey = above.first; ey <= iy; ++ey)
                            for (std::size_t ex = left.first; ex < (ey == iy ? ix : left.last); ++ex)
                                wins = wins && V::load_aligned(x.at(c, ey, ex)) != value;
                        sum += choose(wins, V::load_aligned(dy.at(c, oy, ox)), V(T(0)));
                    }
                leave<V>(action, dx.at(c, iy, ix), x.at(c, iy, ix), sum);
            }
}

template <class V, class T>
void average_pool_forward(const saddle::window& w, block<const T> x, block<T> y) {
    const V share(T(1) / static_cast<T>(w.height * w.width));
    for (std::size_t c = 0; c < y.shape.channels; ++c)
        for (std::size_t oy = 0; oy < y.shape.height; ++oy)
            for (std::size_t ox = 0; ox < y.shape.width; ++ox) {
                const span_of_window rows(oy, w.height, w, x.shape.height), columns(ox, w.width, w, x.shape.width);
                V sum(T(0));
                for (std::size_t iy = rows.first; iy < rows.last; ++iy)
                    for (std::size_t ix = columns.first; ix < columns.last; ++ix) sum += V::load_aligned(x.at(c, iy, ix));
                (sum * share).store_aligned(y.at(c, oy, ox));
            }
}
template <class V, class T>
void average_pool_backward(const saddle::window& w, block<const T> x, block<const T> dy, gradient_action action, block<T> dx) {
    const V share(T(1) / static_cast<T>(w.height * w.width));
    for (std::size_t c = 0; c < x.shape.channels; ++c)
        for (std::size_t iy = 0; iy < x.shape.height; ++iy)
            for (std::size_t ix = 0; ix < x.shape.width; ++ix) {
                const windows_over rows(iy, w.height, w, dy.shape.height), columns(ix, w.width, w, dy.shape.width);
                V sum(T(0));
                for (std::size_t oy = rows.first; oy < rows.last; ++oy)
                    for (std::size_t ox = columns.first; ox < columns.last; ++ox) sum += V::load_aligned(dy.at(c, oy, ox));
                leave<V>(action, dx.at(c, iy, ix), x.at(c, iy, ix), sum * share);
            }
}

}  // namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE
