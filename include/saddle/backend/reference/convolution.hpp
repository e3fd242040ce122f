#pragma once
#include "saddle/backend/reference/call.hpp"
#include "saddle/core/xtensor.hpp"

#include <xtensor-blas/xlinalg.hpp>

namespace saddle::reference_backend {

/// Matrix [C*KH*KW, OH*OW] whose columns are the windows of one image [C,H,W]; positions in the padding are 0.
template <class T>
void windows_to_columns(std::span<const T> image, extents in, extents out, const window& w, std::span<T> columns) {
    std::size_t i = 0;
    for (std::size_t c = 0; c < in.channels; ++c)
        for (std::size_t ky = 0; ky < w.height; ++ky)
            for (std::size_t kx = 0; kx < w.width; ++kx)
                for (std::size_t y = 0; y < out.height; ++y)
                    for (std::size_t x = 0; x < out.width; ++x) {
                        const std::size_t row = y * w.stride + ky - w.padding, column = x * w.stride + kx - w.padding;
                        const bool inside = row < in.height && column < in.width;  // the padding before wraps to huge numbers
                        columns[i++] = inside ? image[(c * in.height + row) * in.width + column] : T(0);
                    }
}

/// The transpose of windows_to_columns: adds each column to its window of the image.
template <class T>
void add_columns_to_windows(std::span<const T> columns, extents in, extents out, const window& w, std::span<T> image) {
    std::size_t i = 0;
    for (std::size_t c = 0; c < in.channels; ++c)
        for (std::size_t ky = 0; ky < w.height; ++ky)
            for (std::size_t kx = 0; kx < w.width; ++kx)
                for (std::size_t y = 0; y < out.height; ++y)
                    for (std::size_t x = 0; x < out.width; ++x, ++i) {
                        const std::size_t row = y * w.stride + ky - w.padding, column = x * w.stride + kx - w.padding;
                        if (row < in.height && column < in.width) image[(c * in.height + row) * in.width + column] += columns[i];
                    }
}

namespace detail {

template <class T>
auto matrix(std::span<T> values, std::size_t rows, std::size_t columns) {
    return as_xtensor(values, std::array<std::size_t, 2>{rows, columns});
}

/// Linear layers are one product over the batch, convolutions one per image.
inline bool is_linear(const operation& op, extents in) {
    return in.pixels() == 1 && op.window.height == 1 && op.window.width == 1 && op.window.padding == 0;
}

}  // namespace detail

/// y = weight * x + bias, by im2col and one matrix product (BLAS).
template <class T>
void convolution_forward(const call<T>& c, const basic_images<T>& x, basic_images<T>& y) {
    const auto& op = c.op();
    const extents in = x.each(), out = y.each();
    const std::size_t taps = in.channels * op.window.height * op.window.width;
    const auto weight = detail::matrix(c.parameter(op.weight), out.channels, taps);
    if (detail::is_linear(op, in)) {
        detail::matrix(y.values(), y.size(), out.channels) =
            xt::linalg::dot(detail::matrix(x.values(), x.size(), taps), xt::transpose(weight));
    } else {
        std::vector<T> columns(taps * out.pixels());
        for (std::size_t n = 0; n < x.size(); ++n) {
            windows_to_columns<T>(x[n], in, out, op.window, columns);
            detail::matrix(y[n], out.channels, out.pixels()) =
                xt::linalg::dot(weight, detail::matrix(std::span<const T>(columns), taps, out.pixels()));
        }
    }
    if (op.bias == none) return;
    const auto bias = c.parameter(op.bias);
    for (std::size_t i = 0; i < y.values().size(); ++i) y.values()[i] += bias[i / out.pixels() % out.channels];
}

/// dx += the gradient with respect to the input.
template <class T>
void convolution_backward(const call<T>& c, const basic_images<T>& dy, basic_images<T>& dx) {
    const auto& op = c.op();
    const extents in = dx.each(), out = dy.each();
    const std::size_t taps = in.channels * op.window.height * op.window.width;
    const auto weight = detail::matrix(c.parameter(op.weight), out.channels, taps);
    if (detail::is_linear(op, in)) {
        detail::matrix(dx.values(), dx.size(), taps) +=
            xt::linalg::dot(detail::matrix(dy.values(), dy.size(), out.channels), weight);
        return;
    }
    for (std::size_t n = 0; n < dx.size(); ++n) {
        const auto columns = xt::linalg::dot(xt::transpose(weight), detail::matrix(dy[n], out.channels, out.pixels()));
        add_columns_to_windows<T>({columns.data(), columns.size()}, in, out, op.window, dx[n]);
    }
}

/// gradient += the gradient with respect to weight and bias, images in order.
template <class T>
void convolution_gradient(const call<T>& c, const basic_images<T>& x, const basic_images<T>& dy, std::span<T> gradient) {
    const auto& op = c.op();
    const extents in = x.each(), out = dy.each();
    const std::size_t taps = in.channels * op.window.height * op.window.width;
    auto weight = detail::matrix(c.part(gradient, op.weight), out.channels, taps);
    if (detail::is_linear(op, in)) {
        weight += xt::linalg::dot(xt::transpose(detail::matrix(dy.values(), dy.size(), out.channels)),
                                  detail::matrix(x.values(), x.size(), taps));
    } else {
        std::vector<T> columns(taps * out.pixels());
        for (std::size_t n = 0; n < x.size(); ++n) {
            windows_to_columns<T>(x[n], in, out, op.window, columns);
            weight += xt::linalg::dot(detail::matrix(dy[n], out.channels, out.pixels()),
                                      xt::transpose(detail::matrix(std::span<const T>(columns), taps, out.pixels())));
        }
    }
    if (op.bias == none) return;
    const auto bias = c.part(gradient, op.bias);
    for (std::size_t i = 0; i < dy.values().size(); ++i) bias[i / out.pixels() % out.channels] += dy.values()[i];
}

}  // namespace saddle::reference_backend
