#pragma once
#include "saddle/certification/zonotope.hpp"

namespace saddle {

template <class V>
void zonotope::analysis<V>::through_convolution(std::size_t i) {
    const auto& node = network_[i];
    const auto in = network_[node.input].shape;
    auto& s = states_[i];
    const auto& x = states_[node.input];
    // The program's sums and those of the generators err by this share of |W|·Σ|coefficient|: a larger constant part covers it.
    const std::size_t terms = node.terms(in) + 1;
    const double relative = 1.01 * (rounding_.program_sum(terms) + rounding_.bounds_sum(terms));
    widened_ = x.core;
    if (relative > 0)
        for (std::size_t j = 0; j < x.radius.size(); ++j)
            std::tie(widened_.lo[j], widened_.hi[j]) = detail::widened(value(node.input, j), relative);
    convolutions_[i].run(node, in, widened_, rounding_, s.core);
    if (settings_.intersect && s.feeds_relu)
        s.live.assign(node.shape.pixels(), node.shape.channels, [&](std::size_t j) { return bounds_.interval(i).hi[j] > 0; });
    multiply(i, node.forward_weights.data());
}

/// The generators of convolution i with `weights` packed as the node's own, and the sums of their magnitudes.
template <class V>
void zonotope::analysis<V>::multiply(std::size_t i, const T* weights) {
    const auto& node = network_[i];
    const auto in = network_[node.input].shape;
    const auto& w = node.window;
    const auto& live = states_[node.input].live;
    const auto& columns = states_[i].live;
    const auto& from = states_[node.input].generators;
    auto& to = states_[i].generators;
    open(i);
    for (auto p : from.parts())
        if (reach(i, p)) to.append(p);
    allocate(i);
    start_magnitudes(i);
    offsets_.resize(node.shape.channels);
    for (std::size_t c = 0; c < offsets_.size(); ++c) offsets_[c] = c * V::size;
    const part* source = from.parts().data();
    for (const auto& q : to.parts()) {
        while (source->id != q.id) ++source;
        double products = 0;
        for (std::size_t oy = q.y; oy < q.y + q.height; ++oy)
            for (std::size_t ox = q.x; ox < q.x + q.width; ++ox) {
                sources_.clear();
                double channels = 0;
                for (std::size_t ky = 0; ky < w.height; ++ky)
                    for (std::size_t kx = 0; kx < w.width; ++kx) {
                        const std::size_t y = oy * w.stride + ky - w.padding, x = ox * w.stride + kx - w.padding;  // may wrap
                        if (!source->holds(y, x)) continue;
                        const std::size_t position = y * in.width + x;
                        sources_.push_back({from.at(*source, y, x),
                                            weights + (ky * w.width + kx) * in.channels * node.outputs_padded,
                                            live.begin(position), live.count(position)});
                        channels += static_cast<double>(live.count(position));
                    }
                const std::size_t position = oy * node.shape.width + ox, count = columns.count(position);
                const std::uint32_t* const list = columns.begin(position);
                T* const sums = to.at(q, oy, ox);
                detail::row_sums<V>(sources_.data(), sources_.data() + sources_.size(), 1, node.outputs_padded, list, count,
                                    {sums, offsets_.data(), false});
                for (std::size_t k = 0; k < count; ++k)
                    add_magnitudes(position * node.shape.channels + list[k], sums + list[k] * V::size);
                products += channels * static_cast<double>(count);
            }
        multiply_adds_ += products * static_cast<double>(V::size);
        if (++parts_added_ == chunk) flush_magnitudes(i);
    }
    flush_magnitudes(i);
}

/// Starts the sums of the magnitudes of node i's coefficients.
template <class V>
void zonotope::analysis<V>::start_magnitudes(std::size_t i) {
    magnitudes_.assign(network_[i].size() * V::size, T(0));
    std::fill(states_[i].radius.begin(), states_[i].radius.end(), 0.);
    parts_added_ = 0;
}

template <class V>
void zonotope::analysis<V>::add_magnitudes(std::size_t value, const T* coefficients) {
    T* const sum = magnitudes_.data() + value * V::size;
    (V::load_aligned(sum) + abs(V::load_aligned(coefficients))).store_aligned(sum);
}

template <class V>
void zonotope::analysis<V>::flush_magnitudes(std::size_t i) {
    const double rounding = 1 + 1.01 * rounding_.bounds_sum(chunk + 4);
    for (std::size_t j = 0; j < states_[i].radius.size(); ++j) {
        T* const sum = magnitudes_.data() + j * V::size;
        double lanes[2] = {0, 0};
        for (std::size_t l = 0; l < V::size; ++l) lanes[l % 2] += double{sum[l]};
        states_[i].radius[j] += (lanes[0] + lanes[1]) * rounding;
        std::fill_n(sum, V::size, T(0));
    }
    parts_added_ = 0;
}

}  // namespace saddle
