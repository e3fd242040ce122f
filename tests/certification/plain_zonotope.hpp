#pragma once
#include "certification/plain_bounds.hpp"

#include <algorithm>

namespace saddle::testing {

/// DeepZ in double on plain matrices, one row of generators per value: an oracle that shares no code with the library but the plan.
class plain_zonotope {
public:
    plain_zonotope(const plan& p, std::span<const double> parameters, std::span<const double> buffers,
                   const std::vector<double>& lower, const std::vector<double>& upper)
        : rows_(p, parameters, buffers, lower, upper, lower_slope::area, false), forms_(p.tensors.size()), lo(p.tensors.size()),
          hi(p.tensors.size()) {
        for (std::size_t j = 0; j < lower.size(); ++j) {
            forms_[0].push_back(form{(lower[j] + upper[j]) / 2});
            if (lower[j] < upper[j]) add_generator(forms_[0].back(), (upper[j] - lower[j]) / 2);
        }
        lo[0] = lower, hi[0] = upper;
        for (const auto& op : p.operations) transform(p, op);
        output_ = p.output();
    }

    [[nodiscard]] double margin(std::size_t label, std::size_t other) const {
        form difference = forms_[output_][label];
        add(difference, forms_[output_][other], -1);
        return difference[0] - reach(difference);
    }

private:
    using form = std::vector<double>;  ///< the centre, then a coefficient per generator, as far as they are not 0
    plain_bounds rows_;
    std::vector<std::vector<form>> forms_;
    std::size_t generators_ = 0, output_ = 0;

public:
    matrix_rows lo, hi;

private:
    void add_generator(form& f, double coefficient) {
        f.resize(++generators_ + 1, 0.);
        f[generators_] = coefficient;
    }
    static void add(form& to, const form& f, double factor) {
        if (to.size() < f.size()) to.resize(f.size(), 0.);
        for (std::size_t g = 0; g < f.size(); ++g) to[g] += factor * f[g];
    }
    static double reach(const form& f) {
        double sum = 0;
        for (std::size_t g = 1; g < f.size(); ++g) sum += std::abs(f[g]);
        return sum;
    }
    void transform(const plan& p, const operation& op) {
        const std::size_t n = p.tensors[op.output].size();
        const auto& x = forms_[op.input];
        auto& y = forms_[op.output];
        y.assign(n, form{0.});
        lo[op.output].resize(n), hi[op.output].resize(n);
        for (std::size_t o = 0; o < n; ++o) {
            double &low = lo[op.output][o], &high = hi[op.output][o];
            if (op.kind == operation_kind::activation) {
                const double l = lo[op.input][o], u = hi[op.input][o];
                bend(op, x[o], l, u, y[o]);
                low = rows_.value(op, l), high = rows_.value(op, u);
                continue;
            }
            if (op.kind == operation_kind::max_pool) {
                std::size_t best = none;
                low = high = -1e300;
                rows_.pooled(op, o, [&](std::size_t i) {
                    if (lo[op.input][i] > low) best = i;
                    low = std::max(low, lo[op.input][i]), high = std::max(high, hi[op.input][i]);
                });
                bool dominates = true;
                rows_.pooled(op, o, [&](std::size_t i) { dominates = dominates && (i == best || hi[op.input][i] <= low); });
                if (dominates) {
                    y[o] = x[best];
                } else {
                    y[o] = {(low + high) / 2};
                    add_generator(y[o], (high - low) / 2);
                }
                continue;
            }
            if (op.kind == operation_kind::add) {
                y[o] = x[o];
                add(y[o], forms_[op.second][o], 1);
            } else {
                const double bias = rows_.row(op, o, [&](std::size_t i, double w) { add(y[o], x[i], w); });
                y[o][0] += bias;
            }
            low = y[o][0] - reach(y[o]), high = y[o][0] + reach(y[o]);
        }
    }
    void bend(const operation& op, const form& x, double l, double u, form& y) {
        using enum activation_function;
        const bool pieces = op.function == relu || op.function == leaky_relu;
        double slope = 0, low = 0, high = 0;
        if (pieces) {
            const double s = op.function == relu ? 0 : op.slope;
            slope = l >= 0 ? 1 : u <= 0 ? s : (u - s * l) / (u - l);
            high = l < 0 && u > 0 ? u - slope * u : 0;
        } else {
            slope = std::min(rows_.slope_at(op, l), rows_.slope_at(op, u));
            low = rows_.value(op, l) - slope * l, high = rows_.value(op, u) - slope * u;
        }
        y = {0.};
        add(y, x, slope);
        y[0] += (low + high) / 2;
        if (high > low) add_generator(y, (high - low) / 2);
    }
};

}  // namespace saddle::testing
