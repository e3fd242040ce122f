#pragma once
#include "saddle/certification/cuda/kernels/node_view.cuh"

/// Which values deserve rows, and the lists of rows: by position, then image, then channel, a tile of 64 rows at one position.
namespace saddle::cuda {

/// A row: a lower bound of value[plus] - value[minus] of one node for one image; -1: none. Values are numbers
/// [channel][row][column].
struct row_entry {
    int image, plus, minus;
};

/// Values whose interval their readers do not settle: zero inside for a kink, else any width. Each has two rows: its lower bound, then
/// its upper one.
struct open_interval {
    const double *lo, *hi;
    bool kink;

    static constexpr int rows = 2;
    [[nodiscard]] __device__ bool operator()(std::size_t at) const { return kink ? lo[at] < 0 && hi[at] > 0 : lo[at] < hi[at]; }
};

/// Open values of every position and image: counts [position][image]. Blocks: lane tiles, positions as rows; 64 threads.
template <class Open>
__global__ void count_open(node_view node, Open is_open, int images, int lanes, int* counts) {
    const int lane = static_cast<int>(blockIdx.x) * bound_lanes + static_cast<int>(threadIdx.x);
    for (int p = static_cast<int>(blockIdx.y); p < node.pixels(); p += static_cast<int>(gridDim.y)) {
        int count = 0;
        for (int c = 0; c < node.channels && lane < images; ++c)
            count += is_open(static_cast<std::size_t>(c * node.pixels() + p) * lanes + lane);
        counts[static_cast<std::size_t>(p) * lanes + lane] = count;
    }
}

/// Threads of a block of sum_open.
inline constexpr int scan_threads = 128;

/// Turns each position's counts into the number of open values of the images before, and leaves its total. A block a position.
template <class = void>
__global__ void __launch_bounds__(scan_threads) sum_open(int lanes, int* counts, int* totals) {
    int* const sums = shared_memory<int>();
    int* const mine = counts + static_cast<std::size_t>(blockIdx.x) * lanes;
    const int thread = static_cast<int>(threadIdx.x);
    const int begin = static_cast<int>(static_cast<long long>(lanes) * thread / scan_threads);
    const int end = static_cast<int>(static_cast<long long>(lanes) * (thread + 1) / scan_threads);
    int sum = 0;
    for (int l = begin; l < end; ++l) sum += mine[l];
    sums[thread] = sum;
    __syncthreads();
    int before = 0;
    for (int t = 0; t < thread; ++t) before += sums[t];
    for (int l = begin; l < end; ++l) {
        const int count = mine[l];
        mine[l] = before;
        before += count;
    }
    if (thread == scan_threads - 1) totals[blockIdx.x] = before;
}

/// Writes the rows of every open value. first_row [position]. Grid as of count_open.
template <class Open>
__global__ void list_rows(node_view node, Open is_open, int images, int lanes, const int* before, const std::size_t* first_row,
                          row_entry* rows) {
    const int lane = static_cast<int>(blockIdx.x) * bound_lanes + static_cast<int>(threadIdx.x);
    if (lane >= images) return;
    for (int p = static_cast<int>(blockIdx.y); p < node.pixels(); p += static_cast<int>(gridDim.y)) {
        std::size_t at = first_row[p] + Open::rows * static_cast<std::size_t>(before[static_cast<std::size_t>(p) * lanes + lane]);
        for (int c = 0; c < node.channels; ++c) {
            const int j = c * node.pixels() + p;
            if (!is_open(static_cast<std::size_t>(j) * lanes + lane)) continue;
            rows[at++] = {lane, j, -1};
            if constexpr (Open::rows == 2) rows[at++] = {lane, -1, j};
        }
    }
}

/// The property's rows: logit[label] - logit[other] for every other class, image after image; then rows without an image.
template <class = void>
__global__ void list_property(const int* labels, int images, int classes, int count, row_entry* rows) {
    const int i = static_cast<int>(blockIdx.x * 256u + threadIdx.x);
    if (i >= count) return;
    const int image = i / (classes - 1), other = i % (classes - 1);
    if (image >= images) {
        rows[i] = {-1, -1, -1};
        return;
    }
    rows[i] = {image, labels[image], other + (other >= labels[image])};
}

/// Keeps the tighter of a value's interval and its two rows' bounds. A thread a pair of rows.
template <class = void>
__global__ void tighten_values(node_view node, const row_entry* rows, const double* bounds, std::size_t pairs, int lanes) {
    const std::size_t i = blockIdx.x * std::size_t{256} + threadIdx.x;
    if (i >= pairs) return;
    const auto row = rows[2 * i];
    if (row.image < 0) return;
    tighten(node, static_cast<std::size_t>(row.plus) * lanes + row.image, bounds[2 * i], -bounds[2 * i + 1]);
}

/// Bounds of the property's rows to margins [image][class], 0 at the label.
template <class = void>
__global__ void store_margins(const row_entry* rows, const double* bounds, int count, int classes, double* margins) {
    const int i = static_cast<int>(blockIdx.x * 256u + threadIdx.x);
    if (i >= count || rows[i].image < 0) return;
    double* const to = margins + static_cast<std::size_t>(rows[i].image) * classes;
    to[rows[i].minus] = bounds[i];
    if (i % (classes - 1) == 0) to[rows[i].plus] = 0;
}

}  // namespace saddle::cuda
