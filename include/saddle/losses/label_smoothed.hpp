#pragma once
#include "saddle/losses/softmax.hpp"

namespace saddle {

/// Cross-entropy against smoothed labels: 1 - alpha on y, alpha / (K - 1) elsewhere (PGD-LS of the SPAT study).
///
/// alpha in [0,1], else invalid_argument; alpha 0 is cross_entropy bit for bit. Ascent raises the true logit exactly where
/// p_y > 1 - alpha, so it is a weaker surrogate on confident models.
struct label_smoothed {
    static constexpr std::string_view name = "label_smoothed";
    static constexpr bool on_device = true;
    double alpha = .1;

    template <class V, class T>
    [[nodiscard]] SADDLE_HOST_DEVICE V evaluate(const loss_input<T>& in, T* gradient) const {
        return smoothed_cross_entropy<V>(in, static_cast<T>(alpha), gradient);
    }
    void validate(std::string_view where) const {
        require(alpha >= 0 && alpha <= 1, where, "label_smoothed alpha", "a number in [0,1]", alpha);
    }
};

}  // namespace saddle
