#pragma once
#include "saddle/certification/node_bounds.hpp"

namespace saddle {

/// After the last change of node i's interval: its lines, the ends of its interval, and which values matter.
template <class V, bool Lines>
void node_bounds<V, Lines>::finish(std::size_t i) requires Lines {
    const auto& node = network_[i];
    if (!node.constants_in_reader) set_ends(i);
    if (i == 0) return;
    if (node.is_activation())
        set_activation_lines(i);
    else if (!node.constants_in_reader || node.kind == operation_kind::scale_shift)
        set_linear_lines(i);
    if (node.is_activation()) {
        live_[i].assign(node.shape.pixels(), node.shape.channels, [&](std::size_t j) {
            const auto& l = lines_[i][j];
            return l.slope[0] != 0 || l.slope[1] != 0 || l.constant[0] != 0 || l.constant[1] != 0;
        });
        if (network_[node.input].constants_in_reader) live_[node.input] = live_[i];
    }
}

template <class V, bool Lines>
void node_bounds<V, Lines>::set_ends(std::size_t i) {
    const auto& y = intervals_[i];
    const double relative = 1.01 * (rounding_.bounds_sum(sum_chunk + 8) + chunk_error_);
    for (std::size_t j = 0; j < y.lo.size(); ++j) {
        const double error = relative * size_of(y, j);
        ends_[i][j].constant[0] = round_down<T>(double{y.lo[j]} - error);
        ends_[i][j].constant[1] = round_up<T>(double{y.hi[j]} + error);
    }
}

template <class V, bool Lines>
void node_bounds<V, Lines>::set_activation_lines(std::size_t i) {
    const auto& node = network_[i];
    const auto& x = intervals_[node.input];
    const bool merged = network_[node.input].constants_in_reader;
    const detail::line_rounding error(rounding_, 1 + readers(node.input), chunk_error_);
    for_each_value(i, [&](std::size_t j, std::size_t c) {
        const auto r = relax<T>(node.function, node.slope, x.lo[j], x.hi[j], rule_, rounding_.program);
        lines_[i][j] =
            detail::make_lines<T>(r, merged ? constant_of(node.input, j, c) : detail::value_constant{}, size_of(x, j), error);
    });
}

template <class V, bool Lines>
void node_bounds<V, Lines>::set_linear_lines(std::size_t i) {
    const auto& node = network_[i];
    const detail::line_rounding error(rounding_, 0, chunk_error_);
    for_each_value(i, [&](std::size_t j, std::size_t c) {
        const auto constant = node.constants_in_reader ? detail::value_constant{} : constant_of(i, j, c);
        lines_[i][j] = detail::make_lines<T>({1, 0, 1, 0}, constant, 0, error);
        const T slope = node.kind == operation_kind::scale_shift ? node.scale[c] : T(1);
        lines_[i][j].slope[0] = lines_[i][j].slope[1] = slope;
    });
}

/// What rounding can change of each value: the program's own sum, and the coefficients' sums on the way back through it.
template <class V, bool Lines>
void node_bounds<V, Lines>::measure_errors(std::size_t i) {
    using enum operation_kind;
    const auto& node = network_[i];
    const auto& x = intervals_[node.input];
    const std::size_t extra = readers(node.input);
    const std::size_t terms = node.kind == convolution
                                  ? std::min(node.terms(network_[node.input].shape), live_[node.input].channel.size())
                                  : 0;  // products with a zero are exact
    if (node.kind == convolution) {
        const double relative =
            1.01 * (rounding_.program_sum(terms + 1) + rounding_.bounds_sum(node.backward_terms() + 1 + extra));
        for (std::size_t j = 0; j < node.size(); ++j) errors_[i][j] = relative * intervals_[i].magnitude[j];
        return;
    }
    for (std::size_t j = 0; j < node.size(); ++j) {
        double program = 0, back = 0;
        if (node.kind == scale_shift) {
            const double s = std::abs(double{node.scale[j % node.shape.channels]}),
                         t = std::abs(double{node.shift[j % node.shape.channels]});
            program = rounding_.program_sum(2) * (s * size_of(x, j) + t);
            back = rounding_.bounds_sum(1 + extra) * s * size_of(x, j);
        } else if (node.kind == add) {
            const double size = size_of(x, j) + size_of(intervals_[node.second], j);
            program = rounding_.program * size;
            back = rounding_.bounds_sum(extra + readers(node.second)) * size;
        } else if (node.kind == average_pool) {
            double size = 0;
            for_window(i, j, [&](std::size_t k) { size += size_of(x, k); });
            const std::size_t overlap = node.backward_terms() / node.shape.channels;
            program = rounding_.program_sum(node.window.height * node.window.width + 1) * size * node.share;
            back = rounding_.bounds_sum(1 + overlap + extra) * size * node.share;
        } else if (node.kind == max_pool || node.kind == flatten) {
            const std::size_t overlap = node.kind == flatten ? 1 : node.backward_terms() / node.shape.channels;
            back =
                (rounding_.bounds_sum(overlap + extra) + (node.kind == max_pool ? chunk_error_ : 0)) * size_of(intervals_[i], j);
        }
        errors_[i][j] = 1.01 * (program + back);
    }
}

/// DeepPoly's relaxation of a maximum (Singh et al. 2019, §4.5).
template <class V, bool Lines>
pool_line node_bounds<V, Lines>::pool_of(std::size_t i, std::size_t j) const {
    const auto& x = intervals_[network_[i].input];
    pool_line line{.highest = -std::numeric_limits<double>::infinity()};
    double rest = line.highest;
    for_window(i, j, [&](std::size_t k) {
        if (line.best == none || x.lo[k] > x.lo[line.best]) line.best = k;
        line.highest = std::max(line.highest, double{x.hi[k]});
    });
    for_window(i, j, [&](std::size_t k) {
        if (k != line.best) rest = std::max(rest, double{x.hi[k]});
    });
    line.dominates = x.lo[line.best] >= rest;
    return line;
}

}  // namespace saddle
