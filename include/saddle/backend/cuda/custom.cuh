#pragma once
#include "saddle/backend/cuda/machine.cuh"
#include "saddle/nn/custom_layer.hpp"

namespace saddle::cuda {

namespace detail {

/// A user's elementwise layer as the pointwise kernels want a function.
template <class L>
struct users_function {
    SADDLE_HOST_DEVICE static float value(float x, double) { return static_cast<float>(L::value(x)); }
    SADDLE_HOST_DEVICE static float derivative(float x, float, double) { return static_cast<float>(L::derivative(x)); }
};

template <class L, class S>
void run_custom_forward(cudaStream_t stream, extents shape, std::size_t lanes, bool wide, const void* x, void* y) {
    const auto run = [&]<class T>(T*) {
        launch_pointwise(stream, "a user's layer", shape, lanes,
                         apply_forward<T, users_function<L>>{static_cast<const T*>(x), 0, static_cast<T*>(y)});
    };
    wide ? run(static_cast<float*>(nullptr)) : run(static_cast<S*>(nullptr));
}
/// The input's values, which a mask needs, are x itself.
template <class L, class S>
void run_custom_backward(cudaStream_t stream, extents shape, std::size_t lanes, bool wide, const void* x, const void* y,
                         const void* dy, fusion::gradient_action action, void* dx) {
    const auto run = [&]<class T>(T*) {
        const auto* const in = static_cast<const T*>(x);
        launch_pointwise(stream, "a user's layer, backward", shape, lanes,
                         apply_backward<T, users_function<L>>{in, static_cast<const T*>(y), static_cast<const T*>(dy), 0,
                                                              gradient_place<T>{static_cast<T*>(dx), in, action}});
    };
    wide ? run(static_cast<float*>(nullptr)) : run(static_cast<S*>(nullptr));
}

}  // namespace detail

/// The kernels of a user's elementwise layer. Its `value` and `derivative` must be callable on the device: SADDLE_HOST_DEVICE.
template <class Precision, ElementwiseLayer L>
[[nodiscard]] custom_operation custom_kernels_of() {
    using S = typename Precision::storage;
    const auto erase = [](auto f) { return reinterpret_cast<custom_operation::erased>(f); };
    custom_operation kernels;
    kernels.forward = erase(static_cast<custom_forward>(&detail::run_custom_forward<L, S>));
    kernels.backward = erase(static_cast<custom_backward>(&detail::run_custom_backward<L, S>));
    return kernels;
}

}  // namespace saddle::cuda
