#pragma once
#include "saddle/core/error.hpp"

#include <cuda_runtime.h>

namespace saddle {

/// A CUDA call that failed: the operation, its shape, and what the runtime says.
class cuda_error : public error {
public:
    using error::error;
};

/// The device's memory does not suffice; the text names a batch size to try.
class out_of_device_memory : public cuda_error {
public:
    using cuda_error::cuda_error;
};

}  // namespace saddle

namespace saddle::cuda {

/// Throws cuda_error with the operation and its shape unless a CUDA call succeeded.
template <class... Shape>
inline void check(cudaError_t status, std::string_view operation, const Shape&... shape) {
    if (status == cudaSuccess) return;
    (void)cudaGetLastError();  // a later call must not report it again
    throw cuda_error(text("cuda: ", operation, shape..., ": ", cudaGetErrorName(status), ", ", cudaGetErrorString(status)));
}

}  // namespace saddle::cuda
