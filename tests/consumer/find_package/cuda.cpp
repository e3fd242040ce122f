#include "saddle/core/version.hpp"

#include <cublasLt.h>
#include <cuda_runtime_api.h>

// Needs no device: asks the libraries that saddle::cuda links for their versions.
int main() {
    int version = 0;
    return cudaRuntimeGetVersion(&version) == cudaSuccess && version > 0 && cublasLtGetVersion() > 0 ? 0 : 1;
}
