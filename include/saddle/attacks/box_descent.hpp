#pragma once
#include "saddle/attacks/block_job.hpp"
#include "saddle/projections/wide.hpp"

#include <cmath>

namespace saddle {

/// How a descent keeps images in [0,1] (Carlini & Wagner 2017, section V.B).
enum class box_treatment : std::uint8_t {
    change_of_variable,  ///< x' = (tanh w + 1)/2, w free
    clipped,             ///< the objective sees clip(x + delta), delta free; no slope where it is clipped
    projected            ///< x' is clipped after every update, Adam's moments as they are
};

/// ‖d‖2², the penalty of the L2 attack, and its slope.
template <class V>
struct squared_distance {
    V value(const V& d) const { return d * d; }
    V slope(const V& d) const { return d + d; }
};
/// sum (|d| - tau)+, the penalty of the Linf attack.
template <class V>
struct excess_distance {
    V tau;
    V value(const V& d) const {
        const V excess = magnitude(d) - tau;
        return choose(excess > V(0), excess, V(0));
    }
    V slope(const V& d) const {
        const V sign = choose(d < V(0), V(-1), V(1));
        return choose(magnitude(d) > tau, sign, V(0));
    }
};

/// Adam on the images of a block of lanes, each lane with its own count of updates, under a penalty of the distance to x.
///
/// Minimises penalty(x' - x) - weight · objective(x'). Adam as in TensorFlow, which the reference attacks use: the step is rate ·
/// sqrt(1 - beta2^t) / (1 - beta1^t) · m / (sqrt(v) + 1e-8), beta1 .9, beta2 .999.
template <class V>
class box_descent {
public:
    using T = lane_scalar<V>;
    static constexpr std::size_t lanes = lane_values<V>::size;

    box_descent(box_treatment box, double rate, std::size_t elements)
        : box_(box), rate_(rate), elements_(elements), variable_(elements * lanes), mean_(elements * lanes),
          square_(elements * lanes), image_(elements * lanes) {}

    /// [elements][lane] the images where the objective is asked next. Lanes may be overwritten as long as they are begun later.
    [[nodiscard]] T* image() { return image_.data(); }

    /// Lane l begins at `from` [elements][lane], without moments. x and active as for `step`.
    void begin(std::size_t l, const T* x, const T* from, const T* active = nullptr) {
        decay1_[l] = decay2_[l] = 1;
        for (std::size_t i = l; i < elements_ * lanes; i += lanes) {
            mean_[i] = square_[i] = T(0);
            switch (box_) {
            case box_treatment::change_of_variable:  // .999999 keeps exact 0 and 1 movable (torchattacks' C&W freezes them)
                variable_[i] = static_cast<T>(std::atanh((2 * static_cast<double>(from[i]) - 1) * .999999));
                image_[i] = static_cast<T>(1 / (1 + std::exp(-2 * static_cast<double>(variable_[i]))));
                break;
            case box_treatment::clipped:
                variable_[i] = from[i] - x[i];
                image_[i] = from[i];
                break;
            case box_treatment::projected:
                image_[i] = from[i];
                break;
            }
            if (active && active[i] == 0) image_[i] = x[i];
        }
    }

    /// Lane `to` goes on from where lane `from` is.
    void copy(std::size_t from, std::size_t to) {
        decay1_[to] = decay1_[from], decay2_[to] = decay2_[from];
        for (auto* values : {&variable_, &mean_, &square_, &image_}) copy_lane<lanes>(values->data(), elements_, from, to);
    }

    /// Sum of the penalty over the elements, per lane.
    template <class Penalty>
    [[nodiscard]] V measure(const T* x, const Penalty& penalty) const {
        V sum(0);
        for (std::size_t i = 0; i < elements_ * lanes; i += lanes)
            sum = sum + penalty.value(io::load(image_.data() + i) - io::load(x + i));
        return sum;
    }

    /// max |x' - x| over the elements, per lane.
    [[nodiscard]] V largest_change(const T* x) const {
        V most(0);
        for (std::size_t i = 0; i < elements_ * lanes; i += lanes)
            most = larger(most, magnitude(io::load(image_.data() + i) - io::load(x + i)));
        return most;
    }

    /// One update of the lanes whose entry of `moves` is not 0. `gradient` [elements][lane] of the objective at `image()`, finite;
    /// weight [lane]. `active` [elements][lane], or null: elements of entry 0 stay at x.
    template <class Penalty>
    void step(const T* x, const T* gradient, const V& weight, const Penalty& penalty, const T* moves, const T* active = nullptr) {
        alignas(lane_alignment) T rate[lanes];
        for (std::size_t l = 0; l < lanes; ++l) {
            if (moves[l] != 0) decay1_[l] *= .9, decay2_[l] *= .999;
            rate[l] = moves[l] != 0 ? static_cast<T>(rate_ * std::sqrt(1 - decay2_[l]) / (1 - decay1_[l])) : T(0);
        }
        const V size = io::load(rate);
        const auto moving = io::load(moves) != V(0);
        switch (box_) {
        case box_treatment::change_of_variable:
            return update(
                moving, size,
                [&](std::size_t i, const V& w) {
                    V inner;
                    (void)sigmoid_of_twice(w, inner);
                    const V slope =
                        penalty.slope(io::load(image_.data() + i) - io::load(x + i)) - weight * io::load(gradient + i);
                    return active ? io::load(active + i) * (slope * inner) : slope * inner;
                },
                [&](std::size_t i, const V& w) {
                    V inner;
                    const V moved = sigmoid_of_twice(w, inner);
                    return active ? choose(io::load(active + i) != V(0), moved, io::load(x + i)) : moved;
                },
                variable_.data());
        case box_treatment::clipped:
            return update(
                moving, size,
                [&](std::size_t i, const V& delta) {
                    const V at = io::load(x + i) + delta;
                    return penalty.slope(delta) - choose(at >= V(0) && at <= V(1), weight * io::load(gradient + i), V(0));
                },
                [&](std::size_t i, const V& delta) { return clip(io::load(x + i) + delta); }, variable_.data());
        case box_treatment::projected:
            return update(
                moving, size,
                [&](std::size_t i, const V& at) { return penalty.slope(at - io::load(x + i)) - weight * io::load(gradient + i); },
                [&](std::size_t, const V& at) { return clip(at); }, image_.data());
        }
    }

private:
    using io = lane_values<V>;

    static V clip(const V& v) { return smaller(larger(v, V(0)), V(1)); }
    /// (tanh w + 1)/2, and its derivative to full precision where it is nearly 0 or 1.
    static V sigmoid_of_twice(const V& w, V& derivative) {
        using std::exp;
        const V e = exp(V(-2) * magnitude(w)), part = V(1) / (V(1) + e);
        derivative = (e + e) * part * part;
        return choose(w < V(0), e * part, part);
    }

    /// Adam on `variables` with the slope at each; `place` gives the image of the new value.
    template <class Mask, class Slope, class Place>
    void update(const Mask& moving, const V& size, Slope&& slope_at, Place&& place, T* variables) {
        using std::sqrt;
        const V keep1(T(.9)), add1(T(.1)), keep2(T(.999)), add2(T(.001)), tiny(T(1e-8));
        for (std::size_t i = 0; i < elements_ * lanes; i += lanes) {
            const V before = io::load(variables + i), slope = slope_at(i, before);
            const V m = multiply_add(keep1, io::load(mean_.data() + i), add1 * slope);
            const V v = multiply_add(keep2, io::load(square_.data() + i), add2 * slope * slope);
            io::store(mean_.data() + i, m);
            io::store(square_.data() + i, v);
            const V after = choose(moving, before - size * m / (sqrt(v) + tiny), before);
            io::store(variables + i, after);
            io::store(image_.data() + i, choose(moving, place(i, after), io::load(image_.data() + i)));
        }
    }

    box_treatment box_;
    double rate_;
    std::size_t elements_;
    lane_vector<T> variable_, mean_, square_, image_;
    std::array<double, lanes> decay1_{}, decay2_{};
};

}  // namespace saddle
