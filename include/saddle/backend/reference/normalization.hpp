#pragma once
#include "saddle/backend/reference/call.hpp"

#include <cmath>

namespace saddle::reference_backend {

/// y = (x - mean) / deviation with constants per channel.
template <class T>
void scale_shift_forward(const call<T>& c, const basic_images<T>& x, basic_images<T>& y) {
    const auto mean = c.buffer(c.op().buffer), deviation = c.buffer(c.op().buffer + 1);
    const extents each = x.each();
    for (std::size_t i = 0; i < x.values().size(); ++i) {
        const std::size_t channel = i / each.pixels() % each.channels;
        y.values()[i] = (x.values()[i] - mean[channel]) / deviation[channel];
    }
}

template <class T>
void scale_shift_backward(const call<T>& c, const basic_images<T>& dy, basic_images<T>& dx) {
    const auto deviation = c.buffer(c.op().buffer + 1);
    const extents each = dx.each();
    for (std::size_t i = 0; i < dx.values().size(); ++i)
        dx.values()[i] += dy.values()[i] / deviation[i / each.pixels() % each.channels];
}

/// Values that share a mean and a variance: a channel of all images (batch norm), a group of channels of one (group norm).
struct value_set {
    std::size_t first_image, images, first_channel, channels;
};

template <class T>
[[nodiscard]] std::vector<value_set> normalized_sets(const call<T>& c, const basic_images<T>& x) {
    std::vector<value_set> sets;
    const std::size_t channels = x.each().channels, width = channels / c.op().groups;
    if (c.op().kind == operation_kind::batch_norm)
        for (std::size_t channel = 0; channel < channels; ++channel) sets.push_back({0, x.size(), channel, 1});
    else
        for (std::size_t n = 0; n < x.size(); ++n)
            for (std::size_t channel = 0; channel < channels; channel += width) sets.push_back({n, 1, channel, width});
    return sets;
}

/// Calls f(offset in the values, channel) for every value of a set.
template <class F>
void for_each_value(const value_set& set, extents each, F&& f) {
    for (std::size_t n = set.first_image; n < set.first_image + set.images; ++n)
        for (std::size_t channel = set.first_channel; channel < set.first_channel + set.channels; ++channel)
            for (std::size_t pixel = 0; pixel < each.pixels(); ++pixel)
                f((n * each.channels + channel) * each.pixels() + pixel, channel);
}

struct moments {
    double mean = 0, variance = 0, count = 0;
    [[nodiscard]] double inverse_deviation(double epsilon) const { return 1 / std::sqrt(variance + epsilon); }
};

/// Mean and biased variance of a set, in two passes, in double.
template <class T>
[[nodiscard]] moments moments_of(const basic_images<T>& x, const value_set& set) {
    moments m{.count = static_cast<double>(set.images * set.channels * x.each().pixels())};
    for_each_value(set, x.each(), [&](std::size_t i, std::size_t) { m.mean += x.values()[i] / m.count; });
    for_each_value(set, x.each(), [&](std::size_t i, std::size_t) {
        m.variance += (x.values()[i] - m.mean) * (x.values()[i] - m.mean) / m.count;
    });
    return m;
}

/// Batch norm in evaluation mode uses the running moments, which do not depend on the input.
template <class T>
[[nodiscard]] bool has_fixed_moments(const call<T>& c) {
    return c.op().kind == operation_kind::batch_norm && !c.training;
}

template <class T>
[[nodiscard]] moments applied_moments(const call<T>& c, const basic_images<T>& x, const value_set& set) {
    if (!has_fixed_moments(c)) return moments_of(x, set);
    return {c.buffer(c.op().buffer)[set.first_channel], c.buffer(c.op().buffer + 1)[set.first_channel]};
}

/// Batch norm and group norm. Throws shape_error for batch norm in training mode with a single value per channel.
template <class T>
void normalization_forward(const call<T>& c, const basic_images<T>& x, basic_images<T>& y) {
    if (c.op().kind == operation_kind::batch_norm && c.training)
        require<shape_error>(x.size() * x.each().pixels() > 1, text("batch_norm ", c.op().name),
                             "values per channel in training mode", "at least 2", x.size() * x.each().pixels());
    const auto weight = c.parameter(c.op().weight), bias = c.parameter(c.op().bias);
    for (const auto& set : normalized_sets(c, x)) {
        const moments m = applied_moments(c, x, set);
        const double scale = m.inverse_deviation(c.op().epsilon);
        for_each_value(set, x.each(), [&](std::size_t i, std::size_t channel) {
            y.values()[i] = static_cast<T>((x.values()[i] - m.mean) * scale * weight[channel] + bias[channel]);
        });
    }
}

/// dx += scale · (g - mean(g) - n · mean(g·n)) with g = dy · weight and n the normalised input; scale · g with fixed moments.
template <class T>
void normalization_backward(const call<T>& c, const basic_images<T>& x, const basic_images<T>& dy, basic_images<T>& dx) {
    const auto weight = c.parameter(c.op().weight);
    for (const auto& set : normalized_sets(c, x)) {
        const moments m = applied_moments(c, x, set);
        const double scale = m.inverse_deviation(c.op().epsilon);
        double mean_g = 0, mean_gn = 0;
        if (!has_fixed_moments(c))
            for_each_value(set, x.each(), [&](std::size_t i, std::size_t channel) {
                const double g = static_cast<double>(dy.values()[i]) * weight[channel];
                mean_g += g / m.count;
                mean_gn += g * (x.values()[i] - m.mean) * scale / m.count;
            });
        for_each_value(set, x.each(), [&](std::size_t i, std::size_t channel) {
            const double g = static_cast<double>(dy.values()[i]) * weight[channel], n = (x.values()[i] - m.mean) * scale;
            dx.values()[i] += static_cast<T>(scale * (g - mean_g - n * mean_gn));
        });
    }
}

/// gradient += the gradient with respect to weight and bias.
template <class T>
void normalization_gradient(const call<T>& c, const basic_images<T>& x, const basic_images<T>& dy, std::span<T> gradient) {
    const auto weight = c.part(gradient, c.op().weight), bias = c.part(gradient, c.op().bias);
    std::vector<double> sums(2 * weight.size());
    for (const auto& set : normalized_sets(c, x)) {
        const moments m = applied_moments(c, x, set);
        const double scale = m.inverse_deviation(c.op().epsilon);
        for_each_value(set, x.each(), [&](std::size_t i, std::size_t channel) {
            sums[2 * channel] += dy.values()[i] * (x.values()[i] - m.mean) * scale;
            sums[2 * channel + 1] += dy.values()[i];
        });
    }
    for (std::size_t channel = 0; channel < weight.size(); ++channel) {
        weight[channel] += static_cast<T>(sums[2 * channel]);
        bias[channel] += static_cast<T>(sums[2 * channel + 1]);
    }
}

/// Moves a batch norm's running mean, running unbiased variance and count one batch on; `buffers` are the whole model's.
template <class T>
void update_running_moments(const call<T>& c, const basic_images<T>& x, std::span<T> buffers) {
    const auto& infos = c.structure.buffers;
    const double momentum = c.op().momentum;
    T* const mean = &buffers[infos[c.op().buffer].offset];
    T* const variance = &buffers[infos[c.op().buffer + 1].offset];
    for (const auto& set : normalized_sets(c, x)) {
        const moments m = moments_of(x, set);
        const double unbiased = m.variance * m.count / (m.count - 1);
        mean[set.first_channel] = static_cast<T>((1 - momentum) * mean[set.first_channel] + momentum * m.mean);
        variance[set.first_channel] = static_cast<T>((1 - momentum) * variance[set.first_channel] + momentum * unbiased);
    }
    buffers[infos[c.op().buffer + 2].offset] += 1;
}

}  // namespace saddle::reference_backend
