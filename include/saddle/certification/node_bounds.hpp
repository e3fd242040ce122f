#pragma once
#include "saddle/certification/node_lines.hpp"

#include <numeric>

namespace saddle {

/// How a maximum passes coefficients on: all to one input if it dominates the others, else negative ones meet the largest upper bound.
struct pool_line {
    std::size_t best = none;  ///< the input with the largest lower bound
    bool dominates = false;
    double highest = 0;
};

/// Intervals of every value of a network for one input box, node after node; with Lines, also what back-substitution needs of them.
template <class V, bool Lines>
class node_bounds {
public:
    using T = typename V::value_type;

    explicit node_bounds(const bound_network<T>& network, rounding_model rounding, lower_slope rule = lower_slope::area)
        : network_(network), rounding_(rounding), rule_(rule), convolutions_(network.size()), intervals_(network.size()),
          flat_sources_(network.size()), errors_(network.size()), lines_(network.size()), ends_(network.size()),
          live_(network.size()), pools_(network.size()) {
        std::size_t sums = 0;  // at most so many terms of one bound are added in double
        for (std::size_t i = 0; i < network.size(); ++i) {
            const auto& node = network[i];
            intervals_[i].lo.resize(node.size());
            intervals_[i].hi.resize(node.size());
            if (node.kind == operation_kind::flatten) list_flat_sources(i);
            if (!Lines) continue;
            if (i > 0 && node.kind == operation_kind::convolution) intervals_[i].magnitude.resize(node.size());
            errors_[i].resize(node.size());
            lines_[i].resize(node.size());
            ends_[i].resize(node.size());
            live_[i].assign(node.shape.pixels(), node.shape.channels, [](std::size_t) { return true; });
            sums += 2 + (node.kind == operation_kind::max_pool ? 2 * node.size() : node.size() / sum_chunk);
        }
        if (rounding.bounds > 0) chunk_error_ = rounding_model::gamma(sums, 0x1p-53);
    }

    /// Starts with the input box [C,H,W].
    template <class Value>
    void begin(const Value* lower, const Value* upper) {
        const std::size_t channels = network_.input().channels, pixels = network_.input().pixels();
        T *const lo = intervals_[0].lo.data(), *const hi = intervals_[0].hi.data();
        for (std::size_t c = 0; c < channels; ++c)
            for (std::size_t p = 0; p < pixels; ++p) {
                lo[p * channels + c] = static_cast<T>(lower[c * pixels + p]);
                hi[p * channels + c] = static_cast<T>(upper[c * pixels + p]);
            }
        if constexpr (Lines) finish(0);
    }

    /// The interval of node i > 0 from those of its inputs; with Lines, also the errors behind its values and a maximum's lines.
    void propagate(std::size_t i) {
        set_interval(i);
        if constexpr (!Lines) return;
        measure_errors(i);
        // Rows may start here before the reader says again which values live: what is known is of the box before.
        if (network_[i].constants_in_reader && network_[i].kind != operation_kind::convolution)
            live_[i].assign(network_[i].shape.pixels(), network_[i].shape.channels, [](std::size_t) { return true; });
        if (network_[i].kind != operation_kind::max_pool) return;
        pools_[i].resize(network_[i].size());
        for (std::size_t j = 0; j < pools_[i].size(); ++j) pools_[i][j] = pool_of(i, j);
    }

    /// Keeps the tighter of the present and a new bound of one value.
    void tighten(std::size_t i, std::size_t value, double lower, double upper) {
        T& lo = intervals_[i].lo[value];
        T& hi = intervals_[i].hi[value];
        if (lower > lo) lo = std::min(round_down<T>(lower), hi);
        if (upper < hi) hi = std::max(round_up<T>(upper), lo);
    }

    /// After the last change of node i's interval: its lines, the ends of its interval, and which values matter.
    void finish(std::size_t i) requires Lines;

    [[nodiscard]] const bound_network<T>& network() const { return network_; }
    [[nodiscard]] const rounding_model& rounding() const { return rounding_; }
    [[nodiscard]] const node_interval<T>& interval(std::size_t i) const { return intervals_[i]; }
    [[nodiscard]] const std::vector<neuron_lines<T>>& lines(std::size_t i) const { return lines_[i]; }
    /// The ends of the interval as constants: what a bound gains where substitution ends.
    [[nodiscard]] const std::vector<neuron_lines<T>>& ends(std::size_t i) const { return ends_[i]; }
    /// Of every value of a maximum.
    [[nodiscard]] const std::vector<pool_line>& pools(std::size_t i) const { return pools_[i]; }
    [[nodiscard]] const live_channels& live(std::size_t i) const { return live_[i]; }
    /// Offset and error of a value beside the linear part of its node.
    [[nodiscard]] detail::value_constant constant(std::size_t i, std::size_t value) const {
        return constant_of(i, value, value % network_[i].shape.channels);
    }
    /// The input window of pooled value j: f(input value) for each.
    template <class F>
    void for_window(std::size_t i, std::size_t j, F&& f) const {
        const auto& node = network_[i];
        const auto in = network_[node.input].shape;
        const auto& w = node.window;
        const std::size_t c = j % node.shape.channels, p = j / node.shape.channels;
        const std::size_t top = p / node.shape.width * w.stride, left = p % node.shape.width * w.stride;
        for (std::size_t y = top < w.padding ? 0 : top - w.padding; y < std::min(in.height, top + w.height - w.padding); ++y)
            for (std::size_t x = left < w.padding ? 0 : left - w.padding; x < std::min(in.width, left + w.width - w.padding); ++x)
                f((y * in.width + x) * in.channels + c);
    }
    /// The input value that output j of a flatten copies.
    [[nodiscard]] std::size_t flat_source(std::size_t i, std::size_t j) const { return flat_sources_[i][j]; }

private:
    /// Both sides are [row][column][channel] here and [channel][row][column] in the program, whose order a flatten keeps.
    void list_flat_sources(std::size_t i) {
        const auto out = network_[i].shape, in = network_[network_[i].input].shape;
        flat_sources_[i].resize(network_[i].size());
        for (std::size_t place = 0; place < flat_sources_[i].size(); ++place) {
            const std::size_t to = place % out.pixels() * out.channels + place / out.pixels();
            flat_sources_[i][to] = static_cast<std::uint32_t>(place % in.pixels() * in.channels + place / in.pixels());
        }
    }
    static double size_of(const node_interval<T>& x, std::size_t j) {
        return std::max(std::abs(double{x.lo[j]}), std::abs(double{x.hi[j]}));
    }
    static std::pair<double, double> around(double a, double b, double error) {
        return {std::min(a, b) - error, std::max(a, b) + error};
    }
    /// Roundings of a coefficient where several nodes read one: their sum.
    [[nodiscard]] std::size_t readers(std::size_t i) const { return network_[i].consumers > 1 ? network_[i].consumers : 0; }

    void set_ends(std::size_t i);
    void set_activation_lines(std::size_t i);
    void set_linear_lines(std::size_t i);
    void measure_errors(std::size_t i);
    pool_line pool_of(std::size_t i, std::size_t j) const;
    /// Calls f(value, its channel) for every value of node i.
    template <class F>
    void for_each_value(std::size_t i, F&& f) const {
        const auto shape = network_[i].shape;
        for (std::size_t p = 0, j = 0; p < shape.pixels(); ++p)
            for (std::size_t c = 0; c < shape.channels; ++c, ++j) f(j, c);
    }
    [[nodiscard]] detail::value_constant constant_of(std::size_t i, std::size_t value, std::size_t channel) const {
        const auto& shift = network_[i].shift;
        return {shift.empty() ? 0. : static_cast<double>(shift[channel]), errors_[i][value]};
    }

    void set_interval(std::size_t i) {
        using enum operation_kind;
        const auto& node = network_[i];
        const auto& x = intervals_[node.input];
        switch (node.kind) {
        case convolution:
            return convolutions_[i].run(node, network_[node.input].shape, x, rounding_, intervals_[i]);
        case activation:
            if (node.function == activation_function::relu) return cut_at_zero(x, intervals_[i]);
            return each(i, [&](std::size_t j) {
                return activation_range(node.function, node.slope, x.lo[j], x.hi[j], rounding_.program);
            });
        case scale_shift:
            return each(i, [&](std::size_t j) {
                const double s = node.scale[j % node.shape.channels], t = node.shift[j % node.shape.channels];
                const double error = rounding_.program_sum(2) * (std::abs(s) * size_of(x, j) + std::abs(t));
                return around(s * x.lo[j] + t, s * x.hi[j] + t, error);
            });
        case add:
            return each(i, [&](std::size_t j) {
                const auto& other = intervals_[node.second];
                return around(double{x.lo[j]} + other.lo[j], double{x.hi[j]} + other.hi[j],
                              rounding_.program * (size_of(x, j) + size_of(other, j)));
            });
        case flatten:
            for (std::size_t j = 0; j < node.size(); ++j) {
                const std::size_t from = flat_source(i, j);
                intervals_[i].lo[j] = x.lo[from];
                intervals_[i].hi[j] = x.hi[from];
            }
            return;
        case max_pool:
        case average_pool:
            return each(i, [&](std::size_t j) { return pooled(i, j); });
        default:
            throw error("node_bounds: an operation without a relaxation");
        }
    }

    template <class F>
    void each(std::size_t i, F&& f) {
        auto& y = intervals_[i];
        for (std::size_t j = 0; j < network_[i].size(); ++j) {
            const auto [lo, hi] = f(j);
            y.lo[j] = round_down<T>(lo);
            y.hi[j] = round_up<T>(hi);
        }
    }
    static void cut_at_zero(const node_interval<T>& x, node_interval<T>& y) {
        const auto cut = [n = x.lo.size()](const T* from, T* to) {
            std::size_t j = 0;
            for (; j + V::size <= n; j += V::size) {
                const V v = V::load_aligned(from + j);
                choose(v < V(T(0)), V(T(0)), v).store_aligned(to + j);
            }
            for (; j < n; ++j) to[j] = from[j] < 0 ? T(0) : from[j];
        };
        cut(x.lo.data(), y.lo.data());
        cut(x.hi.data(), y.hi.data());
    }
    std::pair<double, double> pooled(std::size_t i, std::size_t j) const {
        const auto& x = intervals_[network_[i].input];
        if (network_[i].kind == operation_kind::max_pool) {
            double lo = -std::numeric_limits<double>::infinity(), hi = lo;
            for_window(i, j, [&](std::size_t k) { lo = std::max(lo, double{x.lo[k]}), hi = std::max(hi, double{x.hi[k]}); });
            return {lo, hi};
        }
        double lo = 0, hi = 0, size = 0;
        for_window(i, j, [&](std::size_t k) { lo += x.lo[k], hi += x.hi[k], size += size_of(x, k); });
        const auto& node = network_[i];
        const double error = rounding_.program_sum(node.window.height * node.window.width + 1) * size * node.share;
        return around(lo * node.share, hi * node.share, error);
    }
    const bound_network<T>& network_;
    rounding_model rounding_;
    lower_slope rule_;
    double chunk_error_ = 0;
    std::vector<detail::interval_convolution<V, Lines ? 3 : 2>> convolutions_;
    std::vector<node_interval<T>> intervals_;
    std::vector<std::vector<std::uint32_t>> flat_sources_;
    std::vector<std::vector<double>> errors_;
    std::vector<std::vector<neuron_lines<T>>> lines_, ends_;
    std::vector<live_channels> live_;
    std::vector<std::vector<pool_line>> pools_;
};

}  // namespace saddle

#include "saddle/certification/node_bounds_lines.hpp"
