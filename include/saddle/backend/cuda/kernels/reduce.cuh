#pragma once
#include "saddle/backend/cuda/kernels/pointwise.cuh"
#include "saddle/backend/cuda/ptx.cuh"

/// Sums over channels in a fixed order: threads, then parts. No atomics, hence the same bits every run.
namespace saddle::cuda {

struct sum_pair {
    double first = 0, second = 0;
};

/// Adds the pairs of a block's threads as a fixed tree; the result is in thread 0. `shared` holds one pair a thread.
__device__ inline sum_pair add_block(sum_pair mine, sum_pair* shared, int thread, int threads) {
    shared[thread] = mine;
    __syncthreads();
    for (int half = threads / 2; half > 0; half /= 2) {
        if (thread < half) {
            shared[thread].first += shared[thread + half].first;
            shared[thread].second += shared[thread + half].second;
        }
        __syncthreads();
    }
    return shared[0];
}

/// Part x of the sums of f(channel, offset of four lanes, their number inside) over channel y of a tensor: partial
/// [channel][part].
///
/// A thread sums in float over a stretch that keeps its error small, then in double.
template <class F>
__global__ void __launch_bounds__(pointwise_threads)
    sum_channels(F f, int channels, std::uint32_t fours_of_channel, int lanes, int valid, sum_pair* partial) {
    sum_pair* const shared = shared_memory<sum_pair>();
    const std::uint32_t parts = gridDim.x, part = blockIdx.x;
    const auto begin = static_cast<std::uint32_t>(static_cast<unsigned long long>(fours_of_channel) * part / parts);
    const auto end = static_cast<std::uint32_t>(static_cast<unsigned long long>(fours_of_channel) * (part + 1) / parts);
    for (int c = static_cast<int>(blockIdx.y); c < channels; c += static_cast<int>(gridDim.y)) {
        sum_pair sum;
        for (std::uint32_t i = begin + threadIdx.x; i < end; i += pointwise_threads) {
            const int inside = valid - lane_of(static_cast<std::size_t>(i) * 4, lanes);
            if (inside > 0) f(c, (static_cast<std::size_t>(c) * fours_of_channel + i) * 4, inside < 4 ? inside : 4, sum);
        }
        const auto total = add_block(sum, shared, static_cast<int>(threadIdx.x), pointwise_threads);
        if (threadIdx.x == 0) partial[static_cast<std::size_t>(c) * parts + part] = total;
        __syncthreads();
    }
}

/// The parts of channel c, added in order.
[[nodiscard]] __device__ inline sum_pair fold_parts(const sum_pair* partial, int c, int parts) {
    sum_pair sum;
    for (int p = 0; p < parts; ++p) {
        sum.first += partial[static_cast<std::size_t>(c) * parts + p].first;
        sum.second += partial[static_cast<std::size_t>(c) * parts + p].second;
    }
    return sum;
}

/// Σ (x - x0) and Σ (x - x0)², x0 the channel's first value, which keeps the difference of squares harmless.
template <class T>
struct moment_sums {
    const T* x;
    std::size_t per_channel;
    __device__ void operator()(int c, std::size_t at, int inside, sum_pair& sum) const {
        const float origin = static_cast<float>(x[c * per_channel]);
        const auto v = load_four(x + at);
        float first = 0, second = 0;
        for (int i = 0; i < inside; ++i) {
            const float d = v.at[i] - origin;
            first += d;
            second = fmaf(d, d, second);
        }
        sum.first += first;
        sum.second += second;
    }
};
/// Σ dy and Σ dy · (x - mean).
template <class T>
struct slope_sums {
    const T *x, *dy;
    const float* mean;
    __device__ void operator()(int c, std::size_t at, int inside, sum_pair& sum) const {
        const auto v = load_four(x + at), g = load_four(dy + at);
        float first = 0, second = 0;
        for (int i = 0; i < inside; ++i) {
            first += g.at[i];
            second = fmaf(g.at[i], v.at[i] - mean[c], second);
        }
        sum.first += first;
        sum.second += second;
    }
};
/// Σ dy: the gradient of a bias.
template <class T>
struct bias_sums {
    const T* dy;
    __device__ void operator()(int, std::size_t at, int inside, sum_pair& sum) const {
        const auto g = load_four(dy + at);
        float first = 0;
        for (int i = 0; i < inside; ++i) first += g.at[i];
        sum.first += first;
    }
};
/// Σ dy and Σ dy · (x - mean) · inverse with the moments of each lane's group [groups][lanes].
template <class T>
struct group_slope_sums {
    const T *x, *dy;
    const float *mean, *inverse;
    int lanes, channels_of_group;
    __device__ void operator()(int c, std::size_t at, int inside, sum_pair& sum) const {
        const auto v = load_four(x + at), g = load_four(dy + at);
        const std::size_t of = static_cast<std::size_t>(c / channels_of_group) * lanes + lane_of(at, lanes);
        float first = 0, second = 0;
        for (int i = 0; i < inside; ++i) {
            first += g.at[i];
            second = fmaf(g.at[i], (v.at[i] - mean[of + i]) * inverse[of + i], second);
        }
        sum.first += first;
        sum.second += second;
    }
};

/// gradient[c] += Σ of the parts; `second` takes the second sums if it is not null.
template <class = void>
__global__ void add_channel_sums(const sum_pair* partial, int channels, int parts, float* first, float* second) {
    const int c = static_cast<int>(blockIdx.x * pointwise_threads + threadIdx.x);
    if (c >= channels) return;
    const auto sum = fold_parts(partial, c, parts);
    if (first) first[c] += static_cast<float>(sum.first);
    if (second) second[c] += static_cast<float>(sum.second);
}

}  // namespace saddle::cuda
