#pragma once
#include "saddle/core/error.hpp"
#include "saddle/losses/lane_values.hpp"

#include <string_view>

namespace saddle {

/// What a loss reads of one block. Class k of lane l stands at logits[k * stride + l].
template <class T>
struct loss_input {
    const T* logits = nullptr;  ///< [K][lane]
    std::size_t classes = 0;    ///< K >= 2
    std::size_t stride = 1;     ///< lanes of the block
    const T* label = nullptr;   ///< [lane] the class that the loss compares with, as a number
    bool targeted = false;      ///< false: move away from `label`; true: move towards it
    const T* state = nullptr;   ///< [state_rows(K)][lane] what `prepare` stored, for losses that keep something
    const T* truth = nullptr;   ///< [lane] the true class, where the attack is targeted; set by every attack
};

/// The largest logit of each lane (the first of equals) and whether the lane's logits can be used at all.
template <class V>
struct top_logit {
    V value, index;
    typename lane_values<V>::mask valid;  ///< no NaN, and the largest is finite
};

/// Finds the largest logit of each lane; `except` is a class to leave out per lane, -1 for none.
template <class V, class T>
[[nodiscard]] SADDLE_HOST_DEVICE top_logit<V> find_top(const T* logits, std::size_t classes, std::size_t stride,
                                                       const V& except = V(-1)) {
    constexpr T infinity = std::numeric_limits<T>::infinity();
    V value(-infinity), index(0);
    auto not_a_number = no_lane<V>();
    for (std::size_t k = 0; k < classes; ++k) {
        const V z = lane_values<V>::load(logits + k * stride), position(static_cast<T>(k));
        const auto larger = z > value && position != except;
        value = choose(larger, z, value);
        index = choose(larger, position, index);
        not_a_number = not_a_number || !(z == z);  // xsimd 8 compares != ordered on AVX-512
    }
    return {value, index, !not_a_number && value < V(infinity) && value > V(-infinity)};
}

/// A loss: `evaluate<V>(input, gradient)` returns, per lane, the objective that an attack ascends and, unless `gradient` is
/// null, writes its derivative in the logits to gradient[k * stride + lane]. Untargeted, the objective is the loss; targeted,
/// it is minus the loss on the target. NaN logits give NaN. docs/losses.md
template <class L, class T>
concept Loss = requires(const L& loss, const loss_input<T>& in, T* gradient) {
    { loss.template evaluate<T>(in, gradient) } -> std::same_as<T>;
    loss.validate(std::string_view());
};

/// Fewest classes that a loss can be used with: its `least_classes(targeted)`, otherwise 2.
template <class L>
[[nodiscard]] constexpr std::size_t least_classes(const L& loss, bool targeted) {
    if constexpr (requires { loss.least_classes(targeted); })
        return loss.least_classes(targeted);
    else
        return 2;
}

/// True for losses that say `static constexpr bool on_device = true`: all they do is SADDLE_HOST_DEVICE and they are trivially copyable,
/// so a training on a device evaluates them there. Others it evaluates on the host.
template <class L>
inline constexpr bool evaluates_on_device = requires {
    requires L::on_device;
};

/// True for losses that keep something of the clean prediction: `prepare<V>(clean logits, classes, stride, state)` fills
/// state_rows(K).
template <class L>
inline constexpr bool keeps_state = requires(std::size_t classes) {
    L::state_rows(classes);
};

/// Rows of state per lane; 0 for losses without.
template <class L>
[[nodiscard]] constexpr std::size_t state_rows(std::size_t classes) {
    if constexpr (keeps_state<L>)
        return L::state_rows(classes);
    else
        return 0;
}

}  // namespace saddle
