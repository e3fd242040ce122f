#pragma once
#include "saddle/backend/cuda/ptx_sm90.cuh"

#include <cstddef>

/// What the kernels by wgmma share: a warp's first thread copies, groups of 128 threads multiply, and both meet at places of a ring in
/// shared memory.
namespace saddle::cuda {

/// What the tile of a product by warpgroups is: Rows × Columns results, Stages steps of Depth products in shared memory, and how many
/// blocks a multiprocessor should hold. A warpgroup computes 64 rows; one warp more starts the copies.
template <int Rows, int Columns, int Depth, int Stages, int Blocks>
struct wgmma_tile {
    static constexpr int rows = Rows, columns = Columns, depth = Depth, stages = Stages, blocks = Blocks;
    static constexpr int consumers = Rows / 64 * 128, threads = consumers + 32;
    static_assert(Rows % 64 == 0 && Columns % 8 == 0 && Columns <= 256, "saddle: no tile of a warpgroup's products");
};

/// The shared memory of a block: the ring, which the sums take the place of in the end, then the ring's barriers.
template <class T, class Tile>
struct wgmma_memory {
    static constexpr unsigned left_bytes = sizeof(T) * Tile::rows * Tile::depth,
                              right_bytes = sizeof(T) * Tile::columns * Tile::depth, stage_bytes = left_bytes + right_bytes;
    static constexpr int sum_stride = Tile::rows + 4;
    static constexpr unsigned sum_bytes = sizeof(float) * Tile::columns * sum_stride;
    static constexpr unsigned ring_bytes = stage_bytes * Tile::stages;
    static constexpr unsigned barriers_at = ring_bytes > sum_bytes ? ring_bytes : sum_bytes;
    static constexpr std::size_t bytes = barriers_at + 2 * Tile::stages * sizeof(arrival_barrier);
    static_assert(left_bytes % 1024 == 0 && right_bytes % 1024 == 0 && barriers_at % sizeof(arrival_barrier) == 0,
                  "saddle: operands in the 128-byte swizzle begin at multiples of 1024 bytes");
};

/// Places of one step each that copies fill and products empty, in turn.
template <class T, class Tile>
struct copy_ring {
    using memory = wgmma_memory<T, Tile>;
    unsigned char* places;
    arrival_barrier *full, *empty;

    /// Made by all threads of a block together, at the begin of its shared memory.
    __device__ copy_ring()
        : places(shared_memory<unsigned char>()), full(reinterpret_cast<arrival_barrier*>(places + memory::barriers_at)),
          empty(full + Tile::stages) {
        if (threadIdx.x == 0) {
            for (int i = 0; i < Tile::stages; ++i) {
                make_barrier(full + i, 1);
                make_barrier(empty + i, Tile::consumers / 32);
            }
            publish_barriers();
        }
        __syncthreads();
    }
    /// A step's place, once all warps are done with the step that had it before. From here on stage_bytes of copies must come to
    /// arrivals(step).
    __device__ unsigned char* fill(int step) const {
        const int slot = step % Tile::stages;
        if (step >= Tile::stages) wait_for_phase(empty + slot, (step / Tile::stages - 1) & 1);
        arrive_and_expect(full + slot, memory::stage_bytes);
        return places + static_cast<unsigned>(slot) * memory::stage_bytes;
    }
    [[nodiscard]] __device__ arrival_barrier* arrivals(int step) const { return full + step % Tile::stages; }
    /// The same place, once a step's copies are there.
    __device__ const unsigned char* take(int step) const {
        wait_for_phase(full + step % Tile::stages, step / Tile::stages & 1);
        return places + static_cast<unsigned>(step % Tile::stages) * memory::stage_bytes;
    }
    /// Each multiplying warp is done with a step.
    __device__ void leave(int step) const {
        if (threadIdx.x % 32 == 0) arrive(empty + step % Tile::stages);
    }
};

/// A warpgroup's sums of its 64 rows and all columns of a tile.
template <class Tile>
struct warpgroup_sums {
    float sum[Tile::columns / 2] = {};

    /// Before products are begun.
    __device__ void open() {
        pin_registers(sum);
        warpgroup_fence();
    }
    /// Waits for the last products.
    __device__ void close() {
        warpgroup_wait<0>();
        pin_registers(sum);
    }
    /// Leaves them at [column][row], where other threads find them after a barrier.
    __device__ void store(float* to, int stride) const {
        const int thread = static_cast<int>(threadIdx.x);
#pragma unroll
        for (int i = 0; i < Tile::columns / 2; ++i)
            to[accumulator_column(thread, i) * stride + thread / 128 * 64 + accumulator_row(thread % 128, i)] = sum[i];
    }
};

/// A tile's sums over the steps that at.next() goes through, at [column][row] in rows of sum_stride, for all threads of the block. The
/// first thread of the last warp starts each step's copies by copy(at, place, barrier); every warpgroup begins its products by
/// Multiply::begin(place) and may have Multiply::pending steps of them under way.
template <class Multiply, class T, class Tile, class Steps, class Copy>
__device__ const float* sum_steps(const copy_ring<T, Tile>& ring, Steps at, const Copy& copy) {
    const int thread = static_cast<int>(threadIdx.x);
    Multiply product;
    if (thread == Tile::consumers) {
        for (int step = 0; at.next(); ++step) copy(at, ring.fill(step), ring.arrivals(step));
    } else if (thread < Tile::consumers) {
        for (int step = 0; at.next(); ++step) {
            product.begin(ring.take(step));
            warpgroup_commit();
            warpgroup_wait<Multiply::pending>();
            if (step >= Multiply::pending) ring.leave(step - Multiply::pending);
        }
        product.close();
    }
    __syncwarp();
    __syncthreads();
    float* const sums = shared_memory<float>();
    if (thread < Tile::consumers) product.store(sums, wgmma_memory<T, Tile>::sum_stride);
    __syncthreads();
    return sums;
}

}  // namespace saddle::cuda
