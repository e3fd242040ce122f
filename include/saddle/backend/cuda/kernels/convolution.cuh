#pragma once
#include "saddle/backend/cuda/kernels/multiply.cuh"

namespace saddle::cuda {

/// A convolution as its kernel sees it, forward or backward to the input: every result pixel sums over the taps that reach
/// inside.
struct convolution_shape {
    int inputs = 0, outputs = 0;  ///< channels that are summed over, and of the result
    int source_height = 1, source_width = 1, height = 1, width = 1;
    int kernel_height = 1, kernel_width = 1, stride = 1, padding = 0;
    int columns = 0;  ///< of the packed weights: outputs rounded up to 8
    bool backward = false;

    [[nodiscard]] SADDLE_HOST_DEVICE int taps() const { return kernel_height * kernel_width; }
    /// The source row (or column) that tap k of a result's row reads, or -1 outside.
    [[nodiscard]] SADDLE_HOST_DEVICE int source_of(int position, int k, int extent) const {
        const int at = backward ? position + padding - k : position * stride - padding + k;
        if (!backward) return at >= 0 && at < extent ? at : -1;
        return at >= 0 && at % stride == 0 && at / stride < extent ? at / stride : -1;
    }
    /// Offset of the source pixel of tap t of result pixel (y,x), or -1 outside.
    [[nodiscard]] SADDLE_HOST_DEVICE int pixel_of(int y, int x, int t) const {
        const int row = source_of(y, t / kernel_width, source_height), column = source_of(x, t % kernel_width, source_width);
        return row < 0 || column < 0 ? -1 : row * source_width + column;
    }
};

/// What happens to a sum before it is stored: bias, addend, ReLU or the mask of the input's ReLU; and what a following batch
/// norm makes of it, stored too. Absent parts are null.
template <class Out>
struct epilogue {
    Out* out = nullptr;
    const float* bias = nullptr;  ///< [outputs]
    const Out* addend = nullptr;  ///< the same layout as out, or out itself to accumulate
    const Out* mask = nullptr;    ///< results are 0 where this is not > 0
    bool relu = false;
    Out* second = nullptr;  ///< relu?(scale · result + shift)
    const float* second_scale = nullptr;
    const float* second_shift = nullptr;
    bool second_relu = false;

    /// Finishes four lanes of one channel.
    __device__ void finish(std::size_t at, int channel, four_lanes<float> v) const {
        if (bias)
            for (float& x : v.at) x += bias[channel];
        if (addend) {
            const auto more = load_four(addend + at);
            for (int i = 0; i < 4; ++i) v.at[i] += more.at[i];
        }
        if (mask) {
            const auto gate = load_four(mask + at);
            for (int i = 0; i < 4; ++i) v.at[i] = gate.at[i] > 0 ? v.at[i] : 0;
        }
        if (relu)
            for (float& x : v.at) x = x < 0 ? 0 : x;
        store_four(out + at, v);
        if (!second) return;
        for (float& x : v.at) {
            x = fmaf(x, second_scale[channel], second_shift[channel]);
            if (second_relu) x = x < 0 ? 0 : x;
        }
        store_four(second + at, v);
    }
};

/// Threads of a block of implicit_gemm.
template <class Tile, int Slices>
inline constexpr int block_threads = Tile::threads* Slices;

/// Shared memory of a block of implicit_gemm, in bytes.
template <class Multiply, class Tile, int Stages, int Slices>
[[nodiscard]] constexpr std::size_t convolution_shared() {
    constexpr std::size_t stage =
        sizeof(typename Multiply::element) * Multiply::depth * (Tile::rows + Tile::columns + 2 * Multiply::pad);
    constexpr std::size_t sums = sizeof(float) * Tile::columns * (Tile::rows + 4);
    return stage * Stages * Slices > sums ? stage * Stages * Slices : sums;
}

/// Convolution as implicit GEMM: a tile is one result pixel × Tile::rows lanes × Tile::columns channels; K runs over the taps
/// inside the image and their channels. source [inputs][H][W][lanes], weights [tap][inputs][columns], result
/// [outputs][h][w][lanes]; lanes a multiple of Tile::rows. With several slices, each runs Tile::threads threads over its share
/// of K and their sums are added in order: layers with few results would else wait for one long chain of steps. Blocks: pixels
/// · lane tiles · channel tiles, channel tiles fastest so that neighbours share the source in cache.
template <class Multiply, class Tile, int Stages, int Slices, class Out>
__global__ void __launch_bounds__(block_threads<Tile, Slices>, block_threads<Tile, Slices> > 256 ? 1 : 2)
    implicit_gemm(const typename Multiply::element* source, const typename Multiply::element* weights, convolution_shape s,
                  epilogue<Out> finish, int lanes) {
    using T = typename Multiply::element;
    constexpr int depth = Multiply::depth, each = 16 / static_cast<int>(sizeof(T));
    constexpr int a_stride = Tile::rows + Multiply::pad, b_stride = Tile::columns + Multiply::pad;
    constexpr int stage_size = depth * (a_stride + b_stride);
    const int thread = static_cast<int>(threadIdx.x) % Tile::threads, slice = static_cast<int>(threadIdx.x) / Tile::threads;
    T* const shared = shared_memory<T>() + slice * Stages * stage_size;

    const int channel_tiles = (s.outputs + Tile::columns - 1) / Tile::columns, lane_tiles = lanes / Tile::rows;
    const int first_channel = static_cast<int>(blockIdx.x) % channel_tiles * Tile::columns;
    const int first_lane = static_cast<int>(blockIdx.x) / channel_tiles % lane_tiles * Tile::rows;
    const int pixel = static_cast<int>(blockIdx.x) / channel_tiles / lane_tiles;
    const int y = pixel / s.width, x = pixel % s.width;

    int inside = 0;
    for (int t = 0; t < s.taps(); ++t) inside += s.pixel_of(y, x, t) >= 0;
    const int chunks = (s.inputs + depth - 1) / depth, all_steps = inside * chunks;
    const int first_step = all_steps * slice / Slices, steps = all_steps * (slice + 1) / Slices - first_step;

    int tap = -1, channel = s.inputs;  // of the next stage to load
    bool begun = false;
    for (int skipped = Slices > 1 ? first_step / chunks : 0; skipped > 0;) skipped -= s.pixel_of(y, x, ++tap) >= 0;
    const std::size_t source_stride = static_cast<std::size_t>(s.source_height) * s.source_width * lanes;
    const T* from = source;
    const T* packed = weights;
    const auto load = [&](int slot) {
        if (channel >= s.inputs) {
            channel = 0;
            int at;
            do at = s.pixel_of(y, x, ++tap);
            while (at < 0);
            from = source + static_cast<std::size_t>(at) * lanes + first_lane;
            packed = weights + static_cast<std::size_t>(tap) * s.inputs * s.columns + first_channel;
            if (Slices > 1 && !begun) {
                channel = first_step % chunks * depth;
                from += channel * source_stride;
                packed += static_cast<std::size_t>(channel) * s.columns;
                begun = true;
            }
        }
        T* const a = shared + slot * stage_size;
        T* const b = a + depth * a_stride;
        for (int i = thread; i < depth * Tile::rows / each; i += Tile::threads) {
            const int k = i / (Tile::rows / each), lane = i % (Tile::rows / each) * each;
            const bool valid = channel + k < s.inputs;
            copy_async_16(a + k * a_stride + lane, valid ? from + k * source_stride + lane : source, valid);
        }
        for (int i = thread; i < depth * Tile::columns / each; i += Tile::threads) {
            const int k = i / (Tile::columns / each), column = i % (Tile::columns / each) * each;
            const bool valid = channel + k < s.inputs && first_channel + column < s.columns;
            copy_async_16(b + k * b_stride + column, valid ? packed + static_cast<std::size_t>(k) * s.columns + column : weights,
                          valid);
        }
        channel += depth;
        from += depth * source_stride;
        packed += static_cast<std::size_t>(depth) * s.columns;
    };

    for (int i = 0; i < Stages - 1; ++i) {
        if (i < steps) load(i);
        copy_async_commit();
    }
    Multiply product;
    const int rounds = (all_steps + Slices - 1) / Slices;  // the same for every slice, whose barriers are common
    for (int step = 0; step < rounds; ++step) {
        copy_async_wait<Stages - 2>();
        __syncthreads();
        if (step + Stages - 1 < steps) load((step + Stages - 1) % Stages);
        copy_async_commit();
        if (step >= steps) continue;
        const T* const a = shared + step % Stages * stage_size;
        product.add(a, a + depth * a_stride);
    }
    copy_async_wait<0>();
    __syncthreads();

    float* const sums = shared_memory<float>();
    constexpr int stride = Tile::rows + 4;
    for (int turn = 0; turn < Slices; ++turn) {
        if (slice == turn) product.store(sums, stride, turn > 0);
        __syncthreads();
    }
    const std::size_t pixels = static_cast<std::size_t>(s.height) * s.width;
    for (int i = static_cast<int>(threadIdx.x); i < Tile::columns * Tile::rows / 4; i += Tile::threads * Slices) {
        const int column = i / (Tile::rows / 4), lane = i % (Tile::rows / 4) * 4, to = first_channel + column;
        if (to >= s.outputs) continue;
        finish.finish((to * pixels + pixel) * lanes + first_lane + lane, to, load_four(sums + column * stride + lane));
    }
}

}  // namespace saddle::cuda
