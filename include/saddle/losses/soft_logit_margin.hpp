#pragma once
#include "saddle/losses/softmax.hpp"

namespace saddle {

/// The soft logit margin of MMA training (Ding et al. 2020): log sum_{j != y} exp z_j - z_y, an upper bound of the logit margin, >= 0
/// where x is misclassified; targeted it is z_t - log sum_{j != t} exp z_j.
struct soft_logit_margin {
    static constexpr std::string_view name = "soft_logit_margin";
    static constexpr bool on_device = true;

    template <class V, class T>
    [[nodiscard]] SADDLE_HOST_DEVICE V evaluate(const loss_input<T>& in, T* gradient) const {
        using std::exp, std::log;
        const V label = lane_values<V>::load(in.label), sign(in.targeted ? T(-1) : T(1));
        const auto other = find_top<V>(in.logits, in.classes, in.stride, label);
        V own(0), rest(0);
        for (std::size_t k = 0; k < in.classes; ++k) {
            const V z = lane_values<V>::load(in.logits + k * in.stride);
            const auto here = label == V(static_cast<T>(k));
            const V e = choose(here, V(0), exp(z - other.value));
            own = choose(here, z, own);
            rest = rest + e;
            if (gradient) lane_values<V>::store(gradient + k * in.stride, e);
        }
        if (gradient)
            for (std::size_t k = 0; k < in.classes; ++k) {
                T* out = gradient + k * in.stride;
                lane_values<V>::store(out, sign * choose(label == V(static_cast<T>(k)), V(-1), lane_values<V>::load(out) / rest));
            }
        return sign * (other.value + log(rest) - own) + (rest - rest);
    }
    void validate(std::string_view) const {}
};

}  // namespace saddle
