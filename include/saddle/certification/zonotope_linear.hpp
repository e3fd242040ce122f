#pragma once
#include "saddle/certification/zonotope.hpp"

namespace saddle {

template <class V>
void zonotope::analysis<V>::through_scale_shift(std::size_t i) {
    const auto& node = network_[i];
    slope_.assign(node.scale.begin(), node.scale.end());
    for (std::size_t j = 0; j < node.size(); ++j) {
        const double scale = node.scale[j % node.shape.channels], shift = node.shift[j % node.shape.channels];
        set_value(i, j, detail::scaled(value(node.input, j), scale, shift, rounding_));
    }
    take_generators(i);
    scale_generators(i, true);
}

/// The sum of two nodes: parts of one id are added, the others pass as they are.
template <class V>
void zonotope::analysis<V>::through_add(std::size_t i) {
    const auto& node = network_[i];
    for (std::size_t j = 0; j < node.size(); ++j)
        set_value(i, j, detail::added(value(node.input, j), value(node.second, j), rounding_));
    auto& to = states_[i].generators;
    const map* const sides[] = {&states_[node.input].generators, &states_[node.second].generators};
    open(i);
    for (std::size_t a = 0, b = 0; a < sides[0]->parts().size() || b < sides[1]->parts().size();) {
        const part* const p = a < sides[0]->parts().size() ? &sides[0]->parts()[a] : nullptr;
        const part* const q = b < sides[1]->parts().size() ? &sides[1]->parts()[b] : nullptr;
        const bool first = p && (!q || p->id <= q->id), second = q && (!p || q->id <= p->id);
        part both = first ? *p : *q;
        if (first && second) {
            both.y = std::min(p->y, q->y), both.x = std::min(p->x, q->x);
            both.height = std::max(p->y + p->height, q->y + q->height) - both.y;
            both.width = std::max(p->x + p->width, q->x + q->width) - both.x;
        }
        to.append(both);
        a += first, b += second;
    }
    allocate(i);
    start_magnitudes(i);
    const std::size_t channels = node.shape.channels;
    std::size_t next[2] = {0, 0};
    for (const auto& p : to.parts()) {
        const part* from[2] = {nullptr, nullptr};
        for (int side = 0; side < 2; ++side)
            if (next[side] < sides[side]->parts().size() && sides[side]->parts()[next[side]].id == p.id)
                from[side] = &sides[side]->parts()[next[side]++];
        for (std::size_t y = p.y; y < p.y + p.height; ++y)
            for (std::size_t x = p.x; x < p.x + p.width; ++x) {
                const T* a = from[0] && from[0]->holds(y, x) ? sides[0]->at(*from[0], y, x) : nullptr;
                const T* b = from[1] && from[1]->holds(y, x) ? sides[1]->at(*from[1], y, x) : nullptr;
                T* const out = to.at(p, y, x);
                for (std::size_t k = 0; k < channels; ++k) {
                    V sum = a ? V::load_aligned(a + k * V::size) : V(T(0));
                    if (b) sum += V::load_aligned(b + k * V::size);
                    sum.store_aligned(out + k * V::size);
                    add_magnitudes((y * node.shape.width + x) * channels + k, out + k * V::size);
                }
            }
        if (++parts_added_ == chunk) flush_magnitudes(i);
    }
    flush_magnitudes(i);
}

template <class V>
void zonotope::analysis<V>::through_average_pool(std::size_t i) {
    const auto& node = network_[i];
    const auto& w = node.window;
    const std::size_t in = node.input;
    auto& s = states_[i];
    for (std::size_t j = 0; j < node.size(); ++j) {
        detail::affine_average sum;
        bounds_.for_window(i, j, [&](std::size_t k) { sum.add(value(in, k)); });
        set_value(i, j, sum.result<T>(node.share, w.height * w.width, rounding_));
    }
    const auto& from = states_[in].generators;
    open(i);
    for (auto p : from.parts())
        if (reach(i, p)) s.generators.append(p);
    allocate(i);
    start_magnitudes(i);
    const V factor(static_cast<T>(node.share));
    const part* source = from.parts().data();
    for (const auto& q : s.generators.parts()) {
        while (source->id != q.id) ++source;
        for (std::size_t oy = q.y; oy < q.y + q.height; ++oy)
            for (std::size_t ox = q.x; ox < q.x + q.width; ++ox)
                for (std::size_t c = 0; c < node.shape.channels; ++c) {
                    V sum(T(0));
                    for (std::size_t ky = 0; ky < w.height; ++ky)
                        for (std::size_t kx = 0; kx < w.width; ++kx) {
                            const std::size_t y = oy * w.stride + ky - w.padding, x = ox * w.stride + kx - w.padding;
                            if (source->holds(y, x)) sum += V::load_aligned(from.at(*source, y, x) + c * V::size);
                        }
                    T* const to = s.generators.at(q, oy, ox) + c * V::size;
                    (factor * sum).store_aligned(to);
                    add_magnitudes((oy * node.shape.width + ox) * node.shape.channels + c, to);
                }
        if (++parts_added_ == chunk) flush_magnitudes(i);
    }
    flush_magnitudes(i);
}

/// The same values in another order.
template <class V>
void zonotope::analysis<V>::through_flatten(std::size_t i) {
    const auto& node = network_[i];
    const auto in = network_[node.input].shape;
    auto& s = states_[i];
    const auto& below = states_[node.input];
    const auto move_values = [&](auto&& source_of) {
        for (std::size_t j = 0; j < node.size(); ++j) set_value(i, j, value(node.input, source_of(j)));
    };
    if (in == node.shape) {
        move_values([](std::size_t j) { return j; });
        return take_generators(i);
    }
    move_values([&](std::size_t j) { return bounds_.flat_source(i, j); });
    open(i);
    for (const auto& p : below.generators.parts())
        s.generators.append({.id = p.id, .y = 0, .x = 0, .height = node.shape.height, .width = node.shape.width});
    allocate(i);
    for (std::size_t k = 0; k < s.generators.parts().size(); ++k) {
        const auto& p = below.generators.parts()[k];
        for (std::size_t j = 0; j < node.size(); ++j) {
            const std::size_t from = bounds_.flat_source(i, j), position = from / in.channels, at = j / node.shape.channels;
            T* const to = s.generators.at(s.generators.parts()[k], at / node.shape.width, at % node.shape.width) +
                          j % node.shape.channels * V::size;
            if (p.holds(position / in.width, position % in.width))
                std::copy_n(below.generators.at(p, position / in.width, position % in.width) + from % in.channels * V::size,
                            V::size, to);
            else
                std::fill_n(to, V::size, T(0));
        }
    }
}

template <class V>
void zonotope::analysis<V>::scale_generators(std::size_t i, bool per_channel) {
    const auto shape = network_[i].shape;
    auto& generators = states_[i].generators;
    for (const auto& p : generators.parts())
        for (std::size_t y = p.y; y < p.y + p.height; ++y)
            for (std::size_t x = p.x; x < p.x + p.width; ++x) {
                T* a = generators.at(p, y, x);
                const T* const slope = slope_.data() + (per_channel ? 0 : (y * shape.width + x) * shape.channels);
                for (std::size_t c = 0; c < shape.channels; ++c, a += V::size) {
                    if (slope[c] == T(1)) continue;
                    const V value = slope[c] == T(0) ? V(T(0)) : V(slope[c]) * V::load_aligned(a);
                    value.store_aligned(a);
                }
            }
}

/// Hands the generators of node i's input to node i: moved where nobody else will read them.
template <class V>
void zonotope::analysis<V>::take_generators(std::size_t i) {
    auto& from = states_[network_[i].input];
    auto& to = states_[i].generators;
    if (from.readers == 1) return std::swap(from.generators, to);
    open(i);
    for (const auto& p : from.generators.parts()) to.append(p);
    allocate(i);
    for (std::size_t k = 0; k < to.parts().size(); ++k) {
        const auto& p = from.generators.parts()[k];
        std::copy_n(from.generators.at(p, p.y, p.x), p.height * p.width * network_[i].shape.channels * V::size,
                    to.at(to.parts()[k], p.y, p.x));
    }
}

/// Turns a window of node i's input into the window of node i that reads it; false if nothing does.
template <class V>
bool zonotope::analysis<V>::reach(std::size_t i, part& p) const {
    const auto& node = network_[i];
    const auto& w = node.window;
    const auto along = [&](std::size_t& first, std::size_t& count, std::size_t kernel, std::size_t extent) {
        const std::size_t low = first + w.padding + 1 < kernel ? 0 : (first + w.padding + 1 - kernel + w.stride - 1) / w.stride;
        const std::size_t end = std::min(extent, (first + count - 1 + w.padding) / w.stride + 1);
        first = low;
        count = end > low ? end - low : 0;
        return count > 0;
    };
    const bool rows = along(p.y, p.height, w.height, node.shape.height);
    return along(p.x, p.width, w.width, node.shape.width) && rows;
}

}  // namespace saddle
