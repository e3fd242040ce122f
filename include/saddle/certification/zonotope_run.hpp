#pragma once
#include "saddle/certification/zonotope.hpp"

namespace saddle {

template <class V>
template <class Value>
void zonotope::analysis<V>::margins(const Value* lower, const Value* upper, std::size_t label, double* margin) {
    const auto& last = network_.nodes().back();
    const bool fold = last.kind == operation_kind::convolution && last.shape.pixels() == 1;
    begin(lower, upper);
    for (std::size_t i = 1; i + fold < network_.size(); ++i) {
        if (settings_.intersect) bounds_.propagate(i);
        transform(i);
        find_range(i);
        release(network_[i].input);
        if (network_[i].second != none) release(network_[i].second);
    }
    fold ? fold_margins(label, margin) : compare_logits(label, margin);
    margin[label] = 0;
}

template <class V>
template <class Value>
void zonotope::analysis<V>::begin(const Value* lower, const Value* upper) {
    for (std::size_t i = 0; i < network_.size(); ++i) {
        states_[i].readers = 1;
        release(i);
        states_[i].readers = network_[i].consumers;
    }
    if (settings_.intersect) bounds_.begin(lower, upper);
    next_id_ = 0;
    auto& s = states_[0];
    const auto shape = network_.input();
    fresh_.assign(shape.size(), T(0));
    for (std::size_t c = 0; c < shape.channels; ++c)
        for (std::size_t p = 0; p < shape.pixels(); ++p) {
            const std::size_t j = p * shape.channels + c, from = c * shape.pixels() + p;
            const double lo = static_cast<double>(lower[from]), hi = static_cast<double>(upper[from]);
            s.range.lo[j] = static_cast<T>(lower[from]), s.range.hi[j] = static_cast<T>(upper[from]);
            set_value(0, j, detail::free_value<T>(lo, hi));
            fresh_[j] = static_cast<T>(s.radius[j]);
        }
    open(0);
    s.generators.append_fresh(fresh_, s.order, next_id_);
    allocate(0);
}

template <class V>
void zonotope::analysis<V>::transform(std::size_t i) {
    using enum operation_kind;
    switch (network_[i].kind) {
    case convolution:
        return through_convolution(i);
    case activation:
        return through_activation(i);
    case scale_shift:
        return through_scale_shift(i);
    case add:
        return through_add(i);
    case max_pool:
        return through_max_pool(i);
    case average_pool:
        return through_average_pool(i);
    case flatten:
        return through_flatten(i);
    default:
        throw error("zonotope: an operation without a relaxation");
    }
}

/// The interval of node i from its form, or from its input's where the function is monotone, cut with interval propagation if wanted.
template <class V>
void zonotope::analysis<V>::find_range(std::size_t i) {
    const auto& node = network_[i];
    auto& s = states_[i];
    const auto& x = states_[node.input].range;
    for (std::size_t j = 0; j < node.size(); ++j) {
        double lo = s.range.lo[j], hi = s.range.hi[j];  // of a maximum: there already
        if (settings_.intersect && s.feeds_relu && bounds_.interval(i).hi[j] <= 0) {
            s.range.lo[j] = bounds_.interval(i).lo[j], s.range.hi[j] = bounds_.interval(i).hi[j];  // its form was left out
            continue;
        }
        if (node.is_activation()) {
            std::tie(lo, hi) = activation_range(node.function, node.slope, x.lo[j], x.hi[j], rounding_.program);
        } else if (node.kind != operation_kind::max_pool) {
            std::tie(lo, hi) = detail::interval_of(value(i, j), rounding_);
        }
        std::tie(s.range.lo[j], s.range.hi[j]) = detail::outward<T>(lo, hi, rounding_);
        if (!settings_.intersect) continue;
        bounds_.tighten(i, j, lo, hi);
        s.range.lo[j] = bounds_.interval(i).lo[j], s.range.hi[j] = bounds_.interval(i).hi[j];
    }
}

template <class V>
void zonotope::analysis<V>::through_activation(std::size_t i) {
    const auto& node = network_[i];
    const std::size_t in = node.input;
    const auto& x = states_[in].range;
    auto& s = states_[i];
    slope_.resize(node.size());
    fresh_.assign(node.size(), T(0));
    for (std::size_t j = 0; j < node.size(); ++j) {
        const auto y = detail::bent<T>(node.function, node.slope, x.lo[j], x.hi[j], value(in, j), rounding_);
        set_value(i, j, y.value);
        slope_[j] = y.slope, fresh_[j] = y.fresh;
    }
    take_generators(i);
    scale_generators(i, false);
    s.generators.append_fresh(fresh_, s.order, next_id_);
    allocate(i);
    s.live.assign(node.shape.pixels(), node.shape.channels,
                  [&](std::size_t j) { return slope_[j] != T(0) || fresh_[j] != T(0); });
}

template <class V>
void zonotope::analysis<V>::through_max_pool(std::size_t i) {
    const auto& node = network_[i];
    const auto in = network_[node.input].shape;
    const auto& below = states_[node.input];
    auto& s = states_[i];
    chosen_.assign(node.size(), none);
    fresh_.assign(node.size(), T(0));
    for (std::size_t j = 0; j < node.size(); ++j) {
        std::size_t best = none;
        double highest = -std::numeric_limits<double>::infinity(), rest = highest;
        bounds_.for_window(i, j, [&](std::size_t k) {
            if (best == none || below.range.lo[k] > below.range.lo[best]) best = k;
            highest = std::max(highest, double{below.range.hi[k]});
        });
        bounds_.for_window(i, j, [&](std::size_t k) {
            if (k != best) rest = std::max(rest, double{below.range.hi[k]});
        });
        const double lowest = below.range.lo[best];
        s.range.lo[j] = static_cast<T>(lowest), s.range.hi[j] = static_cast<T>(highest);
        if (lowest >= rest) {
            chosen_[j] = best;
            set_value(i, j, value(node.input, best));
        } else {
            set_value(i, j, detail::maximum_of<T>(lowest, highest, rounding_));
            fresh_[j] = static_cast<T>(s.radius[j]);
        }
    }
    open(i);
    for (auto p : below.generators.parts())
        if (reach(i, p)) s.generators.append(p);
    allocate(i);
    const part* source = below.generators.parts().data();
    for (const auto& q : s.generators.parts()) {
        while (source->id != q.id) ++source;
        for (std::size_t y = q.y; y < q.y + q.height; ++y)
            for (std::size_t x = q.x; x < q.x + q.width; ++x)
                for (std::size_t c = 0; c < node.shape.channels; ++c) {
                    T* const to = s.generators.at(q, y, x) + c * V::size;
                    const std::size_t from = chosen_[(y * node.shape.width + x) * node.shape.channels + c];
                    const std::size_t position = from == none ? none : from / in.channels;
                    if (from != none && source->holds(position / in.width, position % in.width))
                        std::copy_n(below.generators.at(*source, position / in.width, position % in.width) + c * V::size, V::size,
                                    to);
                    else
                        std::fill_n(to, V::size, T(0));
                }
    }
    s.generators.append_fresh(fresh_, s.order, next_id_);
    allocate(i);
}

/// The property folded into the last layer: the rows W[label] - W[j].
template <class V>
void zonotope::analysis<V>::fold_margins(std::size_t label, double* margin) {
    const std::size_t last = network_.size() - 1, classes = network_.classes();
    const auto& node = network_[last];
    const auto in = network_[node.input].shape;
    const auto& x = states_[node.input];
    const std::size_t columns = node.outputs_padded, rows = node.forward_weights.size() / columns;
    difference_.resize(rows * columns);
    for (std::size_t r = 0; r < rows; ++r) {
        const T* const w = node.forward_weights.data() + r * columns;
        for (std::size_t j = 0; j < columns; ++j) difference_[r * columns + j] = j < classes ? w[label] - w[j] : T(0);
    }
    multiply(last, difference_.data());

    const std::size_t terms = node.terms(in) + 1;
    const double program = rounding_.program_sum(terms), generators = rounding_.bounds_sum(terms + 1),
                 sums = rounding_.bounds > 0 ? rounding_model::gamma(terms + 8, 0x1p-53) : 0;
    std::vector<double> low(classes), error(classes);
    for (std::size_t r = 0; r < rows; ++r) {
        const std::size_t tap = r / in.channels, y = tap / node.window.width - node.window.padding,
                          column = tap % node.window.width - node.window.padding;  // below 0 wraps
        if (y >= in.height || column >= in.width) continue;
        const std::size_t k = (y * in.width + column) * in.channels + r % in.channels;
        const double lo = x.core.lo[k], hi = x.core.hi[k], size = value(node.input, k).size(), radius = x.radius[k];
        const T* const w = node.forward_weights.data() + r * columns;
        for (std::size_t j = 0; j < classes; ++j) {
            const double own = w[label], other = w[j], d = own - other;
            low[j] += d >= 0 ? d * lo : d * hi;
            error[j] += (program + sums) * (std::abs(own) + std::abs(other)) * size + generators * std::abs(d) * radius;
        }
    }
    for (std::size_t j = 0; j < classes; ++j) {
        const double own = node.shift[label], other = node.shift[j];
        const double rounded = error[j] + (program + sums) * (std::abs(own) + std::abs(other));
        margin[j] = low[j] + (own - other) - states_[last].radius[j] - 1.01 * rounded - rounding_.underflow();
    }
}

/// The property where the last layer is not linear: differences of forms, or of intervals where that is better.
template <class V>
void zonotope::analysis<V>::compare_logits(std::size_t label, double* margin) {
    const std::size_t last = network_.size() - 1, classes = network_.classes();
    const auto& node = network_[last];
    const auto& s = states_[last];
    const double slack = rounding_.bounds > 0 ? 0x1p-40 : 0;
    std::vector<double> sum(classes);
    static constexpr T zeros[V::size]{};
    for (const auto& p : s.generators.parts()) {
        const auto coefficients = [&](std::size_t j) {
            const std::size_t position = j / node.shape.channels, y = position / node.shape.width,
                              x = position % node.shape.width;
            return p.holds(y, x) ? s.generators.at(p, y, x) + j % node.shape.channels * V::size : zeros;
        };
        const T* const own = coefficients(label);
        for (std::size_t j = 0; j < classes; ++j) {
            const T* const other = coefficients(j);
            for (std::size_t l = 0; l < V::size; ++l) sum[j] += std::abs(double{own[l]} - double{other[l]});
        }
    }
    for (std::size_t j = 0; j < classes; ++j) {
        const double size = value(last, label).size() + value(last, j).size();
        const double form = double{s.core.lo[label]} - double{s.core.hi[j]} - sum[j] - slack * size - rounding_.underflow();
        margin[j] = std::max(form, double{s.range.lo[label]} - double{s.range.hi[j]});
    }
}

/// One reader of node i is done; after the last, its memory is free for others.
template <class V>
void zonotope::analysis<V>::release(std::size_t i) {
    auto& s = states_[i];
    if (s.readers == 0 || --s.readers > 0) return;
    lane_vector<T> memory;
    s.generators.swap_memory(memory);
    s.generators.begin(network_[i].shape);
    if (!memory.empty()) spare_.push_back(std::move(memory));
}

/// Starts the generators of node i, in memory that is free.
template <class V>
void zonotope::analysis<V>::open(std::size_t i) {
    auto& s = states_[i];
    s.generators.begin(network_[i].shape);
    if (!spare_.empty()) {
        s.generators.swap_memory(spare_.back());
        if (spare_.back().empty()) spare_.pop_back();
    }
}

template <class V>
void zonotope::analysis<V>::allocate(std::size_t i) {
    std::size_t bytes = 0;
    for (const auto& s : states_) bytes += s.generators.bytes();
    require(bytes <= settings_.memory, "zonotope", "memory for generators (bytes)", text("at most ", settings_.memory), bytes);
    states_[i].generators.allocate();
}

template <class V>
std::size_t zonotope::analysis<V>::bytes() const {
    std::size_t sum = 0;
    for (const auto& s : states_) sum += s.generators.reserved_bytes();
    for (const auto& memory : spare_) sum += memory.capacity() * sizeof(T);
    return sum;
}

}  // namespace saddle
