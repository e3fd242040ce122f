#pragma once
#include "saddle/backend/cuda/ptx.cuh"

#include <cstddef>

namespace saddle::cuda {

/// Threads of a block of the kernels that go through the weights once.
inline constexpr unsigned update_threads = 256;

/// Parameters from `first` up to the next range's share a weight decay.
struct update_range {
    std::size_t first;
    float decay;
};

/// What an optimizer carries from update to update, each as long as the parameters, or null.
template <std::size_t Count>
struct kept_arrays {
    float* at[Count];
};

/// One update of all parameters by an elementwise rule (training/optimizer.hpp), one thread a parameter. Ranges are in order, the
/// first begins at 0.
template <class Rule>
__global__ void __launch_bounds__(update_threads)
    update_weights(Rule rule, const update_range* ranges, int range_count, const float* gradient, kept_arrays<Rule::kept> kept,
                   float* parameters, std::size_t count) {
    const std::size_t i = blockIdx.x * std::size_t{update_threads} + threadIdx.x;
    if (i >= count) return;
    int low = 0, high = range_count;  // the range of i is in [low, high)
    while (high - low > 1) {
        const int middle = low + (high - low) / 2;
        (ranges[middle].first <= i ? low : high) = middle;
    }
    float values[Rule::kept];
    for (std::size_t k = 0; k < Rule::kept; ++k) values[k] = kept.at[k] ? kept.at[k][i] : 0;
    parameters[i] = rule(parameters[i], gradient[i], ranges[low].decay, values);
    for (std::size_t k = 0; k < Rule::kept; ++k)
        if (kept.at[k]) kept.at[k][i] = values[k];
}

/// Sets *flag where a value is NaN or infinite. Blocks go through the values in turn.
template <class = void>
__global__ void __launch_bounds__(update_threads) find_not_finite(const float* values, std::size_t count, int* flag) {
    bool bad = false;
    for (std::size_t i = blockIdx.x * std::size_t{update_threads} + threadIdx.x; i < count;
         i += gridDim.x * std::size_t{update_threads})
        bad = bad || !(values[i] - values[i] == 0);
    const bool any = __syncthreads_or(bad) != 0;
    if (any && threadIdx.x == 0) *flag = 1;
}

}  // namespace saddle::cuda
