#pragma once
#include "saddle/losses/softmax.hpp"

namespace saddle {

/// Cross-entropy -log p_y in natural logarithms; targeted attacks descend on -log p_t. Logits up to the largest float are fine.
struct cross_entropy {
    static constexpr std::string_view name = "cross_entropy";
    static constexpr bool on_device = true;

    template <class V, class T>
    [[nodiscard]] SADDLE_HOST_DEVICE V evaluate(const loss_input<T>& in, T* gradient) const {
        return smoothed_cross_entropy<V>(in, T(0), gradient);
    }
    void validate(std::string_view) const {}
};

}  // namespace saddle
