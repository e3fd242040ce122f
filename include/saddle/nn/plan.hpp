#pragma once
#include "saddle/core/shape.hpp"

#include <string>
#include <vector>

namespace saddle {

/// What an operation of a plan computes. Backends supply forward, backward and weight gradient for each.
enum class operation_kind {
    convolution,  ///< conv2d; linear is one with a 1×1 window on a [C,1,1] tensor
    scale_shift,  ///< y = (x - mean) / deviation per channel, constants (normalize)
    activation,   ///< elementwise, see `function`
    max_pool,
    average_pool,
    batch_norm,
    group_norm,
    dropout,
    add,      ///< y = x + second (the join of a residual)
    flatten,  ///< the same values as [C*H*W,1,1]
    custom    ///< a user's layer, see `custom_operation`
};

/// Built-in elementwise functions.
enum class activation_function { relu, leaky_relu, sigmoid, tanh, softplus, silu };

/// A sliding window: extents, stride and zero padding on every side.
struct window {
    std::size_t height = 1, width = 1, stride = 1, padding = 0;
};

/// Kernels of a user's layer, erased; the backend that made them casts them back.
struct custom_operation {
    using erased = void (*)();
    erased forward = nullptr, backward = nullptr, gradient = nullptr;
};

inline constexpr std::size_t none = static_cast<std::size_t>(-1);

/// One operation on tensors of a plan. Fields that a kind does not use keep their defaults.
struct operation {
    operation_kind kind{};
    std::size_t input = none, second = none, output = none;  ///< indices of tensors
    saddle::window window{};
    activation_function function{};
    std::size_t groups = 1;                           ///< group_norm
    double slope = 0;                                 ///< leaky_relu
    double rate = 0;                                  ///< dropout
    double epsilon = 0, momentum = 0;                 ///< normalisations
    std::size_t weight = none, bias = none;           ///< indices of parameters
    std::size_t first_parameter = 0, parameters = 0;  ///< the range of a custom layer's parameters
    std::size_t buffer = none;                        ///< first of the operation's buffers (mean, then variance or deviation)
    custom_operation custom{};
    std::string name;  ///< path of the layer, for messages
};

/// How a parameter starts.
enum class initial_value { fan_in_uniform, ones, zeros };

/// One trainable tensor: name and dimensions as in PyTorch's state_dict, place in the flat parameter vector.
struct parameter_info {
    std::string name;
    std::vector<std::size_t> dimensions;
    std::size_t offset = 0, size = 0;
    std::size_t fan_in = 1;
    initial_value start = initial_value::fan_in_uniform;
};

/// One tensor that is saved but not trained: running statistics, or a constant (which a weights file may leave out).
struct buffer_info {
    std::string name;
    std::vector<std::size_t> dimensions;
    std::size_t offset = 0, size = 0;
    std::vector<double> start;
    bool constant = false;
};

/// A network as data: tensors in the order they are produced (0 is the input), operations in order, parameters and buffers.
struct plan {
    std::vector<extents> tensors;
    std::vector<operation> operations;
    std::vector<parameter_info> parameters;
    std::vector<buffer_info> buffers;
    std::size_t parameter_count = 0, buffer_count = 0;

    [[nodiscard]] extents input() const { return tensors.front(); }
    [[nodiscard]] std::size_t output() const { return operations.empty() ? 0 : operations.back().output; }
    [[nodiscard]] std::size_t classes() const { return tensors[output()].size(); }

    std::size_t add_tensor(extents shape) {
        tensors.push_back(shape);
        return tensors.size() - 1;
    }
    [[gnu::cold]] std::size_t add_parameter(std::string name, std::vector<std::size_t> dimensions, std::size_t fan_in,
                                            initial_value start = initial_value::fan_in_uniform) {
        std::size_t size = 1;
        for (const auto d : dimensions) size *= d;
        parameters.push_back({std::move(name), std::move(dimensions), parameter_count, size, fan_in, start});
        parameter_count += size;
        return parameters.size() - 1;
    }
    [[gnu::cold]] std::size_t add_buffer(std::string name, std::vector<std::size_t> dimensions, std::vector<double> start,
                                         bool constant) {
        const std::size_t size = start.size();
        buffers.push_back({std::move(name), std::move(dimensions), buffer_count, size, std::move(start), constant});
        buffer_count += size;
        return buffers.size() - 1;
    }
    /// Appends `op` reading `input`; its output gets a new tensor of extents `shape`. Returns that tensor.
    [[gnu::cold]] std::size_t append(operation op, std::size_t input, extents shape) {
        op.input = input;
        op.output = add_tensor(shape);
        operations.push_back(std::move(op));
        return operations.back().output;
    }
};

/// Joins two parts of a parameter's name with a dot; empty parts leave no trace.
[[nodiscard, gnu::cold]] inline std::string join_name(const std::string& path, const std::string& part) {
    return path.empty() ? part : part.empty() ? path : path + '.' + part;
}

/// Multiply-adds of one forward pass for one example, convolutions and linear layers only, counted directly (no Winograd).
[[nodiscard]] inline std::size_t multiply_adds(const plan& p) {
    std::size_t sum = 0;
    for (const auto& op : p.operations)
        if (op.kind == operation_kind::convolution)
            sum += p.tensors[op.output].size() * p.tensors[op.input].channels * op.window.height * op.window.width;
    return sum;
}

}  // namespace saddle
