#pragma once
#include "saddle/certification/back_substitution.hpp"

namespace saddle {

/// Moves all coefficients of node i to its inputs.
template <class V>
void back_substitution<V>::pass_down(std::size_t i) {
    using enum operation_kind;
    const auto& node = network_[i];
    if (node.kind == convolution) return through_convolution(i);
    if (node.kind == max_pool || node.kind == average_pool) return through_pool(i);
    if (node.kind == flatten && !(network_[node.input].shape == node.shape)) return through_flatten(i);
    if (node.second != none) pass_to(i, node.second, false);
    pass_to(i, node.input, true);
}

/// One pass over node i's coefficients a. With Lines, constants_ gain Σ a·constant[a < 0] of its lines, and with Change the coefficients
/// become a·slope[a < 0]; with Ends, `bound` gains the same sum over the ends of its interval.
template <class V>
template <int L, bool Lines, bool Change, bool Ends>
void back_substitution<V>::absorb(std::size_t i, double* bound) {
    const std::size_t channels = network_[i].shape.channels, width = network_[i].shape.width;
    const auto& live = bounds_.live(i);
    V passed[L], ended[L];
    std::size_t summed = 0;
    for (int l = 0; l < L; ++l) passed[l] = ended[l] = V(T(0));
    const auto add = [](V* sum, double* into) {
        alignas(lane_alignment) T values[V::size];
        for (int l = 0; l < L; ++l) {
            sum[l].store_aligned(values);
            sum[l] = V(T(0));
            double* const to = into + static_cast<std::size_t>(l) * V::size;
            for (std::size_t k = 0; k < V::size; ++k) to[k] += static_cast<double>(values[k]);
        }
    };
    const auto flush = [&] {
        if constexpr (Lines) add(passed, constants_);
        if constexpr (Ends) add(ended, bound);
        summed = 0;
    };
    for_each_position(i, [&](std::size_t y, std::size_t x) {
        const std::size_t position = y * width + x;
        T* const here = at(i, y, x);
        const neuron_lines<T>* const lines = bounds_.lines(i).data() + position * channels;
        const neuron_lines<T>* const ends = bounds_.ends(i).data() + position * channels;
        const std::uint32_t* const list = live.begin(position);
        for (std::size_t k = 0, count = live.count(position); k < count; ++k) {
            const std::size_t c = list[k];
            T* const a = here + c * lanes_;
            const V zero(T(0));
            const V low(lines[c].constant[0]), high(lines[c].constant[1]), low_end(ends[c].constant[0]),
                high_end(ends[c].constant[1]), low_slope(lines[c].slope[0]), high_slope(lines[c].slope[1]);
#pragma GCC unroll 4
            for (int l = 0; l < L; ++l) {
                T* const from = a + static_cast<std::size_t>(l) * V::size;
                const V value = V::load_aligned(from);
                const auto negative = value < zero;
                if constexpr (Lines) passed[l] = multiply_add(value, choose(negative, high, low), passed[l]);
                if constexpr (Ends) ended[l] = multiply_add(value, choose(negative, high_end, low_end), ended[l]);
                if constexpr (Change) (value * choose(negative, high_slope, low_slope)).store_aligned(from);
            }
            if (++summed == sum_chunk) flush();
        }
    });
    flush();
}

/// What node i adds to the bounds before its coefficients move on: a bound taken here, the constants and slopes of its lines.
template <class V>
void back_substitution<V>::pass_lines(std::size_t i, bool take, bool lines) {
    const bool change = lines && (network_[i].is_activation() || network_[i].kind == operation_kind::scale_shift);
    double bound[most_rows];
    if (take) std::copy_n(constants_, lanes_, bound);
    const auto with = [&]<int L>(std::integral_constant<int, L>) {
        if (take && !lines) return absorb<L, false, false, true>(i, bound);
        if (take) return change ? absorb<L, true, true, true>(i, bound) : absorb<L, true, false, true>(i, bound);
        change ? absorb<L, true, true, false>(i, bound) : absorb<L, true, false, false>(i, bound);
    };
    if (!take && !lines) return;
    if (registers_ == 1)
        with(std::integral_constant<int, 1>{});
    else if (registers_ == 2)
        with(std::integral_constant<int, 2>{});
    else if (registers_ == 3)
        with(std::integral_constant<int, 3>{});
    else
        with(std::integral_constant<int, 4>{});
    if (take)
        for (std::size_t l = 0; l < lanes_; ++l) best_[l] = std::max(best_[l], bound[l]);
}

/// An average shares its coefficient out; a maximum hands it on as its line says.
template <class V>
void back_substitution<V>::through_pool(std::size_t i) {
    const auto& node = network_[i];
    const std::size_t input = node.input, channels = network_[input].shape.channels, width = network_[input].shape.width;
    const auto to = [&](std::size_t value) {
        return at(input, value / channels / width, value / channels % width) + value % channels * lanes_;
    };
    open(input);
    if (node.kind == operation_kind::average_pool) {
        const T share = static_cast<T>(network_[i].share);
        return for_each_live(i, [&](std::size_t j, const T* a) {
            bounds_.for_window(i, j, [&](std::size_t k) {
                T* const below = to(k);
                for (std::size_t l = 0; l < lanes_; l += V::size)
                    (V::load_aligned(below + l) + V(share) * V::load_aligned(a + l)).store_aligned(below + l);
            });
        });
    }
    for_each_live(i, [&](std::size_t j, const T* a) {
        const auto& line = bounds_.pools(i)[j];
        T* const below = to(line.best);
        for (std::size_t l = 0; l < lanes_; l += V::size) {
            const V value = V::load_aligned(a + l), zero(T(0)), before = V::load_aligned(below + l);
            const V cut = line.dominates ? zero : choose(value < zero, value, zero);
            (before + (value - cut)).store_aligned(below + l);
            if (line.dominates) continue;
            alignas(lane_alignment) T cuts[V::size];
            cut.store_aligned(cuts);
            for (std::size_t k = 0; k < V::size; ++k) constants_[l + k] += static_cast<double>(cuts[k]) * line.highest;
        }
    });
}

/// The same values in another order.
template <class V>
void back_substitution<V>::through_flatten(std::size_t i) {
    const auto& node = network_[i];
    const std::size_t input = node.input, channels = network_[input].shape.channels, width = network_[input].shape.width;
    open(input);
    for_each_live(i, [&](std::size_t j, const T* a) {
        const std::size_t from = bounds_.flat_source(i, j);
        T* const to = at(input, from / channels / width, from / channels % width) + from % channels * lanes_;
        add_lanes(a, to);
    });
}

/// Hands coefficients on unchanged: moved where the input has no other reader and knows the same values as live, else added.
template <class V>
void back_substitution<V>::pass_to(std::size_t i, std::size_t input, bool may_move) {
    const auto& node = network_[i];
    const bool same_values =
        (node.is_activation() && network_[input].constants_in_reader) || bounds_.live(i).channel.size() == node.size();
    if (may_move && network_[input].consumers == 1 && same_values) {
        std::swap(places_[input].coefficients, places_[i].coefficients);
        return;
    }
    open(input);
    const std::size_t channels = node.shape.channels, width = node.shape.width;
    for_each_live(i, [&](std::size_t j, const T* a) {
        T* const to = at(input, j / channels / width, j / channels % width) + j % channels * lanes_;
        add_lanes(a, to);
    });
}

}  // namespace saddle
