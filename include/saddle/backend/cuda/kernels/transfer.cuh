#pragma once
#include "saddle/backend/cuda/ptx.cuh"

#include <cstddef>

namespace saddle::cuda {

/// Side of the tile of a transposition; a block has 32 × 8 threads.
inline constexpr int transfer_tile = 32;

/// Images [count][elements] to lanes [elements][lanes]; lanes past the last image repeat it. Blocks: lane tiles, element tiles
/// as rows.
template <class = void>
__global__ void images_to_lanes(const float* images, int count, std::uint32_t elements, int lanes, float* to) {
    float* const shared = shared_memory<float>();
    const int lane = static_cast<int>(blockIdx.x) * transfer_tile;
    for (std::uint32_t first = blockIdx.y * transfer_tile; first < elements; first += gridDim.y * transfer_tile) {
        for (int i = static_cast<int>(threadIdx.y); i < transfer_tile; i += 8) {
            const int image = lane + i < count ? lane + i : count - 1;
            const std::uint32_t e = first + threadIdx.x;
            if (e < elements)
                shared[i * (transfer_tile + 1) + static_cast<int>(threadIdx.x)] = images[image * std::size_t{elements} + e];
        }
        __syncthreads();
        for (int i = static_cast<int>(threadIdx.y); i < transfer_tile; i += 8) {
            const std::uint32_t e = first + static_cast<std::uint32_t>(i);
            if (e < elements)
                to[e * static_cast<std::size_t>(lanes) + lane + threadIdx.x] = shared[threadIdx.x * (transfer_tile + 1) + i];
        }
        __syncthreads();
    }
}

/// The first `count` lanes of [elements][lanes] to images [count][elements].
template <class = void>
__global__ void lanes_to_images(const float* from, int count, std::uint32_t elements, int lanes, float* images) {
    float* const shared = shared_memory<float>();
    const int lane = static_cast<int>(blockIdx.x) * transfer_tile;
    for (std::uint32_t first = blockIdx.y * transfer_tile; first < elements; first += gridDim.y * transfer_tile) {
        for (int i = static_cast<int>(threadIdx.y); i < transfer_tile; i += 8) {
            const std::uint32_t e = first + static_cast<std::uint32_t>(i);
            if (e < elements)
                shared[i * (transfer_tile + 1) + static_cast<int>(threadIdx.x)] =
                    from[e * static_cast<std::size_t>(lanes) + lane + threadIdx.x];
        }
        __syncthreads();
        for (int i = static_cast<int>(threadIdx.y); i < transfer_tile; i += 8) {
            const std::uint32_t e = first + threadIdx.x;
            if (lane + i < count && e < elements)
                images[(lane + i) * std::size_t{elements} + e] = shared[static_cast<int>(threadIdx.x) * (transfer_tile + 1) + i];
        }
        __syncthreads();
    }
}

}  // namespace saddle::cuda
