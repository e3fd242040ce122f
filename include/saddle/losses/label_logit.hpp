#pragma once
#include "saddle/losses/loss_input.hpp"

namespace saddle {

/// The logit of the label, z_y; targeted z_t. Its ascent is the step of Papernot et al. (2017) that makes new training images for a
/// substitute model; it is not a loss that attacks ascend.
struct label_logit {
    static constexpr std::string_view name = "label_logit";
    static constexpr bool on_device = true;

    template <class V, class T>
    [[nodiscard]] SADDLE_HOST_DEVICE V evaluate(const loss_input<T>& in, T* gradient) const {
        const V label = lane_values<V>::load(in.label);
        V value(0), check(0);
        for (std::size_t k = 0; k < in.classes; ++k) {
            const V z = lane_values<V>::load(in.logits + k * in.stride);
            const auto here = label == V(static_cast<T>(k));
            value = choose(here, z, value);
            check = choose(z == z, check, z);
            if (gradient) lane_values<V>::store(gradient + k * in.stride, choose(here, V(1), V(0)));
        }
        return value + check;
    }
    void validate(std::string_view) const {}
};

}  // namespace saddle
