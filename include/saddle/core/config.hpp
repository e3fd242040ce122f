#pragma once
#include <cstddef>
#include <cstdint>

#if __cplusplus < 202002L
#error "saddle: needs C++20: compile with -std=c++20"
#endif
#if defined(__FAST_MATH__)
#error                                                                                                                           \
    "saddle: -ffast-math breaks the library's guarantees (NaN checks, exact projections, same bits for any thread count); compile without it."
#endif

/// Marks leaf functors that every backend uses: host and device under nvcc, nothing elsewhere.
#if defined(__CUDACC__)
#define SADDLE_HOST_DEVICE __host__ __device__
#else
#define SADDLE_HOST_DEVICE
#endif
