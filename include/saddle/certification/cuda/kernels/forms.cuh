#pragma once
#include "saddle/certification/affine_value.hpp"
#include "saddle/certification/cuda/kernels/node_view.cuh"

/// What a zonotope keeps of every value beside its generators, an image a lane: the formulas of affine_value.hpp.
namespace saddle::cuda {

/// Constant parts and radii of a node's values [value][image].
struct form_view {
    double *lo = nullptr, *hi = nullptr, *radius = nullptr;

    [[nodiscard]] __device__ saddle::detail::affine_value<double> operator[](std::size_t at) const {
        return {lo[at], hi[at], radius[at]};
    }
    __device__ void set(std::size_t at, const saddle::detail::affine_value<double>& v) const {
        lo[at] = v.lo;
        hi[at] = v.hi;
        radius[at] = v.radius;
    }
};

/// How a node's generators come from those of its input [value][image].
struct generator_rule {
    double* slope = nullptr;  ///< of an activation: what its coefficients are multiplied by
    double* fresh = nullptr;  ///< coefficient of the value's own generator; 0: it has none
    int* chosen = nullptr;    ///< of a maximum: the input whose coefficients it takes; -1: none
};

/// The forms of the input: every value that may change is free.
template <class = void>
__global__ void start_forms(node_view input, form_view form, generator_rule rule, int lanes) {
    for_each_value(input, lanes, [&](int, int, std::size_t at) {
        const auto value = saddle::detail::free_value<double>(input.lo[at], input.hi[at]);
        form.set(at, value);
        rule.fresh[at] = value.radius;
    });
}

/// A node's form from those of its inputs, but for a convolution and for radii that come from coefficients; of a maximum its
/// interval, too.
template <class = void>
__global__ void transform_forms(node_view node, node_view in, form_view x, form_view second, form_view y, generator_rule rule,
                                rounding_model rounding, int lanes) {
    using enum operation_kind;
    for_each_value(node, lanes, [&](int j, int lane, std::size_t at) {
        const auto place = [&](int value) { return static_cast<std::size_t>(value) * lanes + lane; };
        switch (node.kind) {
        case activation: {
            const auto bent = saddle::detail::bent<double>(node.function, node.slope, in.lo[at], in.hi[at], x[at], rounding);
            y.set(at, bent.value);
            rule.slope[at] = bent.slope;
            rule.fresh[at] = bent.fresh;
            return;
        }
        case scale_shift:
            return y.set(at,
                         saddle::detail::scaled(x[at], node.scale[j / node.pixels()], node.shift[j / node.pixels()], rounding));
        case add:
            return y.set(at, saddle::detail::added(x[at], second[at], rounding));
        case average_pool: {
            saddle::detail::affine_average sum;
            for_pool_window(node, in, j, [&](int k) { sum.add(x[place(k)]); });
            return y.set(at, sum.result<double>(node.share, static_cast<std::size_t>(node.taps()), rounding));
        }
        case max_pool: {
            const auto found = maximum_of_window(node, in, j, place);
            node.lo[at] = found.lowest;
            node.hi[at] = found.highest;
            const bool passes = found.lowest >= found.rest;
            const auto value =
                passes ? x[place(found.best)] : saddle::detail::maximum_of<double>(found.lowest, found.highest, rounding);
            y.set(at, value);
            rule.chosen[at] = passes ? found.best : -1;
            rule.fresh[at] = passes ? 0 : value.radius;
            return;
        }
        default:  // flatten keeps the order [channel][row][column]
            y.set(at, x[at]);
        }
    });
}

/// The constant parts that a convolution reads, with `relative` of the radii: what its sums of coefficients can err by. 256 threads.
template <class = void>
__global__ void widen_forms(form_view form, double relative, std::size_t count, double* lo, double* hi) {
    const std::size_t i = blockIdx.x * std::size_t{256} + threadIdx.x;
    if (i >= count) return;
    const auto [low, high] = saddle::detail::widened(form[i], relative);
    lo[i] = low;
    hi[i] = high;
}

/// The interval of every value from its form, or from its input's where the function is monotone; with `cut` the better of it and the
/// one that is there, which stays as it is where a ReLU that is off is all that reads it (`feeds_relu`).
template <class = void>
__global__ void find_ranges(node_view node, node_view in, form_view form, rounding_model rounding, bool cut, bool feeds_relu,
                            int lanes) {
    for_each_value(node, lanes, [&](int, int, std::size_t at) {
        if (cut && feeds_relu && node.hi[at] <= 0) return;
        double lo = node.lo[at], hi = node.hi[at];  // of a maximum: there already
        const bool known = node.kind == operation_kind::max_pool;
        if (node.kind == operation_kind::activation) {
            const auto range = activation_range(node.function, node.slope, in.lo[at], in.hi[at], rounding.program);
            lo = range.first, hi = range.second;
        } else if (!known) {
            const auto range = saddle::detail::interval_of(form[at], rounding);
            lo = range.first, hi = range.second;
        }
        if (cut && !known) return tighten(node, at, lo, hi);
        const auto [low, high] = saddle::detail::outward<double>(lo, hi, rounding);
        node.lo[at] = low;
        node.hi[at] = high;
    });
}

/// Lower bounds of logit[label] - logit[j], margins [image][class], where Σ |coefficient of label - that of j| is `differences`
/// [class][image]. A last layer that is linear has its differences folded into the constant parts of its input `below`; else they are
/// those of its own form, or of its intervals where these are better. Blocks: lane tiles, classes as rows; 64 threads.
template <class = void>
__global__ void form_margins(node_view last, node_view in, form_view below, form_view own, bool fold, rounding_model rounding,
                             const double* differences, const int* labels, int images, int lanes, double* margins) {
    const int lane = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    if (lane >= images) return;
    const int classes = last.size(), label = labels[lane];
    const auto place = [&](int value) { return static_cast<std::size_t>(value) * lanes + lane; };
    for (int j = static_cast<int>(blockIdx.y); j < classes; j += static_cast<int>(gridDim.y)) {
        double& margin = margins[static_cast<std::size_t>(lane) * classes + j];
        const double apart = differences[place(j)];
        if (j == label) {
            margin = 0;
        } else if (fold) {
            const auto terms = static_cast<std::size_t>(in.channels * last.taps()) + 1;
            const double program = rounding.program_sum(terms), sums = rounding.bounds_sum(terms + 8);
            double low = last.shift[label] - last.shift[j], error = std::abs(last.shift[label]) + std::abs(last.shift[j]);
            error *= program + sums;
            const double* w = last.forward_weights;
            for (int t = 0; t < last.taps(); ++t) {
                const int y = t / last.kernel_width - last.padding, x = t % last.kernel_width - last.padding;
                const bool inside = y >= 0 && x >= 0 && y < in.height && x < in.width;
                for (int c = 0; c < in.channels; ++c, w += last.forward_columns) {
                    if (!inside) continue;
                    const auto value = below[place((c * in.height + y) * in.width + x)];
                    const double d = w[label] - w[j];
                    low += d >= 0 ? d * value.lo : d * value.hi;
                    error += (program + sums) * (std::abs(w[label]) + std::abs(w[j])) * value.size();
                }
            }
            margin = low - apart - 1.01 * error - rounding.underflow();
        } else {
            const double slack = rounding.bounds > 0 ? 0x1p-40 : 0, size = own[place(label)].size() + own[place(j)].size();
            const double form = own.lo[place(label)] - own.hi[place(j)] - apart - slack * size - rounding.underflow();
            margin = std::max(form, round_down<double>(last.lo[place(label)] - last.hi[place(j)]));
        }
    }
}

}  // namespace saddle::cuda
