#pragma once
#include "saddle/nn/layer.hpp"

#include <initializer_list>

namespace saddle {

/// y = (x - mean) / deviation per channel, so that inputs and epsilon live in [0,1]. Constants, saved as buffers "mean" and "std".
///
/// One value serves all channels; otherwise give one per channel. Throws invalid_argument for another count or a deviation <= 0.
struct normalize {
    std::vector<double> mean{0.}, deviation{1.};

    template <class Shape>
    using output = Shape;
    template <class Shape, class Backend, class T>
    std::size_t append(plan& p, std::size_t input, const std::string& path) const {
        return append_to(p, input, path, Shape::value);
    }

private:
    [[gnu::cold]] std::size_t append_to(plan& p, std::size_t input, const std::string& path, extents shape) const {
        operation op{.kind = operation_kind::scale_shift, .name = path};
        op.buffer = p.add_buffer(join_name(path, "mean"), {shape.channels}, spread(mean, shape.channels), true);
        p.add_buffer(join_name(path, "std"), {shape.channels}, spread(deviation, shape.channels), true);
        for (const double d : deviation) require(d > 0, "normalize", "deviation", "a number > 0", d);
        return p.append(std::move(op), input, shape);
    }
    static std::vector<double> spread(const std::vector<double>& values, std::size_t channels) {
        require(values.size() == 1 || values.size() == channels, "normalize", "number of constants", text("1 or ", channels),
                values.size());
        return values.size() == channels ? values : std::vector<double>(channels, values[0]);
    }
};

/// Batch normalisation per channel (Ioffe & Szegedy 2015), as PyTorch's nn.BatchNorm2d: batch statistics in training, running ones in
/// evaluation; running_var is unbiased. Saves num_batches_tracked too.
struct batch_norm {
    double epsilon = 1e-5, momentum = .1;

    template <class Shape>
    using output = Shape;
    template <class Shape, class Backend, class T>
    std::size_t append(plan& p, std::size_t input, const std::string& path) const {
        return append_to(p, input, path, Shape::value);
    }

private:
    [[gnu::cold]] std::size_t append_to(plan& p, std::size_t input, const std::string& path, extents shape) const {
        const std::size_t channels = shape.channels;
        operation op{.kind = operation_kind::batch_norm, .epsilon = epsilon, .momentum = momentum, .name = path};
        op.weight = p.add_parameter(join_name(path, "weight"), {channels}, 1, initial_value::ones);
        op.bias = p.add_parameter(join_name(path, "bias"), {channels}, 1, initial_value::zeros);
        op.buffer = p.add_buffer(join_name(path, "running_mean"), {channels}, std::vector<double>(channels, 0.), false);
        p.add_buffer(join_name(path, "running_var"), {channels}, std::vector<double>(channels, 1.), false);
        p.add_buffer(join_name(path, "num_batches_tracked"), {}, {0.}, false);
        return p.append(std::move(op), input, shape);
    }
};

/// Group normalisation per example (Wu & He 2018), as PyTorch's nn.GroupNorm(Groups, C).
template <std::size_t Groups>
struct group_norm {
    double epsilon = 1e-5;

    template <class Shape>
    using output = Shape;
    template <class Shape, class Backend, class T>
    std::size_t append(plan& p, std::size_t input, const std::string& path) const {
        static_assert(Groups > 0 && Shape::channels % Groups == 0,
                      "saddle: wrong input shape: group_norm needs a number of channels divisible by its groups");
        operation op{.kind = operation_kind::group_norm, .groups = Groups, .epsilon = epsilon, .name = path};
        op.weight = p.add_parameter(join_name(path, "weight"), {Shape::channels}, 1, initial_value::ones);
        op.bias = p.add_parameter(join_name(path, "bias"), {Shape::channels}, 1, initial_value::zeros);
        return p.append(std::move(op), input, Shape::value);
    }
};

/// Sets each value to 0 with probability `rate` in training and divides the rest by 1 - rate; passes its input on in evaluation.
struct dropout {
    double rate = .5;

    template <class Shape>
    using output = Shape;
    template <class Shape, class Backend, class T>
    std::size_t append(plan& p, std::size_t input, const std::string& path) const {
        require(rate >= 0 && rate < 1, "dropout", "rate", "a number in [0,1)", rate);
        return p.append({.kind = operation_kind::dropout, .rate = rate, .name = path}, input, Shape::value);
    }
};

}  // namespace saddle
