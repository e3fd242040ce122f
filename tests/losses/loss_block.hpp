#pragma once
#include "saddle/core/arena.hpp"
#include "saddle/core/lanes.hpp"
#include "saddle/losses/loss_input.hpp"

#include <array>
#include <vector>

/// Objective and slopes of one vector of logits, evaluated in every lane of a block; lanes must agree.
template <class T>
struct evaluated {
    T value = 0;
    std::vector<T> slopes;
    bool lanes_agree = true;
};

template <class V, class L, class T = saddle::lane_scalar<V>>
evaluated<T> evaluate(const L& loss, const std::vector<T>& logits, std::size_t label, bool targeted = false,
                      const std::vector<T>& clean = {}, std::size_t truth = 0) {
    using io = saddle::lane_values<V>;
    const std::size_t k = logits.size();
    saddle::lane_vector<T> block(k * io::size), slopes(k * io::size), state(saddle::state_rows<L>(k) * io::size),
        labels(io::size, T(label)), truths(io::size, T(truth));
    const auto spread = [&](const std::vector<T>& from) {
        for (std::size_t i = 0; i < block.size(); ++i) block[i] = from[i / io::size];
    };
    if constexpr (saddle::keeps_state<L>) {
        spread(clean);
        loss.template prepare<V>(block.data(), k, io::size, state.data());
    }
    spread(logits);
    const saddle::loss_input<T> in{block.data(), k, io::size, labels.data(), targeted, state.data(), truths.data()};
    saddle::lane_vector<T> values(io::size), values_alone(io::size);
    io::store(values.data(), loss.template evaluate<V>(in, slopes.data()));
    io::store(values_alone.data(), loss.template evaluate<V>(in, static_cast<T*>(nullptr)));

    evaluated<T> result{values[0], {}, true};
    for (std::size_t i = 0; i < io::size; ++i)
        result.lanes_agree = result.lanes_agree && !(values[i] < values[0] || values[i] > values[0]) &&
                             !(values_alone[i] < values[0] || values_alone[i] > values[0]);
    for (std::size_t c = 0; c < k; ++c) {
        result.slopes.push_back(slopes[c * io::size]);
        for (std::size_t l = 0; l < io::size; ++l)
            result.lanes_agree = result.lanes_agree &&
                                 !(slopes[c * io::size + l] < result.slopes[c] || slopes[c * io::size + l] > result.slopes[c]);
    }
    return result;
}

/// Largest difference between the slopes and central differences, relative to the largest slope.
template <class L>
double slope_error(const L& loss, const std::vector<double>& logits, std::size_t label, bool targeted = false,
                   const std::vector<double>& clean = {}, std::size_t truth = 0) {
    const auto exact = evaluate<double>(loss, logits, label, targeted, clean, truth);
    double worst = 0, scale = 1e-3;
    for (const double s : exact.slopes) scale = std::max(scale, std::abs(s));
    for (std::size_t c = 0; c < logits.size(); ++c) {
        constexpr double h = 1e-5;
        auto up = logits, down = logits;
        up[c] += h;
        down[c] -= h;
        const double numeric = (evaluate<double>(loss, up, label, targeted, clean, truth).value -
                                evaluate<double>(loss, down, label, targeted, clean, truth).value) /
                               (2 * h);
        worst = std::max(worst, std::abs(numeric - exact.slopes[c]) / scale);
    }
    return worst;
}

#define SADDLE_VALUE_TYPES float, double, saddle::lanes<float>, saddle::lanes<double>
