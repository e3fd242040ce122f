#pragma once
#include "saddle/backend/cpu/pointwise.hpp"

namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE {

/// The last, linear layer of a network on intervals, with the property folded in: upper bounds of logit[k] - logit[label], each lane
/// with its own label. For rows w, u[k] = Σ_j (w_k - w_label)_j·centre_j + |w_k - w_label|_j·radius_j + b_k - b_label.
template <class V>
struct interval_margin {
    using T = typename V::value_type;

    std::size_t classes = 0, inputs = 0;
    const T* weight = nullptr;         ///< [K][inputs]
    const T* bias = nullptr;           ///< [K], or none
    std::vector<std::int32_t> places;  ///< of each input in its tensor, lanes included

    /// Values that a block's gradient of the weights and the bias takes.
    [[nodiscard]] std::size_t sums() const { return classes * (inputs + (bias != nullptr)); }

    /// Fills bounds [K][lane]; `label` is a class per lane.
    void forward(const T* centre, const T* radius, const std::int32_t* label, T* bounds) const {
        for (std::size_t k = 0; k < classes; ++k)
            (bias ? V::broadcast(bias[k]) - own(bias, 1, label) : V(T(0))).store_aligned(bounds + k * V::size);
        for (std::size_t j = 0; j < inputs; ++j) {
            const V c = V::load_aligned(centre + places[j]), r = V::load_aligned(radius + places[j]),
                    mine = own(weight + j, inputs, label);
            for (std::size_t k = 0; k < classes; ++k) {
                const V w = V::broadcast(weight[k * inputs + j]) - mine;
                const V sum = multiply_add(w, c, V::load_aligned(bounds + k * V::size));
                multiply_add(choose(w < V(T(0)), -w, w), r, sum).store_aligned(bounds + k * V::size);
            }
        }
    }
    /// For a derivative [K][lane] of the bounds, 0 at the label: assigns the gradients of centre and radius where `wanted`, and the
    /// block's sums [K][inputs], then [K], of the weights' and the bias's.
    void backward(const T* centre, const T* radius, const std::int32_t* label, const T* derivative, bool wanted,
                  T* centre_gradient, T* radius_gradient, T* sums) const {
        alignas(lane_alignment) T numbers[V::size];
        for (std::size_t l = 0; l < V::size; ++l) numbers[l] = static_cast<T>(label[l]);
        const V mine_is = V::load_aligned(numbers);
        const V zero(T(0));
        const auto collect = [&](std::size_t at, std::size_t stride, auto&& term) {
            V all = zero;
            for (std::size_t k = 0; k < classes; ++k) all += term(k);
            for (std::size_t k = 0; k < classes; ++k)
                sums[at + k * stride] = sum_lanes(term(k) - choose(mine_is == V(static_cast<T>(k)), all, zero));
        };
        const auto g = [&](std::size_t k) { return V::load_aligned(derivative + k * V::size); };
        for (std::size_t j = 0; j < inputs; ++j) {
            const V c = V::load_aligned(centre + places[j]), r = V::load_aligned(radius + places[j]),
                    mine = own(weight + j, inputs, label);
            const auto difference = [&](std::size_t k) { return V::broadcast(weight[k * inputs + j]) - mine; };
            collect(j, inputs, [&](std::size_t k) {
                const V w = difference(k);
                return g(k) * (c + choose(w < zero, -r, choose(w > zero, r, zero)));
            });
            if (!wanted) continue;
            V dc = zero, dr = zero;
            for (std::size_t k = 0; k < classes; ++k) {
                const V w = difference(k);
                dc = multiply_add(g(k), w, dc);
                dr = multiply_add(g(k), choose(w < zero, -w, w), dr);
            }
            dc.store_aligned(centre_gradient + places[j]);
            dr.store_aligned(radius_gradient + places[j]);
        }
        if (bias) collect(classes * inputs, 1, g);
    }

private:
    /// values[label·stride] of each lane.
    static V own(const T* values, std::size_t stride, const std::int32_t* label) {
        alignas(lane_alignment) T chosen[V::size];
        for (std::size_t l = 0; l < V::size; ++l) chosen[l] = values[static_cast<std::size_t>(label[l]) * stride];
        return V::load_aligned(chosen);
    }
};

}  // namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE
