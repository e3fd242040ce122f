#pragma once
#include "saddle/core/error.hpp"

#include <algorithm>
#include <cmath>
#include <concepts>
#include <numbers>
#include <vector>

namespace saddle {

/// Where training stands: `step` of `steps_per_epoch` in `epoch` of `epochs`, all from 0.
struct schedule_position {
    std::size_t epoch = 0, step = 0, steps_per_epoch = 1, epochs = 1;

    /// Steps made since the start, and in the whole training.
    [[nodiscard]] constexpr std::size_t steps() const { return epoch * steps_per_epoch + step; }
    [[nodiscard]] constexpr std::size_t total() const { return epochs * steps_per_epoch; }
};

/// Anything that maps a position to a factor of the optimizer's learning rate; a lambda will do. May offer validate(where) and
/// describe(visit).
template <class S>
concept Schedule = requires(const S& s, const schedule_position& at) {
    { s(at) } -> std::convertible_to<double>;
};

}  // namespace saddle

namespace saddle::schedules {

/// The optimizer's learning rate throughout.
struct constant {
    [[nodiscard]] double operator()(const schedule_position&) const { return 1; }
    template <class V>
    void describe(V&& visit) const {
        visit("name", "constant");
    }
};

/// Multiplies by `factor` at each milestone, counted in epochs, or in steps with `count_steps` (Madry: 40,000 and 60,000 steps).
/// validate throws invalid_argument for a negative or non-finite factor.
struct step {
    std::vector<std::size_t> milestones{};
    double factor = .1;
    bool count_steps = false;

    void validate(std::string_view where) const {
        require(factor >= 0 && std::isfinite(factor), where, "schedules::step factor", "a finite number >= 0", factor);
    }
    [[nodiscard]] double operator()(const schedule_position& at) const {
        const std::size_t now = count_steps ? at.steps() : at.epoch;
        return std::pow(factor, std::count_if(milestones.begin(), milestones.end(), [&](std::size_t m) { return m <= now; }));
    }
    template <class V>
    void describe(V&& visit) const {
        visit("name", "step");
        std::string list;
        for (const auto m : milestones) list += std::to_string(m) + ' ';
        visit("milestones", list);
        visit("factor", factor);
        visit("count_steps", count_steps);
    }
};

/// Half a cosine from 1 to `minimum` (Loshchilov & Hutter 2017, without restarts), moving each step, or each epoch with
/// `per_epoch` as PyTorch's CosineAnnealingLR does. validate throws invalid_argument unless minimum is in [0,1].
struct cosine {
    double minimum = 0;
    bool per_epoch = false;

    void validate(std::string_view where) const {
        require(minimum >= 0 && minimum <= 1, where, "schedules::cosine minimum", "a number in [0,1]", minimum);
    }
    [[nodiscard]] double operator()(const schedule_position& at) const {
        const double part = per_epoch ? static_cast<double>(at.epoch) / static_cast<double>(at.epochs)
                                      : static_cast<double>(at.steps()) / static_cast<double>(at.total());
        return minimum + (1 - minimum) * (1 + std::cos(std::numbers::pi * part)) / 2;
    }
    template <class V>
    void describe(V&& visit) const {
        visit("name", "cosine");
        visit("minimum", minimum);
        visit("per_epoch", per_epoch);
    }
};

/// Linear from 0 to 1 at the share `peak` of all steps, and back to 0 at the end (Wong et al. 2020, "Fast is better than free":
/// .5); the very first step therefore has rate 0. validate throws invalid_argument unless peak is in (0,1).
struct cyclic {
    double peak = .5;

    void validate(std::string_view where) const {
        require(peak > 0 && peak < 1, where, "schedules::cyclic peak", "a number in (0,1)", peak);
    }
    [[nodiscard]] double operator()(const schedule_position& at) const {
        const double now = static_cast<double>(at.steps()), total = static_cast<double>(at.total()), top = peak * total;
        return now <= top ? now / top : std::max(0., (total - now) / (total - top));
    }
    template <class V>
    void describe(V&& visit) const {
        visit("name", "cyclic");
        visit("peak", peak);
    }
};

}  // namespace saddle::schedules
