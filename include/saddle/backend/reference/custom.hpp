#pragma once
#include "saddle/backend/reference/call.hpp"
#include "saddle/nn/custom_layer.hpp"

namespace saddle::reference_backend {

namespace detail {

/// The user's layer sees one image at a time: a block of one lane.
template <class T, class Images>
auto lane_of(Images& x, std::size_t n) {
    return contiguous_block(x[n].data(), x.each(), 1);
}

template <class T>
std::vector<const T*> custom_parameters(const call<T>& c) {
    std::vector<const T*> pointers;
    for (std::size_t i = 0; i < c.op().parameters; ++i) pointers.push_back(c.parameter(c.op().first_parameter + i).data());
    return pointers;
}

}  // namespace detail

template <class T>
void custom_forward(const call<T>& c, const basic_images<T>& x, basic_images<T>& y) {
    const auto kernel = reinterpret_cast<typename custom_signatures<T>::forward>(c.op().custom.forward);
    const auto parameters = detail::custom_parameters(c);
    for (std::size_t n = 0; n < x.size(); ++n) kernel(detail::lane_of<T>(x, n), parameters, detail::lane_of<T>(y, n));
}

/// dx += the gradient with respect to the input.
template <class T>
void custom_backward(const call<T>& c, const basic_images<T>& x, const basic_images<T>& y, const basic_images<T>& dy,
                     basic_images<T>& dx) {
    const auto kernel = reinterpret_cast<typename custom_signatures<T>::backward>(c.op().custom.backward);
    const auto parameters = detail::custom_parameters(c);
    basic_images<T> own(1, x.each());
    for (std::size_t n = 0; n < x.size(); ++n) {
        kernel(detail::lane_of<T>(x, n), detail::lane_of<T>(y, n), detail::lane_of<T>(dy, n), parameters,
               detail::lane_of<T>(own, 0));
        for (std::size_t i = 0; i < own.values().size(); ++i) dx[n][i] += own.values()[i];
    }
}

/// gradient += the gradient with respect to the layer's parameters.
template <class T>
void custom_gradient(const call<T>& c, const basic_images<T>& x, const basic_images<T>& y, const basic_images<T>& dy,
                     std::span<T> gradient) {
    if (c.op().parameters == 0) return;
    const auto kernel = reinterpret_cast<typename custom_signatures<T>::gradient>(c.op().custom.gradient);
    std::vector<T*> parts;
    for (std::size_t i = 0; i < c.op().parameters; ++i) parts.push_back(c.part(gradient, c.op().first_parameter + i).data());
    for (std::size_t n = 0; n < x.size(); ++n)
        kernel(detail::lane_of<T>(x, n), detail::lane_of<T>(y, n), detail::lane_of<T>(dy, n), parts);
}

}  // namespace saddle::reference_backend
