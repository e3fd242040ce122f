#pragma once
#include "saddle/certification/bound_network.hpp"
#include "saddle/certification/rounding.hpp"

#include <array>
#include <utility>

namespace saddle {

/// A sound interval of every value of one node, and the sum of magnitudes behind each value of a convolution. Order [y][x][channel].
template <class T>
struct node_interval {
    lane_vector<T> lo, hi;
    lane_vector<T> magnitude;  ///< Σ|w|·max|x| + |bias|; empty unless asked for
};

namespace detail {

/// Centres, radii and largest magnitudes of a convolution's input: three planes, each [y][x][channel] and one position of zeros.
template <class V>
class interval_input {
    using T = typename V::value_type;

public:
    /// `inflation` · max|x| is added to the radius: the rounding of the sums that follow.
    void load(const node_interval<T>& x, extents shape, T inflation) {
        channels_ = shape.channels;
        size_ = shape.size();
        plane_ = (size_ + channels_ + V::size - 1) / V::size * V::size;
        values_.resize(3 * plane_);
        std::size_t i = 0;
        for (; i + V::size <= size_; i += V::size)
            store(i, V::load_aligned(x.lo.data() + i), V::load_aligned(x.hi.data() + i), inflation,
                  [](const V& v, T* to) { v.store_aligned(to); });
        for (; i < size_; ++i) store(i, x.lo[i], x.hi[i], inflation, [](T v, T* to) { *to = v; });
        for (std::size_t s = 0; s < 3; ++s) std::fill_n(values_.data() + s * plane_ + size_, channels_, T(0));
    }
    [[nodiscard]] const T* centres() const { return values_.data(); }
    /// Values from a centre to its radius, and on to its largest magnitude.
    [[nodiscard]] std::size_t plane() const { return plane_; }

private:
    template <class Value, class Put>
    void store(std::size_t i, const Value& lo, const Value& hi, T inflation, Put&& put) {
        using std::abs, std::max;
        const Value centre = (lo + hi) * Value(T(.5)), largest = max(abs(lo), abs(hi));
        const Value grow(1 + 4 * std::numeric_limits<T>::epsilon());
        put(centre, values_.data() + i);
        put(max(hi - centre, centre - lo) * grow + Value(inflation) * largest, values_.data() + plane_ + i);
        put(largest, values_.data() + 2 * plane_ + i);
    }

    lane_vector<T> values_;
    std::size_t channels_ = 0, size_ = 0, plane_ = 0;
};

/// Sums of one register tile: PX output positions × OV registers of output channels, of centres, radii and (Sums = 3) magnitudes.
/// A window is `runs` of `length` values that follow each other; `offsets` [run][PX] tell where in a plane of `input` they start.
template <class V, int Sums, int PX, int OV, class T>
void interval_tile(const T* input, std::size_t input_plane, const std::uint32_t* offsets, std::size_t runs, std::size_t length,
                   const T* weights, std::size_t stride, T* outputs, std::size_t plane) {
    V sum[Sums][PX][OV];
#pragma GCC unroll 16
    for (int s = 0; s < Sums; ++s)
#pragma GCC unroll 16
        for (int p = 0; p < PX; ++p)
#pragma GCC unroll 16
            for (int o = 0; o < OV; ++o) sum[s][p][o] = V(T(0));
    for (std::size_t r = 0; r < runs; ++r, offsets += PX)
        for (std::size_t c = 0; c < length; ++c, weights += stride) {
            const auto value = [&](int p, int s) {
                return V::broadcast(input[offsets[p] + static_cast<std::size_t>(s) * input_plane + c]);
            };
            if constexpr (PX == 1) {  // more registers of weights than of inputs: these stay
                V x[Sums];
#pragma GCC unroll 16
                for (int s = 0; s < Sums; ++s) x[s] = value(0, s);
#pragma GCC unroll 16
                for (int o = 0; o < OV; ++o) {
                    const V w = V::load_aligned(weights + o * static_cast<int>(V::size)), size = abs(w);
#pragma GCC unroll 16
                    for (int s = 0; s < Sums; ++s) sum[s][0][o] = multiply_add(s == 0 ? w : size, x[s], sum[s][0][o]);
                }
            } else {
                V w[OV], size[OV];
#pragma GCC unroll 16
                for (int o = 0; o < OV; ++o) {
                    w[o] = V::load_aligned(weights + o * static_cast<int>(V::size));
                    size[o] = abs(w[o]);
                }
#pragma GCC unroll 16
                for (int p = 0; p < PX; ++p)
#pragma GCC unroll 16
                    for (int s = 0; s < Sums; ++s) {
                        const V x = value(p, s);
#pragma GCC unroll 16
                        for (int o = 0; o < OV; ++o) sum[s][p][o] = multiply_add(s == 0 ? w[o] : size[o], x, sum[s][p][o]);
                    }
            }
        }
#pragma GCC unroll 16
    for (int s = 0; s < Sums; ++s)
#pragma GCC unroll 16
        for (int p = 0; p < PX; ++p)
#pragma GCC unroll 16
            for (int o = 0; o < OV; ++o)
                sum[s][p][o].store_aligned(outputs + static_cast<std::size_t>(p * Sums + s) * plane +
                                           static_cast<std::size_t>(o) * V::size);
}

/// The interval of one convolution's output from that of its input, one image; lanes are output channels. Sums = 3 keeps magnitudes, too.
///
/// With Sums = 2 the rounding of the sums is covered by larger radii of the input, since |W|·(radius + g·max|x|) covers g·|W|·max|x|.
template <class V, int Sums>
class interval_convolution {
    using T = typename V::value_type;

public:
    void run(const bound_node<T>& node, extents in, const node_interval<T>& x, const rounding_model& rounding,
             node_interval<T>& y) {
        const std::size_t terms = node.terms(in) + 1;
        relative_ = static_cast<T>(1.01 * (rounding.program_sum(terms) + rounding.bounds_sum(terms)));
        input_.load(x, in, Sums == 2 ? relative_ : T(0));
        columns_ = node.outputs_padded;
        bias_.assign(columns_, T(0));
        std::copy(node.shift.begin(), node.shift.end(), bias_.begin());
        sums_.resize(most_pixels * Sums * columns_);
        if (offsets_.empty()) list_offsets(node, in);
        const std::size_t width = node.shape.width, tiles = tiles_of(width);
        const std::uint32_t* offsets = offsets_.data();
        for (std::size_t oy = 0; oy < node.shape.height; ++oy)
            for (std::size_t t = 0; t < tiles; ++t) {
                const std::size_t ox = width * t / tiles, pixels = width * (t + 1) / tiles - ox;
                run_tile(pixels, node, offsets);
                offsets += pixels * runs_;
                for (std::size_t p = 0; p < pixels; ++p) finish(node, sums_.data() + p * Sums * columns_, oy * width + ox + p, y);
            }
    }

private:
    static constexpr std::size_t most_pixels = 6;
    /// Registers of output channels a tile takes: sums fill three quarters of the registers at most.
    template <int PX>
    static constexpr int most_columns = std::clamp((sizeof(V) == 64 ? 24 : 12) / (PX * Sums), 1, PX == 1 ? 7 : 2);

    static std::size_t tiles_of(std::size_t width) { return (width + most_pixels - 1) / most_pixels; }

    /// Where each tile's inputs start, [tile][run][pixel]: the same for every image. Without padding a row of the window is one run.
    void list_offsets(const bound_node<T>& node, extents in) {
        const auto& w = node.window;
        const std::size_t width = node.shape.width, tiles = tiles_of(width), step = w.padding == 0 ? w.width : 1;
        runs_ = w.height * w.width / step;
        length_ = step * in.channels;
        for (std::size_t oy = 0; oy < node.shape.height; ++oy)
            for (std::size_t t = 0; t < tiles; ++t)
                for (std::size_t ky = 0; ky < w.height; ++ky)
                    for (std::size_t kx = 0; kx < w.width; kx += step)
                        for (std::size_t ox = width * t / tiles; ox < width * (t + 1) / tiles; ++ox) {
                            const std::size_t y = oy * w.stride + ky - w.padding, x = ox * w.stride + kx - w.padding;
                            const bool inside = y < in.height && x < in.width;  // below 0 they wrap
                            offsets_.push_back(
                                static_cast<std::uint32_t>((inside ? y * in.width + x : in.pixels()) * in.channels));
                        }
    }
    void run_tile(std::size_t pixels, const bound_node<T>& node, const std::uint32_t* offsets) {
        pixels == 1   ? tile<1>(node, offsets)
        : pixels == 2 ? tile<2>(node, offsets)
        : pixels == 3 ? tile<3>(node, offsets)
        : pixels == 4 ? tile<4>(node, offsets)
        : pixels == 5 ? tile<5>(node, offsets)
                      : tile<6>(node, offsets);
    }
    template <int PX>
    void tile(const bound_node<T>& node, const std::uint32_t* offsets) {
        constexpr std::size_t most = most_columns<PX>;
        const std::size_t registers = columns_ / V::size, parts = (registers + most - 1) / most;
        for (std::size_t part = 0, first = 0; part < parts; ++part) {
            const std::size_t count = registers * (part + 1) / parts - registers * part / parts;
            cpu_backend::with_count<7, 6, 5, 4, 3, 2, 1>(count, [&]<int OV>(std::integral_constant<int, OV>) {
                if constexpr (OV <= most)
                    interval_tile<V, Sums, PX, OV>(input_.centres(), input_.plane(), offsets, runs_, length_,
                                                   node.forward_weights.data() + first, columns_, sums_.data() + first, columns_);
            });
            first += count * V::size;
        }
    }
    void finish(const bound_node<T>& node, const T* sums, std::size_t position, node_interval<T>& y) const {
        const std::size_t channels = node.shape.channels, at = position * channels;
        std::size_t o = 0;
        for (; o + V::size <= channels; o += V::size)
            leave(V::load_aligned(sums + o), V::load_aligned(sums + columns_ + o),
                  Sums == 3 ? V::load_aligned(sums + (Sums - 1) * columns_ + o) : V(T(0)), V::load_aligned(bias_.data() + o),
                  at + o, y, [](const V& v, T* to) { v.store_unaligned(to); });
        for (; o < channels; ++o)
            leave(sums[o], sums[columns_ + o], Sums == 3 ? sums[(Sums - 1) * columns_ + o] : T(0), bias_[o], at + o, y,
                  [](T v, T* to) { *to = v; });
    }
    template <class Value, class Put>
    void leave(const Value& sum, const Value& radius, const Value& size, const Value& bias, std::size_t at, node_interval<T>& y,
               Put&& put) const {
        using std::abs;
        const Value centre = sum + bias, behind = size + abs(bias);
        const Value reach = radius * Value(1 + relative_) + Value(relative_) * behind;
        const Value slack = Value(relative_ > 0 ? 4 * std::numeric_limits<T>::epsilon() : T(0)) * (abs(centre) + reach);
        put(centre - reach - slack, y.lo.data() + at);
        put(centre + reach + slack, y.hi.data() + at);
        if constexpr (Sums == 3) put(behind, y.magnitude.data() + at);
    }

    interval_input<V> input_;
    std::vector<std::uint32_t> offsets_;
    lane_vector<T> sums_, bias_;
    std::size_t columns_ = 0, runs_ = 0, length_ = 0;
    T relative_ = 0;
};

}  // namespace detail

}  // namespace saddle
