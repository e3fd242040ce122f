#pragma once
#include "saddle/certification/back_substitution.hpp"

namespace saddle {

/// The backward pass of a convolution: each position of the input, or group of them, sums what reaches it from node i's window.
template <class V>
void back_substitution<V>::through_convolution(std::size_t i) {
    const auto& node = network_[i];
    const auto& w = node.window;
    const auto& wanted = bounds_.live(node.input);
    const auto in = network_[node.input].shape;
    const bool accumulate = network_[node.input].consumers > 1;
    accumulate ? open(node.input) : reserve(node.input);
    auto& below = places_[node.input];
    const auto& from = places_[i];
    const std::size_t rows = node.group_rows, across = node.group_columns;
    offsets_.resize(node.columns);
    for (std::size_t k = 0; k < node.columns; ++k) {
        const std::size_t place = k / in.channels;
        offsets_[k] = ((place / across * below.width + place % across) * in.channels + k % in.channels) * lanes_;
    }
    const bool all_wanted = wanted.channel.size() == in.size();
    for (std::size_t k = every_column_.size(); k < node.columns; ++k) every_column_.push_back(static_cast<std::uint32_t>(k));
    const std::size_t first_row = below.y + w.padding, first_column = below.x + w.padding;  // of the padded input
    const std::size_t bottom = first_row + below.height, right = first_column + below.width;
    const std::size_t leftmost = first_column / across * across;
    list_taps(leftmost, right, across, w.width, node.column_step, from.x, from.width, column_taps_);
    list_taps(first_row / rows * rows, bottom, rows, w.height, node.row_step, from.y, from.height, row_taps_);
    std::size_t row_group = 0;
    for (std::size_t top = first_row / rows * rows; top < bottom; top += rows, ++row_group)
        for (std::size_t left = leftmost, column_group = 0; left < right; left += across, ++column_group) {
            const double products = list_sources(i, row_taps_.of(row_group), column_taps_.of(column_group));
            const std::uint32_t* columns = nullptr;
            std::size_t count = 0;
            if (rows * across == 1) {
                const std::size_t position = (top - w.padding) * in.width + left - w.padding;
                columns = wanted.begin(position), count = wanted.count(position);
            } else if (all_wanted && top >= first_row && left >= first_column && top + rows <= bottom && left + across <= right) {
                columns = every_column_.data(), count = node.columns;
            } else {
                columns_.clear();
                for (std::size_t y = std::max(top, first_row); y < std::min(top + rows, bottom); ++y)
                    for (std::size_t x = std::max(left, first_column); x < std::min(left + across, right); ++x) {
                        const std::size_t position = (y - w.padding) * in.width + x - w.padding;
                        const auto place = static_cast<std::uint32_t>(((y - top) * across + x - left) * in.channels);
                        const std::uint32_t* const list = wanted.begin(position);
                        for (std::size_t k = 0; k < wanted.count(position); ++k) columns_.push_back(place + list[k]);
                    }
                columns = columns_.data(), count = columns_.size();
            }
            const auto corner = (static_cast<std::ptrdiff_t>(top - first_row) * static_cast<std::ptrdiff_t>(below.width) +
                                 static_cast<std::ptrdiff_t>(left - first_column)) *
                                static_cast<std::ptrdiff_t>(in.channels * lanes_);
            detail::row_sums<V>(sources_.data(), sources_.data() + sources_.size(), registers_, node.columns, columns, count,
                                {below.coefficients.data() + corner, offsets_.data(), accumulate});
            multiply_adds_ += products * static_cast<double>(count * lanes_);
        }
}

/// Lists the positions of node i's window that reach a group of inputs through these taps; returns their live channels.
template <class V>
double back_substitution<V>::list_sources(std::size_t i, std::span<const tap> rows, std::span<const tap> columns) {
    const auto& node = network_[i];
    const auto& live = bounds_.live(i);
    std::size_t products = 0;
    sources_.clear();
    for (const auto& [ky, y] : rows)
        for (const auto& [kx, x] : columns) {
            const std::size_t position = y * node.shape.width + x, count = live.count(position);
            sources_.push_back({at(i, y, x), node.tap_weights(ky, kx), live.begin(position), count});
            products += count;
        }
    return static_cast<double>(products);
}

/// For each group of padded inputs from `start` to `end`: which outputs of [first, first + count) read it, and by which tap.
template <class V>
void back_substitution<V>::list_taps(std::size_t start, std::size_t end, std::size_t group, std::size_t kernel, std::size_t step,
                                     std::size_t first, std::size_t count, tap_lists& lists) {
    lists.first.assign(1, 0);
    lists.taps.clear();
    for (; start < end; start += group) {
        for (std::size_t k = start % step; k < kernel && k <= start; k += step)
            if (const std::size_t o = (start - k) / step; o >= first && o < first + count) lists.taps.push_back({k, o});
        lists.first.push_back(lists.taps.size());
    }
}

}  // namespace saddle
