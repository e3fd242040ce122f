#pragma once
#include "saddle/certification/back_substitution.hpp"

namespace saddle {

/// Finds the windows of all nodes below `from` and writes the first coefficients: at its input if it is a convolution, else at itself.
///
/// The constants of `from` are added here, except an activation's, which its lines hold.
template <class V>
void back_substitution<V>::start(std::size_t from, std::span<const bound_row> rows) {
    const auto& node = network_[from];
    const std::size_t channels = node.shape.channels, width = node.shape.width;
    for (const auto& row : rows)
        for (const std::size_t value : {row.plus, row.minus})
            if (value != none) {
                const std::size_t y = value / channels / width, x = value / channels % width;
                places_[from].cover(y, x, y + 1, x + 1);
            }
    for (std::size_t i = from; i > 0; --i)
        if (places_[i].active) cover_inputs(i);
    const bool by_weights = node.kind == operation_kind::convolution;
    if (!by_weights) clear(from);
    for (std::size_t l = 0; l < rows.size(); ++l)
        for (const auto& [value, sign] : {std::pair(rows[l].plus, T(1)), std::pair(rows[l].minus, T(-1))}) {
            if (value == none) continue;
            const std::size_t c = value % channels;
            if (!node.is_activation()) {
                const auto known = bounds_.constant(from, value);
                constants_[l] += static_cast<double>(sign) * known.offset - known.error;
            }
            if (!by_weights)
                at(from, value / channels / width, value / channels % width)[c * lanes_ + l] +=
                    node.kind == operation_kind::scale_shift ? sign * node.scale[c] : sign;
        }
    if (!by_weights) return;
    write_weights(from, rows);
    places_[from].active = false;
}

/// The rows of a convolution are its weights: writes those of `plus` less those of `minus` to the coefficients of its input.
template <class V>
void back_substitution<V>::write_weights(std::size_t i, std::span<const bound_row> rows) {
    const auto& node = network_[i];
    const auto in = network_[node.input].shape;
    const auto& w = node.window;
    const auto& live = bounds_.live(node.input);
    reserve(node.input);
    places_[node.input].started = true;
    zeros_.resize(node.columns);
    struct origin {
        bool exists = false;
        std::size_t y = 0, x = 0;  ///< of the padded input where the window starts
        std::size_t offset = 0;    ///< of its output channel's weights from those of channel 0
        bool same_window(const origin& o) const { return exists == o.exists && y == o.y && x == o.x; }
    };
    const auto origin_of = [&](std::size_t value) {
        if (value == none) return origin{};
        const std::size_t position = value / node.shape.channels;
        return origin{true, position / node.shape.width * w.stride, position % node.shape.width * w.stride,
                      value % node.shape.channels * node.columns};
    };
    const auto weights = [&](const origin& o, std::size_t y, std::size_t x) {  // nullptr outside the window, where taps wrap
        const std::size_t ky = y + w.padding - o.y, kx = x + w.padding - o.x;
        return o.exists && ky < w.height && kx < w.width ? node.tap_weights(ky, kx) : nullptr;
    };
    origin origins[most_rows], others[most_rows];
    bool starts[most_rows], any_other = false;
    alignas(lane_alignment) T sign[most_rows];
    for (std::size_t l = 0; l < lanes_; ++l) {
        const auto row = l < rows.size() ? rows[l] : bound_row{};
        sign[l] = row.plus != none ? T(1) : T(-1);
        origins[l] = origin_of(row.plus != none ? row.plus : row.minus);
        others[l] = origin_of(row.plus != none ? row.minus : none);
        starts[l] = l == 0 || !origins[l].same_window(origins[l - 1]);
        any_other = any_other || others[l].exists;
    }
    const T* first[most_rows];
    for_each_position(node.input, [&](std::size_t y, std::size_t x) {
        const T* tap = nullptr;
        for (std::size_t l = 0; l < lanes_; ++l) {
            if (starts[l]) tap = weights(origins[l], y, x);
            first[l] = tap ? tap + origins[l].offset : zeros_.data();
        }
        T* const to = at(node.input, y, x);
        const std::size_t position = y * in.width + x, count = live.count(position);
        const std::uint32_t* const list = live.begin(position);
        if (in.channels % V::size == 0)
            write_tiles(first, sign, in.channels, to);
        else
            for (std::size_t k = 0; k < count; ++k)
                for (std::size_t l = 0; l < lanes_; ++l) to[list[k] * lanes_ + l] = sign[l] * first[l][list[k]];
        for (std::size_t l = 0; any_other && l < rows.size(); ++l)
            if (const T* const second = weights(others[l], y, x))
                for (std::size_t k = 0; k < count; ++k) to[list[k] * lanes_ + l] -= second[others[l].offset + list[k]];
    });
}

/// to[channel][lane] = sign[lane] · from[lane][channel], a square of lanes at a time; registers that differ in sign alone share it.
template <class V>
void back_substitution<V>::write_tiles(const T* const* from, const T* sign, std::size_t channels, T* to) const {
    bool repeats[most_registers];
    for (std::size_t l = 0; l < lanes_; l += V::size)
        repeats[l / V::size] = l > 0 && std::equal(from + l, from + l + V::size, from + l - V::size);
    for (std::size_t c = 0; c < channels; c += V::size) {
        V tile[V::size];
        for (std::size_t l = 0; l < lanes_; l += V::size) {
            const V signs = V::load_aligned(sign + l);
            if (!repeats[l / V::size]) {
                for (std::size_t k = 0; k < V::size; ++k) tile[k] = V::load_unaligned(from[l + k] + c);
                transpose(tile);
            }
            for (std::size_t k = 0; k < V::size; ++k) (tile[k] * signs).store_aligned(to + (c + k) * lanes_ + l);
        }
    }
}

/// Extends the windows of node i's inputs to what its own window reads.
template <class V>
void back_substitution<V>::cover_inputs(std::size_t i) {
    using enum operation_kind;
    const auto& node = network_[i];
    const auto& p = places_[i];
    const auto in = network_[node.input].shape;
    const auto& w = node.window;
    const auto reach = [&](std::size_t first, std::size_t count, std::size_t kernel, std::size_t extent) {
        const std::size_t low = first * w.stride, high = (first + count - 1) * w.stride + kernel;
        return std::pair(low < w.padding ? 0 : low - w.padding, std::min(extent, high - std::min(high, w.padding)));
    };
    if (node.kind == convolution || node.kind == max_pool || node.kind == average_pool) {
        const auto [y0, y1] = reach(p.y, p.height, w.height, in.height);
        const auto [x0, x1] = reach(p.x, p.width, w.width, in.width);
        places_[node.input].cover(y0, x0, y1, x1);
    } else if (node.kind == flatten && !(in == node.shape)) {
        places_[node.input].cover(0, 0, in.height, in.width);
    } else {
        places_[node.input].cover(p.y, p.x, p.y + p.height, p.x + p.width);
        if (node.second != none) places_[node.second].cover(p.y, p.x, p.y + p.height, p.x + p.width);
    }
}

}  // namespace saddle
