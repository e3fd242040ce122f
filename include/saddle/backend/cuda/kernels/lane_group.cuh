#pragma once
#include "saddle/backend/cuda/launch.cuh"
#include "saddle/backend/cuda/ptx.cuh"

#include <cstddef>

namespace saddle::cuda {

/// A block that works on 32 lanes, 16 threads a lane; each thread has a stretch of the lane's elements. Sums run over the
/// stretches in order, so every thread of a lane holds the same bits.
struct lane_group {
    static constexpr int lanes = 32, parts = 16, threads = lanes * parts;
    static constexpr std::size_t shared = sizeof(double) * lanes * parts;

    double* memory;
    int lane, part;
    std::size_t elements, first, last;  ///< of the lane; those of this thread

    __device__ explicit lane_group(std::size_t count)
        : memory(shared_memory<double>()), lane(static_cast<int>(threadIdx.x)), part(static_cast<int>(threadIdx.y)),
          elements(count) {
        const std::size_t each = (elements + parts - 1) / parts;
        first = each * static_cast<std::size_t>(part) < elements ? each * static_cast<std::size_t>(part) : elements;
        last = first + each < elements ? first + each : elements;
    }
    /// The launch of a kernel over so many lanes.
    [[nodiscard]] static launch_config over(std::size_t lanes_of_batch, std::string_view operation) {
        return {.operation = operation, .blocks = lanes_of_batch / lanes, .threads = lanes, .shared = shared, .threads_y = parts};
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
    /// How many of this thread's elements are `wanted(e)`; of all threads'.
    template <class Wanted>
    [[nodiscard]] __device__ double mine(const Wanted& wanted) const {
        double found = 0;
        for (std::size_t e = first; e < last; ++e) found += wanted(e) ? 1 : 0;
        return found;
    }
    template <class Wanted>
    [[nodiscard]] __device__ double count(const Wanted& wanted) const {
        return sum(mine(wanted));
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
