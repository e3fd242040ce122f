#pragma once
#include "saddle/backend/reference/call.hpp"

#include <cmath>

namespace saddle::reference_backend {

/// Calls f(offset in one image of y, offset in one image of x) for every position of every window inside the input, row by row.
template <class F>
void for_each_window_position(extents in, extents out, const window& w, F&& f) {
    for (std::size_t c = 0; c < out.channels; ++c)
        for (std::size_t y = 0; y < out.height; ++y)
            for (std::size_t x = 0; x < out.width; ++x)
                for (std::size_t ky = 0; ky < w.height; ++ky)
                    for (std::size_t kx = 0; kx < w.width; ++kx) {
                        const std::size_t row = y * w.stride + ky - w.padding, column = x * w.stride + kx - w.padding;
                        if (row < in.height && column < in.width)
                            f((c * out.height + y) * out.width + x, (c * in.height + row) * in.width + column);
                    }
}

/// For each value of one image's output the offset of its largest input; the first in row order, or a NaN, wins.
template <class T>
[[nodiscard]] std::vector<std::size_t> largest_positions(std::span<const T> x, extents in, extents out, const window& w) {
    std::vector<std::size_t> largest(out.size(), none);
    for_each_window_position(in, out, w, [&](std::size_t to, std::size_t from) {
        auto& best = largest[to];
        if (best == none || x[from] > x[best] || (std::isnan(x[from]) && !std::isnan(x[best]))) best = from;
    });
    return largest;
}

template <class T>
void max_pool_forward(const call<T>& c, const basic_images<T>& x, basic_images<T>& y) {
    for (std::size_t n = 0; n < x.size(); ++n) {
        const auto largest = largest_positions<T>(x[n], x.each(), y.each(), c.op().window);
        for (std::size_t i = 0; i < largest.size(); ++i) y[n][i] = x[n][largest[i]];
    }
}

/// dx += dy at the largest input of each window.
template <class T>
void max_pool_backward(const call<T>& c, const basic_images<T>& x, const basic_images<T>& dy, basic_images<T>& dx) {
    for (std::size_t n = 0; n < x.size(); ++n) {
        const auto largest = largest_positions<T>(x[n], x.each(), dy.each(), c.op().window);
        for (std::size_t i = 0; i < largest.size(); ++i) dx[n][largest[i]] += dy[n][i];
    }
}

/// Means over windows; the padding counts as zeros.
template <class T>
void average_pool_forward(const call<T>& c, const basic_images<T>& x, basic_images<T>& y) {
    const T size = static_cast<T>(c.op().window.height * c.op().window.width);
    for (std::size_t n = 0; n < x.size(); ++n) {
        std::fill(y[n].begin(), y[n].end(), T(0));
        for_each_window_position(x.each(), y.each(), c.op().window,
                                 [&](std::size_t to, std::size_t from) { y[n][to] += x[n][from]; });
        for (auto& mean : y[n]) mean /= size;
    }
}

template <class T>
void average_pool_backward(const call<T>& c, const basic_images<T>& dy, basic_images<T>& dx) {
    const T size = static_cast<T>(c.op().window.height * c.op().window.width);
    for (std::size_t n = 0; n < dx.size(); ++n)
        for_each_window_position(dx.each(), dy.each(), c.op().window,
                                 [&](std::size_t to, std::size_t from) { dx[n][from] += dy[n][to] / size; });
}

}  // namespace saddle::reference_backend
