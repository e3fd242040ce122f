#pragma once
#include "saddle/attacks/profile.hpp"
#include "saddle/core/config.hpp"

#include <algorithm>
#include <cstddef>

namespace saddle {

/// When one run of APGD changes its step size and goes back to its best iterate.
///
/// With momentum (Linf, L2): Croce & Hein 2020, algorithm 1, lines 13 to 19, with the checkpoints of section 3.2. Without (L1):
/// Croce & Hein 2021, "Mind the box", algorithm 1, where the sparsity of the best iterate decides.
template <bool Momentum, class T>
struct apgd_schedule {
    T step_size = 0;
    double share = 0;  ///< L1: part of the elements that moves

    /// At the first iterate of a run or stage of so many steps, which changed `changed` of the image's `elements`.
    template <class Attack>
    SADDLE_HOST_DEVICE void begin(const Attack& attack, T loss, double epsilon, double elements, double changed,
                                  std::size_t steps) {
        checked_loss_ = loss;
        last_loss_ = attack.profile == attack_profile::official ? T(0) : loss;
        since_check_ = increases_ = 0;
        reduced_ = true;
        step_size = static_cast<T>((Momentum ? 2 : 1) * epsilon);
        if constexpr (Momentum) {
            window_ = attack.windows().first;
        } else {
            window_ = std::max<std::size_t>(static_cast<std::size_t>(.04 * static_cast<double>(steps)), 1);
            changed_ = changed;
            share = attack.larger_epsilons ? changed / elements / 1.5 : .2;
        }
    }
    /// Counts the loss of a later iterate, and at the end of a window decides; `best_changed()` counts the elements that the best
    /// iterate changed. True when the run goes back to its best iterate.
    template <class Attack, class Count>
    [[nodiscard]] SADDLE_HOST_DEVICE bool check(const Attack& attack, T loss, T best_loss, double epsilon, double elements,
                                                Count&& best_changed) {
        increases_ += loss > last_loss_;
        last_loss_ = loss;
        if (++since_check_ < window_) return false;
        bool back = false;
        if constexpr (Momentum)
            back = check_progress(attack, best_loss);
        else
            back = check_sparsity(static_cast<T>(epsilon), elements, best_changed());
        since_check_ = increases_ = 0;
        return back;
    }

private:
    /// Halves the step where the loss rose too seldom, or where neither step nor best loss changed since the last check.
    template <class Attack>
    SADDLE_HOST_DEVICE bool check_progress(const Attack& attack, T best_loss) {
        const bool seldom = static_cast<double>(increases_) <= attack.rho * static_cast<double>(window_);
        const bool stuck = !reduced_ && checked_loss_ >= best_loss;
        reduced_ = seldom || stuck;
        checked_loss_ = best_loss;
        const auto windows = attack.windows();
        window_ = std::max(window_ > windows.less ? window_ - windows.less : 0, windows.least);
        if (reduced_) step_size /= T(2);
        return reduced_;
    }
    /// How many elements the best iterate changed sets how many move; where they have become fewer, the step starts over.
    SADDLE_HOST_DEVICE bool check_sparsity(T epsilon, double elements, double now) {
        const bool sparser = now < .95 * changed_;
        share = now / elements / 1.5;
        changed_ = now;
        step_size = sparser ? epsilon : std::clamp(step_size / T(1.5), epsilon / T(10), epsilon);
        return sparser;
    }

    std::size_t window_ = 0, since_check_ = 0, increases_ = 0;
    bool reduced_ = true;
    double changed_ = 0;
    T last_loss_ = 0, checked_loss_ = 0;
};

}  // namespace saddle
