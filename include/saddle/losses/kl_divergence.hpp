#pragma once
#include "saddle/losses/softmax.hpp"

namespace saddle {

/// sum_k p_k(x) log(p_k(x) / p_k(x')), p(x) the clean prediction, constant (TRADES, Zhang et al. 2019, inner problem).
///
/// The clean softmax is computed once per attack (the reference recomputes it every step). The gradient is exactly 0 at x' = x,
/// so attacks with this loss need a random start. Classes of probability 0 add 0. There is no targeted form: it uses no label.
struct kl_divergence {
    static constexpr std::string_view name = "kl_divergence";
    static constexpr bool zero_gradient_at_clean = true;
    static constexpr bool uses_label = false;

    /// Per lane: p_k, then log p_k.
    [[nodiscard]] static constexpr std::size_t state_rows(std::size_t classes) { return 2 * classes; }

    /// Stores the clean prediction.
    template <class V, class T>
    SADDLE_HOST_DEVICE void prepare(const T* logits, std::size_t classes, std::size_t stride, T* state) const {
        const auto terms = softmax_of<V>(logits, classes, stride, state);
        const V total = terms.total(), log_total = terms.log_total();
        for (std::size_t k = 0; k < classes; ++k) {
            T* p = state + k * stride;
            lane_values<V>::store(p, lane_values<V>::load(p) / total);
            lane_values<V>::store(p + classes * stride, lane_values<V>::load(logits + k * stride) - terms.shift - log_total);
        }
    }

    template <class V, class T>
    [[nodiscard]] SADDLE_HOST_DEVICE V evaluate(const loss_input<T>& in, T* gradient) const {
        const auto terms = softmax_of<V>(in.logits, in.classes, in.stride, gradient);
        const V total = terms.total(), log_total = terms.log_total();
        V value(0);
        for (std::size_t k = 0; k < in.classes; ++k) {
            const T* clean = in.state + k * in.stride;
            const V p = lane_values<V>::load(clean);
            const V log_ratio = lane_values<V>::load(clean + in.classes * in.stride) -
                                (lane_values<V>::load(in.logits + k * in.stride) - terms.shift - log_total);
            value = value + choose(p == V(0), V(0), p * log_ratio);
            if (gradient) {
                T* out = gradient + k * in.stride;
                lane_values<V>::store(out, lane_values<V>::load(out) / total - p);
            }
        }
        return value + V(0) * total;  // NaN logits of classes with p = 0 stay visible
    }
    void validate(std::string_view) const {}
};

}  // namespace saddle
