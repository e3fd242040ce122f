#pragma once
#include "saddle/backend/cpu/machine.hpp"

namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE {

/// The weight gradient of one convolution: rows are output channels, columns registers of the input's window.
///
/// With many input channels one operand is transposed, [register of channels][position][lane], so that every lane is a term of the
/// sum; with few, a register holds lanes and they are added at the end. Sums start anew in every block, so folding
/// the blocks in order gives the same bits whoever computes them.
struct gradient_job {
    bool transposed = false;
    std::size_t rows = 0, inputs = 0, taps = 0;  ///< inputs: channels, or values of a dense layer
    std::size_t padded_inputs = 0;               ///< a multiple of the lanes
    std::vector<std::int32_t> columns;           ///< offset of each column
    std::vector<std::int32_t> input_pixels;      ///< offset of each output pixel's window
    std::vector<std::int32_t> output_pixels;     ///< offset of each output pixel in the output's gradient
    std::size_t row_stride = 0;                  ///< values between output channels
    std::vector<std::int32_t> sources;           ///< where the values to transpose stand, [position][channel]
    std::size_t positions = 0;

    /// Values that a block's sums take: a register per row and column, or a number.
    [[nodiscard]] std::size_t sums(std::size_t lanes) const { return rows * columns.size() * (transposed ? lanes : 1); }
    [[nodiscard]] std::size_t transposed_size(std::size_t lanes) const {
        return transposed ? positions * lanes * padded_inputs : 0;
    }
};

[[nodiscard, gnu::cold]] inline gradient_job plan_gradient(const saddle::window& w, const layout& input, const layout& output,
                                                           std::size_t lanes) {
    gradient_job job;
    const auto l = static_cast<std::ptrdiff_t>(lanes), s = static_cast<std::ptrdiff_t>(w.stride),
               p = static_cast<std::ptrdiff_t>(w.padding);
    const bool dense = covers_input(w, input.shape);
    job.rows = output.shape.channels;
    job.taps = dense ? 1 : w.height * w.width;
    job.inputs = dense ? input.shape.size() : input.shape.channels;
    job.transposed = job.inputs >= lanes;
    job.padded_inputs = (job.inputs + lanes - 1) / lanes * lanes;
    job.row_stride = output.channel_stride() * lanes;
    if (job.transposed) job.positions = dense ? 1 : input.rows() * input.columns();
    const std::size_t unit = job.transposed ? lanes * lanes : lanes;
    const std::size_t between = job.transposed ? job.positions * unit : input.channel_stride() * lanes;
    const std::vector<std::int32_t> values = dense ? detail::every_value(input, lanes) : std::vector<std::int32_t>{};
    const auto position = [&](std::ptrdiff_t y, std::ptrdiff_t x) { return input.position(0, y, x); };
    for (std::size_t i = 0; i < (job.transposed ? job.padded_inputs / lanes : job.inputs); ++i)
        for (std::size_t t = 0; t < job.taps; ++t) {
            const std::size_t tap = t / w.width * input.columns() + t % w.width;
            if (dense && !job.transposed)
                job.columns.push_back(values[i] - values[0]);
            else
                job.columns.push_back(static_cast<std::int32_t>((dense ? 0 : tap * unit) + i * between));
        }
    for (std::ptrdiff_t y = 0; y < static_cast<std::ptrdiff_t>(output.shape.height); ++y)
        for (std::ptrdiff_t x = 0; x < static_cast<std::ptrdiff_t>(output.shape.width); ++x) {
            job.input_pixels.push_back(static_cast<std::int32_t>((dense && job.transposed ? 0 : position(y * s - p, x * s - p)) *
                                                                 static_cast<std::ptrdiff_t>(unit)));
            job.output_pixels.push_back(static_cast<std::int32_t>(output.position(0, y, x) * l));
        }
    if (!job.transposed) return job;
    if (dense) {
        job.sources = values;
    } else {
        for (std::size_t at = 0; at < job.positions; ++at)
            for (std::size_t c = 0; c < job.inputs; ++c)
                job.sources.push_back(static_cast<std::int32_t>((c * input.channel_stride() + at) * lanes));
    }
    return job;
}

/// Writes the transposed input, [register of channels][position][lane][channel]; channels beyond the last are zeros.
template <class V, class T>
void transpose_input(const gradient_job& job, const T* input, T* out) {
    constexpr std::size_t l = V::size;
    for (std::size_t first = 0; first < job.padded_inputs; first += l)
        for (std::size_t at = 0; at < job.positions; ++at, out += l * l) {
            V tile[l];
            for (std::size_t c = 0; c < l; ++c)
                tile[c] = first + c < job.inputs ? V::load_aligned(input + job.sources[at * job.inputs + first + c]) : V(T(0));
            transpose(tile);
            for (std::size_t lane = 0; lane < l; ++lane) tile[lane].store_aligned(out + lane * l);
        }
}

namespace detail {

/// One register tile of a block's sums: R rows × J columns, local while they grow so that they stay in registers. Rows from `rows`
/// on repeat the last one.
template <class V, int R, int J, bool Transposed, class T>
inline void gradient_tile(const gradient_job& job, const T* input, const T* dy, int rows, const std::int32_t* columns,
                          V (&result)[R][J]) {
    V sum[R][J];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
        for (int j = 0; j < J; ++j) sum[r][j] = V(T(0));
    const T* x[J];
#pragma GCC unroll 8
    for (int j = 0; j < J; ++j) x[j] = input + columns[j];
    std::ptrdiff_t row[R];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) row[r] = static_cast<std::ptrdiff_t>(job.row_stride) * std::min(r, rows - 1);
    const std::int32_t* const output_pixels = job.output_pixels.data();
    const std::int32_t* const input_pixels = job.input_pixels.data();
    for (std::size_t p = 0, pixels = job.input_pixels.size(); p < pixels; ++p) {
        std::ptrdiff_t at = input_pixels[p];
        const T* g = dy + output_pixels[p];
        for (std::size_t lane = 0; lane < (Transposed ? V::size : 1); ++lane, ++g, at += V::size) {
            V values[J];
#pragma GCC unroll 8
            for (int j = 0; j < J; ++j) values[j] = V::load_aligned(x[j] + at);
#pragma GCC unroll 8
            for (int r = 0; r < R; ++r) {
                const V factor = Transposed ? V::broadcast(g[row[r]]) : V::load_aligned(g + row[r]);
#pragma GCC unroll 8
                for (int j = 0; j < J; ++j) sum[r][j] = multiply_add(factor, values[j], sum[r][j]);
            }
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
        for (int j = 0; j < J; ++j) result[r][j] = sum[r][j];
}

template <class V, int R, int J, class T>
void gradient_rows(const gradient_job& job, std::span<const T* const> inputs, std::span<const T* const> gradients,
                   std::size_t row, int rows, std::size_t column, T* out) {
    V total[R][J];
    for (std::size_t b = 0; b < inputs.size(); ++b) {
        V sum[R][J];
        const T* const dy = gradients[b] + row * job.row_stride;
        if (job.transposed)
            gradient_tile<V, R, J, true>(job, inputs[b], dy, rows, job.columns.data() + column, sum);
        else
            gradient_tile<V, R, J, false>(job, inputs[b], dy, rows, job.columns.data() + column, sum);
        for (int r = 0; r < R; ++r)
            for (int j = 0; j < J; ++j) total[r][j] = b == 0 ? sum[r][j] : total[r][j] + sum[r][j];
    }
    for (int r = 0; r < rows; ++r)
        for (int j = 0; j < J; ++j) {
            const std::size_t at =
                (row + static_cast<std::size_t>(r)) * job.columns.size() + column + static_cast<std::size_t>(j);
            if (job.transposed)
                total[r][j].store_aligned(out + at * V::size);
            else
                out[at] = sum_lanes(total[r][j]);
        }
}

}  // namespace detail

/// Rows are shared out in groups of this many.
template <class V>
inline constexpr std::size_t gradient_group = tile_sums<V> / 3;

/// The sums of row group `group`, folded over blocks in order, written to `out` (job.sums values, this group's part).
template <class V, class T>
void run_gradient(const gradient_job& job, std::span<const T* const> inputs, std::span<const T* const> gradients,
                  std::size_t group, T* out) {
    constexpr int most = gradient_group<V>;
    constexpr std::size_t longest = 3;
    const std::size_t row = group * gradient_group<V>;
    const int rows = static_cast<int>(std::min(job.rows - row, gradient_group<V>));
    const std::size_t columns = job.columns.size(), tiles = (columns + longest - 1) / longest;
    for (std::size_t i = 0, first = 0; i < tiles; ++i) {
        const std::size_t count = columns / tiles + (i < columns % tiles);
        with_count<3, 2, 1>(count, [&]<int J>(std::integral_constant<int, J>) {
            if (rows <= 2)
                detail::gradient_rows<V, 2, J>(job, inputs, gradients, row, rows, first, out);
            else
                detail::gradient_rows<V, most, J>(job, inputs, gradients, row, rows, first, out);
        });
        first += count;
    }
}

/// Adds sums to the gradient in the weights' own order [row][input][tap], rows first .. last-1.
template <class T>
void add_gradient(const gradient_job& job, std::size_t lanes, const T* sums, std::size_t first, std::size_t last, T* gradient) {
    const std::size_t columns = job.columns.size(), width = job.transposed ? lanes : 1;
    for (std::size_t row = first; row < last; ++row)
        for (std::size_t c = 0; c < columns; ++c) {
            const std::size_t input = c / job.taps * width, tap = c % job.taps;
            for (std::size_t i = 0; i < std::min(width, job.inputs - input); ++i)
                gradient[(row * job.inputs + input + i) * job.taps + tap] += sums[(row * columns + c) * width + i];
        }
}

}  // namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE
