#pragma once
#include "saddle/losses/loss_input.hpp"

#include <cmath>

namespace saddle {

/// exp(z_k - max z) of every class, and the sums that softmax losses need, per lane. Never overflows: the exponents are <= 0.
template <class V>
struct softmax_terms {
    V shift;  ///< max_k z_k
    V rest;   ///< sum of exp(z_k - shift) over all classes but the first largest, whose term is exactly 1
    [[nodiscard]] SADDLE_HOST_DEVICE V total() const { return rest + V(1); }
    /// log sum_k exp(z_k - shift), exact to rounding even when one class has nearly all the probability.
    [[nodiscard]] SADDLE_HOST_DEVICE V log_total() const {
        using std::log1p;
        return log1p(rest);
    }
};

/// Computes the terms; writes exp(z_k - shift) to exponentials[k * stride] unless null.
template <class V, class T>
[[nodiscard]] SADDLE_HOST_DEVICE softmax_terms<V> softmax_of(const T* logits, std::size_t classes, std::size_t stride,
                                                             T* exponentials) {
    using std::exp;
    const auto top = find_top<V>(logits, classes, stride);
    V rest(0);
    for (std::size_t k = 0; k < classes; ++k) {
        const V e = exp(lane_values<V>::load(logits + k * stride) - top.value);
        rest = rest + choose(top.index == V(static_cast<T>(k)), e - V(1), e);  // NaN stays visible
        if (exponentials) lane_values<V>::store(exponentials + k * stride, e);
    }
    return {top.value, rest};
}

/// The sum over k of -q_k log p_k, q = 1 - alpha on the label and alpha / (K - 1) elsewhere; alpha 0 is cross-entropy. For
/// label_smoothed and cross_entropy.
template <class V, class T>
[[nodiscard]] SADDLE_HOST_DEVICE V smoothed_cross_entropy(const loss_input<T>& in, T alpha, T* gradient) {
    using std::exp;
    const V label = lane_values<V>::load(in.label);
    const auto terms = softmax_of<V>(in.logits, in.classes, in.stride, gradient);
    const V share(alpha / static_cast<T>(in.classes - 1)), sign(in.targeted ? T(-1) : T(1));

    V at_label(0), elsewhere(0), probability_elsewhere(0);
    for (std::size_t k = 0; k < in.classes; ++k) {
        const auto here = label == V(static_cast<T>(k));
        const V shifted = lane_values<V>::load(in.logits + k * in.stride) - terms.shift;
        at_label = choose(here, shifted, at_label);
        if (alpha != 0) elsewhere = elsewhere + choose(here, V(0), shifted);
        if (gradient) {
            // p_y - 1 is minus the other probabilities: their sum does not cancel when p_y is nearly 1
            probability_elsewhere = probability_elsewhere + choose(here, V(0), lane_values<V>::load(gradient + k * in.stride));
        }
    }
    V value = terms.log_total() - V(1 - alpha) * at_label;
    if (alpha != 0) value = value - share * elsewhere;
    if (gradient) {
        const V total = terms.total();
        const V slope_at_label = V(alpha) - probability_elsewhere / total;
        for (std::size_t k = 0; k < in.classes; ++k) {
            T* out = gradient + k * in.stride;
            const V slope = choose(label == V(static_cast<T>(k)), slope_at_label, lane_values<V>::load(out) / total - share);
            lane_values<V>::store(out, sign * slope);
        }
    }
    return sign * value;
}

}  // namespace saddle
