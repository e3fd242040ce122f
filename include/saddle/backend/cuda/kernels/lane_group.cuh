#pragma once
#include "saddle/backend/cuda/ptx.cuh"

#include <cstddef>

namespace saddle::cuda {

/// A block that works on 32 lanes, 16 threads a lane; each thread has a stretch of the lane's elements. Sums run over the
/// stretches in order, so every thread of a lane holds the same bits.
struct lane_group {
    static constexpr int lanes = 32, parts = 16;
    static constexpr std::size_t shared = sizeof(double) * lanes * parts;

    double* memory;
    int lane, part;
    std::size_t first, last;  ///< elements of this thread

    __device__ lane_group(std::size_t elements)
        : memory(shared_memory<double>()), lane(static_cast<int>(threadIdx.x)), part(static_cast<int>(threadIdx.y)) {
        const std::size_t each = (elements + parts - 1) / parts;
        first = each * static_cast<std::size_t>(part) < elements ? each * static_cast<std::size_t>(part) : elements;
        last = first + each < elements ? first + each : elements;
    }
    __device__ void share(double mine) const {
        __syncthreads();
        memory[part * lanes + lane] = mine;
        __syncthreads();
    }
    [[nodiscard]] __device__ double sum(double mine) const {
        share(mine);
        double total = 0;
        for (int p = 0; p < parts; ++p) total += memory[p * lanes + lane];
        return total;
    }
    /// The sum of the stretches before this thread's.
    [[nodiscard]] __device__ double sum_before(double mine) const {
        share(mine);
        double total = 0;
        for (int p = 0; p < part; ++p) total += memory[p * lanes + lane];
        return total;
    }
    [[nodiscard]] __device__ float largest(float mine) const {
        share(mine);
        double best = memory[lane];
        for (int p = 1; p < parts; ++p) best = memory[p * lanes + lane] > best ? memory[p * lanes + lane] : best;
        return static_cast<float>(best);
    }
    [[nodiscard]] __device__ bool all(bool mine) const { return sum(mine ? 0 : 1) == 0; }
    /// True in every thread of the block when it is in any.
    [[nodiscard]] __device__ static bool any_in_block(bool mine) { return __syncthreads_or(mine) != 0; }
};

}  // namespace saddle::cuda
