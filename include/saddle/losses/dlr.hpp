#pragma once
#include "saddle/losses/loss_input.hpp"

namespace saddle {

/// The difference of logits ratio (Croce & Hein 2020, eq. 6 and 7): the logit margin over a difference of ordered logits, so that
/// neither a shift nor a scale of the logits changes it.
///
/// Untargeted (max_{j != y} z_j - z_y) / (z_(1) - z_(3)), targeted (z_t - z_y) / (z_(1) - (z_(3) + z_(4))/2); 1e-12 is added to the
/// denominators as in the reference. Equal logits are ordered by class. It needs 3 classes, targeted 4. With `few_classes` fewer
/// will do: targeted with three the denominator is z_(1) - z_(3), with two classes it is 1, which leaves the margin. The targeted
/// form also compares with the true class, loss_input::truth.
struct dlr {
    static constexpr std::string_view name = "dlr";
    static constexpr bool on_device = true;
    bool few_classes = false;

    [[nodiscard]] constexpr std::size_t least_classes(bool targeted) const { return few_classes ? 2 : targeted ? 4 : 3; }

    template <class V, class T>
    [[nodiscard]] SADDLE_HOST_DEVICE V evaluate(const loss_input<T>& in, T* gradient) const {
        using io = lane_values<V>;
        const V label = io::load(in.label), truth = in.targeted ? io::load(in.truth) : label;
        V first(-infinity<T>), second(first), third(first), fourth(first);
        V first_at(-1), second_at(-1), third_at(-1), fourth_at(-1), own(0), goal(0), check(0);
        for (std::size_t k = 0; k < in.classes; ++k) {
            const V z = io::load(in.logits + k * in.stride), at(static_cast<T>(k));
            const auto over_first = z > first, over_second = z > second, over_third = z > third, over_fourth = z > fourth;
            fourth_at = choose(over_fourth, choose(over_third, third_at, at), fourth_at);
            fourth = choose(over_fourth, choose(over_third, third, z), fourth);
            third_at = choose(over_third, choose(over_second, second_at, at), third_at);
            third = choose(over_third, choose(over_second, second, z), third);
            second_at = choose(over_second, choose(over_first, first_at, at), second_at);
            second = choose(over_second, choose(over_first, first, z), second);
            first_at = choose(over_first, at, first_at);
            first = choose(over_first, z, first);
            own = choose(at == truth, z, own);
            goal = choose(at == label, z, goal);
            check = choose(z == z, check, z);
        }
        if (!in.targeted) goal = choose(first_at == truth, second, first);
        const V goal_at = in.targeted ? label : choose(first_at == truth, second_at, first_at);
        const bool has_fourth = in.classes > 3, has_third = in.classes > 2;
        const V share(in.targeted && has_fourth ? T(.5) : T(1));
        V range(1), spread(0);
        if (has_third) {
            range = (in.targeted && has_fourth ? first - share * (third + fourth) : first - third) + V(static_cast<T>(1e-12));
            spread = V(1);
        }
        if (in.classes < least_classes(in.targeted)) check = V(std::numeric_limits<T>::quiet_NaN());
        const V value = (goal - own) / range;
        if (gradient)
            for (std::size_t k = 0; k < in.classes; ++k) {
                const V at(static_cast<T>(k));
                const V margin = choose(at == goal_at, V(1), V(0)) - choose(at == truth, V(1), V(0));
                V order = choose(at == first_at, V(1), V(0)) - choose(at == third_at, share, V(0));
                if (in.targeted && has_fourth) order = order - choose(at == fourth_at, share, V(0));
                io::store(gradient + k * in.stride, (margin - value * (spread * order)) / range);
            }
        return value + check;
    }
    void validate(std::string_view) const {}

private:
    template <class T>
    static constexpr T infinity = std::numeric_limits<T>::infinity();
};

}  // namespace saddle
