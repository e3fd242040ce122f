#pragma once
#include "saddle/losses/loss_input.hpp"

namespace saddle {

/// The logit margin of Carlini & Wagner (2017): M = max_{j != y} z_j - z_y, >= 0 where x is misclassified; targeted M = z_t -
/// max_{j != t} z_j.
///
/// Unclipped (default) the objective is M. Clipped it is -(kappa - M)+, whose gradient vanishes once M >= kappa: kappa 0 is the
/// C&W-inf surrogate, kappa 50 CW+ of the Madry challenge. The maximum runs over the other classes alone: no masked zero takes
/// part (torchattacks issue 184). kappa finite and >= 0, else invalid_argument.
struct logit_margin {
    static constexpr std::string_view name = "logit_margin";
    static constexpr bool on_device = true;
    bool clipped = false;
    double kappa = 0;

    template <class V, class T>
    [[nodiscard]] SADDLE_HOST_DEVICE V evaluate(const loss_input<T>& in, T* gradient) const {
        const V label = lane_values<V>::load(in.label), sign(in.targeted ? T(-1) : T(1)), bound(static_cast<T>(kappa));
        const auto other = find_top<V>(in.logits, in.classes, in.stride, label);
        V own(0), check(0);
        for (std::size_t k = 0; k < in.classes; ++k) {
            const V z = lane_values<V>::load(in.logits + k * in.stride);
            own = choose(label == V(static_cast<T>(k)), z, own);
            check = choose(z == z, check, z);
        }
        V margin = sign * (other.value - own), slope(1);
        if (clipped) {
            slope = choose(margin < bound, V(1), V(0));
            margin = choose(margin < bound, margin - bound, V(0));
        }
        if (gradient)
            for (std::size_t k = 0; k < in.classes; ++k) {
                const V position(static_cast<T>(k));
                const V unit = choose(position == label, V(-1), choose(position == other.index, V(1), V(0)));
                lane_values<V>::store(gradient + k * in.stride, sign * slope * unit);
            }
        return margin + check;
    }
    void validate(std::string_view where) const {
        require(kappa >= 0 && kappa < std::numeric_limits<float>::max(), where, "logit_margin kappa", "a finite number >= 0",
                kappa);
    }
};

}  // namespace saddle
