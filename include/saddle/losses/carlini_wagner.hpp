#pragma once
#include "saddle/losses/softmax.hpp"

#include <numbers>

namespace saddle {

/// The seven objectives of Carlini & Wagner (2017, section IV.A), numbered as there.
enum class cw_objective : std::uint8_t { f1 = 1, f2, f3, f4, f5, f6, f7 };

/// -f(x') of Carlini & Wagner (2017): f is small where x' is of the target class t. With probabilities p, logits z,
/// M_F = max_{i != t} p_i - p_t and M_Z = max_{i != t} z_i - z_t:
///
/// f1 = -log p_t - log 2, f2 = (M_F)+, f3 = log(1 + exp M_F) - log 2, f4 = (1/2 - p_t)+, f5 = (-log(2 p_t))+, f6 = max(M_Z, -kappa),
/// f7 = log(1 + exp M_Z) - log 2. f1 and f5 are misprinted in the paper ("-loss + 1" would push away from t, "-log(2 p_t - 2)" has
/// no real value); the forms here are this library's reading. Untargeted, t is the strongest class but the label, and the label
/// stands for the strongest of the others, which gives "real - other" for the margins. f <= 0 is not the same as success: judge by
/// the largest logit. kappa finite and >= 0, with f6 only, else invalid_argument.
struct carlini_wagner_loss {
    static constexpr std::string_view name = "carlini_wagner";
    static constexpr bool on_device = true;
    cw_objective objective = cw_objective::f6;
    double kappa = 0;

    template <class V, class T>
    [[nodiscard]] SADDLE_HOST_DEVICE V evaluate(const loss_input<T>& in, T* gradient) const {
        const V label = lane_values<V>::load(in.label);
        const auto other = find_top<V>(in.logits, in.classes, in.stride, label);
        const V raised = in.targeted ? label : other.index, lowered = in.targeted ? other.index : label;
        const bool on_logits = objective == cw_objective::f6 || objective == cw_objective::f7;
        return on_logits ? of_logits<V>(in, raised, lowered, gradient) : of_probabilities<V>(in, raised, lowered, gradient);
    }
    void validate(std::string_view where) const {
        require(objective >= cw_objective::f1 && objective <= cw_objective::f7, where, "carlini_wagner objective", "f1 to f7",
                static_cast<int>(objective));
        require(kappa >= 0 && kappa < std::numeric_limits<float>::max(), where, "carlini_wagner kappa", "a finite number >= 0",
                kappa);
        require(kappa == 0 || objective == cw_objective::f6, where, "carlini_wagner kappa of an objective other than f6", 0,
                kappa);
    }
    template <class Visit>
    void describe(Visit&& visit) const {
        visit("name", name);
        visit("objective", static_cast<int>(objective));
        visit("kappa", kappa);
    }

private:
    /// The value of one class of each lane.
    template <class V, class T>
    static V pick(const T* rows, std::size_t classes, std::size_t stride, const V& which) {
        V found(0);
        for (std::size_t k = 0; k < classes; ++k)
            found = choose(which == V(static_cast<T>(k)), lane_values<V>::load(rows + k * stride), found);
        return found;
    }
    /// log(1 + exp m) - log 2 and its slope 1 / (1 + exp(-m)), without overflow.
    template <class V>
    static V softplus(const V& m, V& slope) {
        using std::exp, std::log1p;
        using T = lane_scalar<V>;
        const V e = exp(choose(m < V(0), m, V(0) - m));
        slope = choose(m < V(0), e, V(1)) / (V(1) + e);
        return choose(m < V(0), V(0), m) + log1p(e) - V(std::numbers::ln2_v<T>);
    }

    template <class V, class T>
    V of_logits(const loss_input<T>& in, const V& raised, const V& lowered, T* gradient) const {
        V check(0);
        for (std::size_t k = 0; k < in.classes; ++k) {
            const V z = lane_values<V>::load(in.logits + k * in.stride);
            check = choose(z == z, check, z);
        }
        const V margin = pick<V>(in.logits, in.classes, in.stride, lowered) - pick<V>(in.logits, in.classes, in.stride, raised);
        V value = margin, slope(1);
        if (objective == cw_objective::f7) {
            value = softplus(margin, slope);
        } else {
            const V bound(static_cast<T>(-kappa));
            slope = choose(margin > bound, V(1), V(0));
            value = choose(margin > bound, margin, bound);
        }
        if (gradient)
            for (std::size_t k = 0; k < in.classes; ++k) {
                const V position(static_cast<T>(k));
                lane_values<V>::store(gradient + k * in.stride,
                                      choose(position == raised, slope, choose(position == lowered, V(0) - slope, V(0))));
            }
        return check - value;
    }

    template <class V, class T>
    V of_probabilities(const loss_input<T>& in, const V& raised, const V& lowered, T* gradient) const {
        using std::exp;
        const auto terms = softmax_of<V>(in.logits, in.classes, in.stride, gradient);
        const V total = terms.total(), ln2(std::numbers::ln2_v<T>);
        const V up = pick<V>(in.logits, in.classes, in.stride, raised) - terms.shift;
        const V down = pick<V>(in.logits, in.classes, in.stride, lowered) - terms.shift;
        const V p_up = exp(up) / total, p_down = exp(down) / total;

        // df/dz_k = at_up [k = raised] + at_down [k = lowered] + everywhere p_k
        V value, at_up, at_down(0), everywhere;
        switch (objective) {
        case cw_objective::f1:
        case cw_objective::f5: {
            value = terms.log_total() - up - ln2;
            const V slope = objective == cw_objective::f1 ? V(1) : choose(value > V(0), V(1), V(0));
            if (objective == cw_objective::f5) value = choose(value < V(0), V(0), value);  // NaN stays
            at_up = V(0) - slope, everywhere = slope;
            break;
        }
        case cw_objective::f4: {
            value = V(T(.5)) - p_up;
            const V slope = choose(value > V(0), p_up, V(0));
            value = choose(value < V(0), V(0), value);
            at_up = V(0) - slope, everywhere = slope;
            break;
        }
        default: {
            const V margin = p_down - p_up;
            V slope = choose(margin > V(0), V(1), V(0));
            value = objective == cw_objective::f3 ? softplus(margin, slope) : choose(margin < V(0), V(0), margin);
            at_up = V(0) - slope * p_up, at_down = slope * p_down, everywhere = V(0) - slope * margin;
        }
        }
        if (gradient)
            for (std::size_t k = 0; k < in.classes; ++k) {
                const V position(static_cast<T>(k));
                T* out = gradient + k * in.stride;
                const V p = lane_values<V>::load(out) / total;
                const V here = choose(position == raised, at_up, choose(position == lowered, at_down, V(0)));
                lane_values<V>::store(out, V(0) - (here + everywhere * p));
            }
        return V(0) - value + V(0) * total;
    }
};

}  // namespace saddle
