#pragma once
#include "saddle/certification/cuda/kernels/row_tiles.cuh"

/// Back-substitution of tiles of 64 rows: what every node but a convolution does to their coefficients.
namespace saddle::cuda {

/// A row's constants where it starts: offsets of its values, less what rounding can change. Blocks: tiles; 64 threads.
template <class = void>
__global__ void start_rows(node_view node, tile_view tiles, int lanes) {
    const std::size_t i = blockIdx.x * std::size_t{bound_lanes} + threadIdx.x;
    const auto row = tiles.rows[i];
    double constant = 0;
    if (row.image >= 0 && node.kind != operation_kind::activation)
        for (const int sign : {1, -1}) {
            const int value = sign > 0 ? row.plus : row.minus;
            if (value < 0) continue;
            if (node.shift) constant += sign * node.shift[value / node.pixels()];
            constant -= node.error[static_cast<std::size_t>(value) * lanes + row.image];
        }
    tiles.constants[i] = constant;
    tiles.best[i] = -std::numeric_limits<double>::infinity();
}

/// The first coefficients of rows of a convolution: its weights, at its input. Blocks: tiles × cells of the largest window; 64 ×
/// substitution_threads threads.
template <class = void>
__global__ void start_with_weights(node_view node, node_view in, tile_view tiles, coefficient_view to, int cells) {
    const std::size_t tile = blockIdx.x / static_cast<unsigned>(cells);
    const int cell = static_cast<int>(blockIdx.x % static_cast<unsigned>(cells));
    const auto w = to.windows[tiles.positions[tile]];
    if (cell >= w.height * w.width) return;
    const int y = w.y + cell / w.width + node.padding, x = w.x + cell % w.width + node.padding;
    const auto row = tiles.rows[tile * bound_lanes + threadIdx.x];
    const auto weights =
        [&](int value) -> const double* {  // of the first input channel; null where the value does not read this cell
        if (value < 0) return nullptr;
        const int p = value % node.pixels();
        const int ky = y - p / node.width * node.stride, kx = x - p % node.width * node.stride;
        if (ky < 0 || kx < 0 || ky >= node.kernel_height || kx >= node.kernel_width) return nullptr;
        return node.forward_weights + static_cast<std::size_t>(ky * node.kernel_width + kx) * in.channels * node.forward_columns +
               value / node.pixels();
    };
    const double *const plus = weights(row.plus), *const minus = weights(row.minus);
    double* const out = to.tile(tile) + static_cast<std::size_t>(cell) * bound_lanes + threadIdx.x;
    for (int c = static_cast<int>(threadIdx.y); c < in.channels; c += substitution_threads) {
        const std::size_t at = static_cast<std::size_t>(c) * node.forward_columns;
        out[static_cast<std::size_t>(c) * w.height * w.width * bound_lanes] = (plus ? plus[at] : 0) - (minus ? minus[at] : 0);
    }
}

/// The first coefficients of rows of any other node: those of its values, each one or, where given, amounts [value][image]. Grid as
/// above.
template <class = void>
__global__ void start_with_values(node_view node, tile_view tiles, coefficient_view to, int cells, const double* amounts,
                                  int lanes) {
    const std::size_t tile = blockIdx.x / static_cast<unsigned>(cells);
    const int cell = static_cast<int>(blockIdx.x % static_cast<unsigned>(cells));
    const auto w = to.windows[tiles.positions[tile]];
    if (cell >= w.height * w.width) return;
    const int p = (w.y + cell / w.width) * node.width + w.x + cell % w.width;
    const auto row = tiles.rows[tile * bound_lanes + threadIdx.x];
    double* const out = to.tile(tile) + static_cast<std::size_t>(cell) * bound_lanes + threadIdx.x;
    for (int c = static_cast<int>(threadIdx.y); c < node.channels; c += substitution_threads) {
        const int j = c * node.pixels() + p;
        double amount = 0;
        if (row.plus == j || row.minus == j) {
            amount = node.kind == operation_kind::scale_shift ? node.scale[c] : 1;
            if (amounts) amount = amounts[static_cast<std::size_t>(j) * lanes + row.image];
        }
        out[static_cast<std::size_t>(c) * w.height * w.width * bound_lanes] =
            (row.plus == j ? amount : 0) - (row.minus == j ? amount : 0);
    }
}

/// Adds the partial sums of a row's threads in order; the total is valid in part 0.
[[nodiscard]] __device__ inline double add_parts(double mine, double* shared) {
    const int x = static_cast<int>(threadIdx.x), part = static_cast<int>(threadIdx.y);
    shared[part * bound_lanes + x] = mine;
    __syncthreads();
    for (int p = 1; part == 0 && p < sum_parts; ++p) mine += shared[p * bound_lanes + x];
    __syncthreads();
    return mine;
}

/// One pass over a node's coefficients a. With Lines, constants gain Σ a·constant[a < 0] of its lines, and with Change the
/// coefficients become a·slope[a < 0]; with Ends, `best` keeps the constants before plus the same sum over the ends of its
/// interval, each moved outward by `relative` of its magnitude: the rounding of these sums. Blocks: tiles; 64 × sum_parts
/// threads.
template <bool Lines, bool Change, bool Ends>
__global__ void __launch_bounds__(bound_lanes* sum_parts)
    absorb_lines(node_view node, tile_view tiles, coefficient_view a, double relative, int lanes) {
    constexpr int ahead = 4;
    double* const shared = shared_memory<double>();
    const std::size_t tile = blockIdx.x, i = tile * bound_lanes + threadIdx.x;
    const int image = tiles.rows[i].image;
    const auto w = a.windows[tiles.positions[tile]];
    double passed = 0, ended = 0;
    for (int q = static_cast<int>(threadIdx.y); q < node.channels * w.height && image >= 0; q += sum_parts) {
        double* here = a.tile(tile) + static_cast<std::size_t>(q) * w.width * bound_lanes + threadIdx.x;
        std::size_t at =
            static_cast<std::size_t>((q / w.height * node.height + w.y + q % w.height) * node.width + w.x) * lanes + image;
        for (int x = 0; x < w.width; x += ahead, here += ahead * bound_lanes, at += ahead * static_cast<std::size_t>(lanes)) {
            double value[ahead], end[ahead] = {};  // loaded before anything is stored, since the compiler cannot tell them apart
            bound_line line[ahead] = {};
#pragma unroll
            for (int k = 0; k < ahead; ++k) {
                value[k] = x + k < w.width ? here[k * bound_lanes] : 0;
                if (x + k >= w.width) continue;
                const std::size_t there = at + static_cast<std::size_t>(k) * lanes;
                if constexpr (Lines) line[k] = (value[k] < 0 ? node.upper : node.lower)[there];
                if constexpr (Ends) {
                    const double error = relative * magnitude_of(node, there);
                    end[k] = value[k] < 0 ? round_up<double>(node.hi[there] + error) : round_down<double>(node.lo[there] - error);
                }
            }
#pragma unroll
            for (int k = 0; k < ahead; ++k) {
                if constexpr (Lines) passed = std::fma(value[k], line[k].constant, passed);
                if constexpr (Ends) ended = std::fma(value[k], end[k], ended);
                if constexpr (Change)
                    if (x + k < w.width) here[k * bound_lanes] = value[k] * line[k].slope;
            }
        }
    }
    const double before = tiles.constants[i];
    if constexpr (Ends) {
        const double bound = before + add_parts(ended, shared);
        if (threadIdx.y == 0) tiles.best[i] = std::max(tiles.best[i], bound);
    }
    if constexpr (Lines) {
        const double sum = add_parts(passed, shared);
        if (threadIdx.y == 0) tiles.constants[i] = before + sum;
    }
}

/// What the negative coefficients of a maximum that no input dominates add: they meet its largest upper bound. Grid as above.
template <class = void>
__global__ void __launch_bounds__(bound_lanes* sum_parts)
    absorb_maximum(node_view node, tile_view tiles, coefficient_view a, int lanes) {
    const std::size_t tile = blockIdx.x, i = tile * bound_lanes + threadIdx.x;
    const int image = tiles.rows[i].image;
    const auto w = a.windows[tiles.positions[tile]];
    double passed = 0;
    for (int q = static_cast<int>(threadIdx.y); q < node.channels * w.height && image >= 0; q += sum_parts) {
        const double* here = a.tile(tile) + static_cast<std::size_t>(q) * w.width * bound_lanes + threadIdx.x;
        std::size_t at =
            static_cast<std::size_t>((q / w.height * node.height + w.y + q % w.height) * node.width + w.x) * lanes + image;
        for (int x = 0; x < w.width; ++x, here += bound_lanes, at += lanes)
            if (node.best[at] >= 0 && *here < 0) passed = std::fma(*here, node.highest[at], passed);
    }
    const double sum = add_parts(passed, shared_memory<double>());
    if (threadIdx.y == 0) tiles.constants[i] += sum;
}

/// Hands coefficients on to the inputs: unchanged (a sum, a flatten, an activation whose input has other readers), shared out by
/// an average, or as a maximum's lines say. Blocks: tiles × cells of the largest window of the input; 64 × substitution_threads
/// threads.
template <class = void>
__global__ void __launch_bounds__(bound_lanes* substitution_threads)
    pass_coefficients(node_view node, node_view in, tile_view tiles, coefficient_view from, coefficient_view to, int cells,
                      int lanes, bool accumulate) {
    const std::size_t tile = blockIdx.x / static_cast<unsigned>(cells);
    const int cell = static_cast<int>(blockIdx.x % static_cast<unsigned>(cells));
    const int position = tiles.positions[tile];
    const auto f = from.windows[position], t = to.windows[position];
    if (cell >= t.height * t.width) return;
    const int image = std::max(tiles.rows[tile * bound_lanes + threadIdx.x].image, 0);
    const int y = t.y + cell / t.width, x = t.x + cell % t.width;
    const window_reader coefficient{from.tile(tile) + threadIdx.x, f};
    double* const target = to.tile(tile) + static_cast<std::size_t>(cell) * bound_lanes + threadIdx.x;
    const bool pools = node.kind == operation_kind::max_pool || node.kind == operation_kind::average_pool;
    for (int c = static_cast<int>(threadIdx.y); c < in.channels; c += substitution_threads) {
        const int j = (c * in.height + y) * in.width + x;
        double sum = 0;
        if (!pools) {  // the same value in the order [channel][row][column]
            sum = coefficient(j / node.pixels(), j % node.pixels() / node.width, j % node.width);
        } else {
            for (int ky = (y + node.padding) % node.stride; ky < node.kernel_height && ky <= y + node.padding; ky += node.stride)
                for (int kx = (x + node.padding) % node.stride; kx < node.kernel_width && kx <= x + node.padding;
                     kx += node.stride) {
                    const int oy = (y + node.padding - ky) / node.stride, ox = (x + node.padding - kx) / node.stride;
                    if (oy >= node.height || ox >= node.width) continue;
                    const double a = coefficient(c, oy, ox);
                    if (node.kind == operation_kind::average_pool) {
                        sum += node.share * a;
                        continue;
                    }
                    const int best =
                        node.best[static_cast<std::size_t>((c * node.height + oy) * node.width + ox) * lanes + image];
                    if (best == ~j || (best == j && a > 0)) sum += a;
                }
        }
        double& out = target[static_cast<std::size_t>(c) * t.height * t.width * bound_lanes];
        out = accumulate ? out + sum : sum;
    }
}

/// The bounds of rows: the best that was taken, less what underflow can take. 256 threads.
template <class = void>
__global__ void finish_rows(const double* best, double underflow, std::size_t count, double* bounds) {
    const std::size_t i = blockIdx.x * std::size_t{256} + threadIdx.x;
    if (i < count) bounds[i] = best[i] - underflow;
}

}  // namespace saddle::cuda
