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
        std::size_t y = 0, x = 0, channel = 0;  ///< of the padded input where the window starts
        bool exists = false;
    };
    const auto origin_of = [&](std::size_t value) {
        if (value == none) return origin{};
        const std::size_t position = value / node.shape.channels;
        return origin{position / node.shape.width * w.stride, position % node.shape.width * w.stride, value % node.shape.channels,
                      true};
    };
    const auto weights = [&](const origin& o, std::size_t y, std::size_t x) {
        const std::size_t ky = y + w.padding - o.y, kx = x + w.padding - o.x;  // outside the window they wrap
        if (!o.exists || ky >= w.height || kx >= w.width) return static_cast<const T*>(zeros_.data());
        return node.backward_row(ky, kx, o.channel) + node.column(ky, kx, 0);
    };
    origin origins[most_rows], others[most_rows];
    alignas(lane_alignment) T sign[most_rows];
    for (std::size_t l = 0; l < lanes_; ++l) {
        const auto row = l < rows.size() ? rows[l] : bound_row{};
        sign[l] = row.plus != none ? T(1) : T(-1);
        origins[l] = origin_of(row.plus != none ? row.plus : row.minus);
        others[l] = origin_of(row.plus != none ? row.minus : none);
    }
    const T* first[most_rows];
    for_each_position(node.input, [&](std::size_t y, std::size_t x) {
        for (std::size_t l = 0; l < lanes_; ++l) first[l] = weights(origins[l], y, x);
        T* const to = at(node.input, y, x);
        const std::size_t position = y * in.width + x, count = live.count(position);
        const std::uint32_t* const list = live.begin(position);
        if (in.channels % V::size == 0)
            write_tiles(first, sign, in.channels, to);
        else
            for (std::size_t k = 0; k < count; ++k)
                for (std::size_t l = 0; l < lanes_; ++l) to[list[k] * lanes_ + l] = sign[l] * first[l][list[k]];
        for (std::size_t l = 0; l < rows.size(); ++l) {
            if (!others[l].exists) continue;
            const T* const second = weights(others[l], y, x);
            for (std::size_t k = 0; k < count; ++k) to[list[k] * lanes_ + l] -= second[list[k]];
        }
    });
}

/// to[channel][lane] = sign[lane] · from[lane][channel], a square of lanes at a time.
template <class V>
void back_substitution<V>::write_tiles(const T* const* from, const T* sign, std::size_t channels, T* to) const {
    for (std::size_t l = 0; l < lanes_; l += V::size) {
        const V signs = V::load_aligned(sign + l);
        for (std::size_t c = 0; c < channels; c += V::size) {
            V tile[V::size];
            for (std::size_t k = 0; k < V::size; ++k) tile[k] = V::load_unaligned(from[l + k] + c);
            transpose(tile);
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
#pragma GCC unroll 4
            for (int l = 0; l < L; ++l) {
                T* const from = a + static_cast<std::size_t>(l) * V::size;
                const V value = V::load_aligned(from);
                const auto negative = value < zero;
                if constexpr (Lines)
                    passed[l] = multiply_add(
                        value, choose(negative, V::broadcast(lines[c].constant[1]), V::broadcast(lines[c].constant[0])),
                        passed[l]);
                if constexpr (Ends)
                    ended[l] = multiply_add(
                        value, choose(negative, V::broadcast(ends[c].constant[1]), V::broadcast(ends[c].constant[0])), ended[l]);
                if constexpr (Change)
                    (value * choose(negative, V::broadcast(lines[c].slope[1]), V::broadcast(lines[c].slope[0])))
                        .store_aligned(from);
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
    else
        with(std::integral_constant<int, 3>{});
    if (take)
        for (std::size_t l = 0; l < lanes_; ++l) best_[l] = std::max(best_[l], bound[l]);
}

/// The backward pass of a convolution: each position of the input, or group of them, sums what reaches it from node i's window.
template <class V>
void back_substitution<V>::through_convolution(std::size_t i) {
    const auto& node = network_[i];
    const auto& w = node.window;
    const auto& wanted = bounds_.live(node.input);
    const auto in = network_[node.input].shape;
    const bool accumulate = network_[node.input].consumers > 1;
    accumulate ? open(node.input) : reserve(node.input);
    const auto& below = places_[node.input];
    offsets_.resize(node.columns);
    for (std::size_t k = 0; k < node.columns; ++k) {
        const std::size_t place = k / in.channels;
        offsets_[k] =
            ((place / node.group_columns * below.width + place % node.group_columns) * in.channels + k % in.channels) * lanes_;
    }
    const std::size_t rows = node.group_rows, across = node.group_columns;
    const std::size_t bottom = below.y + below.height + w.padding, right = below.x + below.width + w.padding;
    for (std::size_t top = (below.y + w.padding) / rows * rows; top < bottom; top += rows)
        for (std::size_t left = (below.x + w.padding) / across * across; left < right; left += across) {
            const double products = find_sources(i, top, left);
            const std::uint32_t* columns = nullptr;
            std::size_t count = 0;
            if (rows * across == 1) {
                const std::size_t position = (top - w.padding) * in.width + left - w.padding;
                columns = wanted.begin(position), count = wanted.count(position);
            } else {
                columns_.clear();
                for (std::size_t y = std::max(top, below.y + w.padding); y < std::min(top + rows, bottom); ++y)
                    for (std::size_t x = std::max(left, below.x + w.padding); x < std::min(left + across, right); ++x) {
                        const std::size_t position = (y - w.padding) * in.width + x - w.padding;
                        for (std::size_t k = 0; k < wanted.count(position); ++k)
                            columns_.push_back(static_cast<std::uint32_t>(node.column(y, x, wanted.begin(position)[k])));
                    }
                columns = columns_.data(), count = columns_.size();
            }
            const auto corner =
                (static_cast<std::ptrdiff_t>(top - below.y - w.padding) * static_cast<std::ptrdiff_t>(below.width) +
                 static_cast<std::ptrdiff_t>(left - below.x - w.padding)) *
                static_cast<std::ptrdiff_t>(in.channels * lanes_);
            detail::row_sums<V>(sources_.data(), sources_.data() + sources_.size(), registers_, node.columns, columns, count,
                                {places_[node.input].coefficients.data() + corner, offsets_.data(), accumulate});
            multiply_adds_ += products * static_cast<double>(count * lanes_);
        }
}

/// Lists the positions of node i's window that reach the group of padded inputs at (top, left); returns their live channels.
template <class V>
double back_substitution<V>::find_sources(std::size_t i, std::size_t top, std::size_t left) {
    const auto& node = network_[i];
    const auto& from = places_[i];
    const auto& w = node.window;
    const auto& live = bounds_.live(i);
    double products = 0;
    sources_.clear();
    for (std::size_t ky = top % node.row_step; ky < w.height && ky <= top; ky += node.row_step) {
        const std::size_t oy = (top - ky) / node.row_step;
        if (oy < from.y || oy >= from.y + from.height) continue;
        for (std::size_t kx = left % node.column_step; kx < w.width && kx <= left; kx += node.column_step) {
            const std::size_t ox = (left - kx) / node.column_step;
            if (ox < from.x || ox >= from.x + from.width) continue;
            const std::size_t position = oy * node.shape.width + ox;
            sources_.push_back({at(i, oy, ox), node.backward_row(ky, kx, 0), live.begin(position), live.count(position)});
            products += static_cast<double>(live.count(position));
        }
    }
    return products;
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
        const T share = static_cast<T>(bounds_.share(i));
        return for_each_live(i, [&](std::size_t j, const T* a) {
            bounds_.for_window(i, j, [&](std::size_t k) {
                T* const below = to(k);
                for (std::size_t l = 0; l < lanes_; ++l) below[l] += share * a[l];
            });
        });
    }
    for_each_live(i, [&](std::size_t j, const T* a) {
        const auto& line = bounds_.pools(i)[j];
        T* const below = to(line.best);
        for (std::size_t l = 0; l < lanes_; ++l) {
            const T cut = line.dominates || a[l] >= 0 ? T(0) : a[l];
            below[l] += a[l] - cut;
            constants_[l] += static_cast<double>(cut) * line.highest;
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
        for (std::size_t l = 0; l < lanes_; ++l) to[l] += a[l];
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
        for (std::size_t l = 0; l < lanes_; ++l) to[l] += a[l];
    });
}

}  // namespace saddle
