#pragma once
#include "saddle/certification/relaxation.hpp"
#include "saddle/core/shape.hpp"
#include "saddle/nn/plan.hpp"

#include <cmath>
#include <span>
#include <vector>

namespace saddle::testing {

using matrix_rows = std::vector<std::vector<double>>;

/// DeepPoly in double on plain matrices, one neuron after another, concretised at the input: an oracle that shares no code with the
/// library but the plan. Bounds of a tensor are its interval, and where a kink is open, the better of that and its rows.
class plain_bounds {
public:
    plain_bounds(const plan& p, std::span<const double> parameters, std::span<const double> buffers,
                 const std::vector<double>& lower, const std::vector<double>& upper, lower_slope rule, bool rows = true)
        : plan_(p), parameters_(parameters), buffers_(buffers), rule_(rule), lo(p.tensors.size()), hi(p.tensors.size()) {
        lo[0] = lower;
        hi[0] = upper;
        for (const auto& op : p.operations) {
            interval(op);
            if (rows && bends(op.output)) refine(op.output);
        }
    }

    /// The lower bound of coefficients · tensor.
    [[nodiscard]] double lower_bound(std::size_t tensor, const std::vector<double>& coefficients) const {
        matrix_rows a(plan_.tensors.size());
        double constant = 0;
        a[tensor] = coefficients;
        for (std::size_t i = plan_.operations.size(); i-- > 0;) {
            const auto& op = plan_.operations[i];
            if (!a[op.output].empty()) back(op, a, constant);
        }
        double bound = constant;
        for (std::size_t j = 0; j < a[0].size(); ++j) bound += a[0][j] * (a[0][j] >= 0 ? lo[0][j] : hi[0][j]);
        return bound;
    }
    [[nodiscard]] double margin(std::size_t label, std::size_t other) const {
        std::vector<double> a(plan_.classes(), 0.);
        a[label] = 1;
        a[other] = -1;
        return lower_bound(plan_.output(), a);
    }

private:
    friend class plain_zonotope;
    const plan& plan_;
    std::span<const double> parameters_, buffers_;
    lower_slope rule_;

public:
    matrix_rows lo, hi;

private:
    [[nodiscard]] const double* parameter(std::size_t i) const { return parameters_.data() + plan_.parameters[i].offset; }
    [[nodiscard]] const double* buffer(std::size_t i) const { return buffers_.data() + plan_.buffers[i].offset; }

    /// A linear operation's weight of input i in output o, as a list of (input, weight), and its bias.
    template <class F>
    double row(const operation& op, std::size_t o, F&& f) const {
        using enum operation_kind;
        const auto in = plan_.tensors[op.input], out = plan_.tensors[op.output];
        const std::size_t c = o / out.pixels(), y = o % out.pixels() / out.width, x = o % out.width;
        const auto each_tap = [&](auto&& tap) {
            for (std::size_t ky = 0; ky < op.window.height; ++ky)
                for (std::size_t kx = 0; kx < op.window.width; ++kx) {
                    const auto iy = static_cast<long>(y * op.window.stride + ky) - static_cast<long>(op.window.padding);
                    const auto ix = static_cast<long>(x * op.window.stride + kx) - static_cast<long>(op.window.padding);
                    if (iy >= 0 && ix >= 0 && iy < static_cast<long>(in.height) && ix < static_cast<long>(in.width))
                        tap(ky * op.window.width + kx, static_cast<std::size_t>(iy) * in.width + static_cast<std::size_t>(ix));
                }
        };
        const std::size_t taps = op.window.height * op.window.width;
        switch (op.kind) {
        case convolution:
            for (std::size_t i = 0; i < in.channels; ++i)
                each_tap([&](std::size_t tap, std::size_t pixel) {
                    f(i * in.pixels() + pixel, parameter(op.weight)[(c * in.channels + i) * taps + tap]);
                });
            return op.bias == none ? 0 : parameter(op.bias)[c];
        case scale_shift:
            f(o, 1 / buffer(op.buffer + 1)[c]);
            return -buffer(op.buffer)[c] / buffer(op.buffer + 1)[c];
        case batch_norm: {
            const double scale = parameter(op.weight)[c] / std::sqrt(buffer(op.buffer + 1)[c] + op.epsilon);
            f(o, scale);
            return parameter(op.bias)[c] - buffer(op.buffer)[c] * scale;
        }
        case average_pool:
            each_tap([&](std::size_t, std::size_t pixel) { f(c * in.pixels() + pixel, 1. / static_cast<double>(taps)); });
            return 0;
        default:  // flatten, dropout
            f(o, 1.);
            return 0;
        }
    }
    template <class F>
    void pooled(const operation& op, std::size_t o, F&& f) const {
        operation window = op;
        window.kind = operation_kind::average_pool;
        row(window, o, [&](std::size_t i, double) { f(i); });
    }
    [[nodiscard]] double value(const operation& op, double z) const {
        using enum activation_function;
        return op.function == relu         ? std::max(z, 0.)
               : op.function == leaky_relu ? std::max(z, op.slope * z)
               : op.function == sigmoid    ? 1 / (1 + std::exp(-z))
                                           : std::tanh(z);
    }
    [[nodiscard]] double slope_at(const operation& op, double z) const {
        const double y = value(op, z);
        return op.function == activation_function::sigmoid ? y * (1 - y) : 1 - y * y;
    }
    /// Lower line (slope, intercept) and upper line of an activation.
    [[nodiscard]] relaxation lines(const operation& op, double l, double u) const {
        using enum activation_function;
        if (op.function == relu || op.function == leaky_relu) {
            const double s = op.function == relu ? 0 : op.slope;
            if (l >= 0) return {1, 0, 1, 0};
            if (u <= 0) return {s, 0, s, 0};
            const double chord = (u - s * l) / (u - l);
            double low = s;
            if (rule_ == lower_slope::one || (rule_ == lower_slope::area && u >= -l) ||
                (rule_ == lower_slope::adaptive && u > -l))
                low = 1;
            if (rule_ == lower_slope::parallel) low = chord;
            return {low, 0, chord, u - chord * u};
        }
        const double chord = u > l ? (value(op, u) - value(op, l)) / (u - l) : slope_at(op, l);
        const double gentle = std::min(slope_at(op, l), slope_at(op, u));
        const double low = l > 0 ? chord : gentle, high = u < 0 ? chord : gentle;
        return {low, value(op, l) - low * l, high, value(op, u) - high * u};
    }
    void interval(const operation& op) {
        const std::size_t n = plan_.tensors[op.output].size();
        auto &l = lo[op.output], &u = hi[op.output];
        l.assign(n, 0.);
        u.assign(n, 0.);
        for (std::size_t o = 0; o < n; ++o) {
            if (op.kind == operation_kind::activation) {
                l[o] = value(op, lo[op.input][o]), u[o] = value(op, hi[op.input][o]);
            } else if (op.kind == operation_kind::add) {
                l[o] = lo[op.input][o] + lo[op.second][o], u[o] = hi[op.input][o] + hi[op.second][o];
            } else if (op.kind == operation_kind::max_pool) {
                l[o] = u[o] = -1e300;
                pooled(op, o,
                       [&](std::size_t i) { l[o] = std::max(l[o], lo[op.input][i]), u[o] = std::max(u[o], hi[op.input][i]); });
            } else {
                const double bias = row(op, o, [&](std::size_t i, double w) {
                    l[o] += w * (w >= 0 ? lo : hi)[op.input][i], u[o] += w * (w >= 0 ? hi : lo)[op.input][i];
                });
                l[o] += bias, u[o] += bias;
            }
        }
    }
    /// 1: some activation with a kink, 2: a smooth one, 3: a maximum reads the tensor, which is not an activation's output itself.
    [[nodiscard]] int bends(std::size_t tensor) const {
        int kind = 0;
        for (const auto& op : plan_.operations) {
            if (op.output == tensor && op.kind == operation_kind::activation) return 0;
            if (op.input != tensor) continue;
            using enum activation_function;
            if (op.kind == operation_kind::activation)
                kind = std::max(kind, op.function == relu || op.function == leaky_relu ? 1 : 2);
            if (op.kind == operation_kind::max_pool) kind = 3;
        }
        return kind;
    }
    void refine(std::size_t tensor) {
        auto &l = lo[tensor], &u = hi[tensor];
        for (std::size_t j = 0; j < l.size(); ++j) {
            if (bends(tensor) == 1 ? l[j] >= 0 || u[j] <= 0 : l[j] == u[j]) continue;
            std::vector<double> a(l.size(), 0.);
            a[j] = 1;
            const double low = lower_bound(tensor, a);
            a[j] = -1;
            const double high = -lower_bound(tensor, a);
            l[j] = std::max(l[j], low), u[j] = std::min(u[j], high);
        }
    }
    void back(const operation& op, matrix_rows& a, double& constant) const {
        const auto open = [&](std::size_t tensor) {
            if (a[tensor].empty()) a[tensor].assign(plan_.tensors[tensor].size(), 0.);
        };
        open(op.input);
        for (std::size_t o = 0; o < a[op.output].size(); ++o) {
            const double c = a[op.output][o];
            if (c == 0) continue;
            if (op.kind == operation_kind::activation) {
                const auto r = lines(op, lo[op.input][o], hi[op.input][o]);
                a[op.input][o] += c * (c >= 0 ? r.lower_slope : r.upper_slope);
                constant += c * (c >= 0 ? r.lower : r.upper);
            } else if (op.kind == operation_kind::add) {
                open(op.second);
                a[op.input][o] += c;
                a[op.second][o] += c;
            } else if (op.kind == operation_kind::max_pool) {
                std::size_t best = none;
                double highest = -1e300, rest = -1e300;
                pooled(op, o, [&](std::size_t i) {
                    if (best == none || lo[op.input][i] > lo[op.input][best]) best = i;
                    highest = std::max(highest, hi[op.input][i]);
                });
                pooled(op, o, [&](std::size_t i) {
                    if (i != best) rest = std::max(rest, hi[op.input][i]);
                });
                if (c >= 0 || lo[op.input][best] >= rest)
                    a[op.input][best] += c;
                else
                    constant += c * highest;
            } else {
                constant += c * row(op, o, [&](std::size_t i, double w) { a[op.input][i] += c * w; });
            }
        }
    }
};

}  // namespace saddle::testing
