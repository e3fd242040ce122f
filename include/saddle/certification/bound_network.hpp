#pragma once
#include "saddle/backend/cpu/program.hpp"

#include <limits>

namespace saddle {

/// One operation of a network under certification. Values stand position by position: [y][x][channel].
template <class T>
struct bound_node {
    operation_kind kind{};                    ///< convolution, scale_shift, activation, max_pool, average_pool, add or flatten
    extents shape{};                          ///< of its output
    std::size_t input = none, second = none;  ///< nodes
    saddle::window window{};
    activation_function function{};
    double slope = 0;
    double share = 0;                  ///< average_pool: of one input, as the program holds it
    std::size_t consumers = 0;         ///< nodes that read it
    bool constants_in_reader = false;  ///< its only reader is an activation, whose pass adds this node's constants too
    std::size_t outputs_padded = 0;    ///< output channels of the packed weights
    /// Rows and columns of inputs whose coefficients are summed together, since the same outputs read them: the whole input of a window
    /// that covers it, a stride's worth where channels are few, else single positions.
    std::size_t group_rows = 1, group_columns = 1;
    std::size_t row_step = 1, column_step = 1;  ///< of the window on the way back: its stride, or the whole input
    std::size_t columns = 0;                    ///< backward columns: a group's input values
    lane_vector<T> forward_weights{};           ///< convolution: [tap][input channel][output channel, padded]
    lane_vector<T> backward_weights{};          ///< convolution: [tap group][output channel][backward column]
    std::vector<std::size_t> tap_start{};       ///< of every tap [ky][kx] in backward_weights
    std::vector<T> scale{}, shift{};            ///< per channel; convolution: shift is the bias

    /// Neurons: values of the output.
    [[nodiscard]] std::size_t size() const { return shape.size(); }
    [[nodiscard]] bool is_activation() const { return kind == operation_kind::activation; }
    /// Products in one output value's sum.
    [[nodiscard]] std::size_t terms(extents in) const { return in.channels * window.height * window.width; }
    /// The weights of output channel 0 at one tap, by input channel; those of channel o stand o * columns further.
    [[nodiscard]] const T* tap_weights(std::size_t ky, std::size_t kx) const {
        return backward_weights.data() + tap_start[ky * window.width + kx];
    }
    /// Products in one input coefficient's sum on the way back.
    [[nodiscard]] std::size_t backward_terms() const {
        const auto taps = [&](std::size_t k) { return (k + window.stride - 1) / window.stride; };
        return shape.channels * taps(window.height) * taps(window.width);
    }
};

/// How bound_network reads the weights of a prepared program; each backend whose programs can be certified specialises it.
template <class Machine>
struct program_weights;

template <class V>
struct program_weights<cpu_backend::machine<V>> {
    using value_type = typename V::value_type;

    /// Calls weight(o, c, tap, value) for every weight of a convolution and bias(o, value) for every output.
    template <class Weight, class Bias>
    static void convolution(const cpu_backend::machine<V>& program, std::size_t step, Weight&& weight, Bias&& bias) {
        const auto& unit = program.unit(step);
        require(!unit.transformed, "bound_network", text("convolution of layer '", program.list().steps[step].op.name, "'"),
                "plain sums: prepare the program with {.winograd = false}", "Winograd");
        const auto& job = unit.direct.forward;
        for (const auto& tile : job.channel_tiles) {
            const auto* from = program.packed() + job.weights + tile.weights;
            for (std::size_t c = 0; c < job.channels; ++c)
                for (std::size_t t = 0; t < job.taps.size(); ++t)
                    for (std::size_t o = tile.first; o < tile.first + tile.count; ++o) {
                        weight(o, c, t, *from++);
                        if (c == 0 && t == 0) bias(o, program.packed()[job.bias + o]);
                    }
        }
    }
    /// Scales, then shifts of a norm, one per channel each.
    [[nodiscard]] static std::vector<value_type> constants(const cpu_backend::machine<V>& program, std::size_t step) {
        const std::size_t channels = program.list().tensors[program.list().steps[step].op.output].shape.channels;
        return {program.constants(step), program.constants(step) + 2 * channels};
    }
};

/// A network as certification walks it: the operations and the very weights of one prepared program, batch norm folded as the program
/// folds it, in the arithmetic T of the bounds. Node 0 is the input, the last one the logits, flat in
/// the program's order.
///
/// Throws invalid_argument for a program with Winograd convolutions (prepare it with {.winograd = false}: a certificate covers the
/// rounding of plain sums) or with an operation that has no relaxation, numeric_error for weights that are not finite.
template <class T>
class bound_network {
public:
    /// Of the steps of a program.
    template <class Machine>
    explicit bound_network(const Machine& program) {
        using value_type = typename program_weights<Machine>::value_type;
        static_assert(sizeof(T) >= sizeof(value_type), "saddle: bounds need at least the precision of the program");
        const auto& list = program.list();
        std::vector<std::size_t> node_of(list.tensors.size(), none);
        node_of[0] = append({.shape = list.tensors[0].shape});
        for (std::size_t i = 0; i < list.steps.size(); ++i) {
            const auto& s = list.steps[i];
            const auto shape = list.tensors[s.op.output].shape;
            bound_node<T> node{.kind = s.op.kind, .shape = shape, .input = node_of[s.op.input], .window = s.op.window};
            node.function = s.op.function;
            node.slope = static_cast<double>(static_cast<value_type>(s.op.slope));
            fill(node, program, i);
            std::size_t at = append(std::move(node));
            if (s.addend != none)
                at = append({.kind = operation_kind::add, .shape = shape, .input = at, .second = node_of[s.addend]});
            if (s.relu)
                at = append(
                    {.kind = operation_kind::activation, .shape = shape, .input = at, .function = activation_function::relu});
            if (s.op.kind == operation_kind::add) nodes_[at - s.relu].second = node_of[s.op.second];
            node_of[s.op.output] = at;
        }
        require<shape_error>(node_of[list.output] + 1 == nodes_.size(), "bound_network", "last operation", "the logits",
                             "another one");
        if (const auto shape = nodes_.back().shape; shape.pixels() > 1)  // logits are in the order [channel][row][column]
            append({.kind = operation_kind::flatten, .shape = {shape.size(), 1, 1}, .input = nodes_.size() - 1});
        connect();
    }

    [[nodiscard]] const std::vector<bound_node<T>>& nodes() const { return nodes_; }
    [[nodiscard]] const bound_node<T>& operator[](std::size_t i) const { return nodes_[i]; }
    [[nodiscard]] std::size_t size() const { return nodes_.size(); }
    [[nodiscard]] extents input() const { return nodes_.front().shape; }
    [[nodiscard]] std::size_t classes() const { return nodes_.back().size(); }

private:
    std::size_t append(bound_node<T> node) {
        nodes_.push_back(std::move(node));
        return nodes_.size() - 1;
    }
    template <class Machine>
    void fill(bound_node<T>& node, const Machine& program, std::size_t step) {
        using value_type = typename program_weights<Machine>::value_type;
        using enum operation_kind;
        const std::string name = program.list().steps[step].op.name;
        switch (node.kind) {
        case convolution:
            return fill_convolution(node, program, step, name);
        case batch_norm:
        case scale_shift: {
            node.kind = scale_shift;
            const auto constants = program_weights<Machine>::constants(program, step);
            const auto middle = constants.begin() + static_cast<std::ptrdiff_t>(node.shape.channels);
            node.scale.assign(constants.begin(), middle);
            node.shift.assign(middle, constants.end());
            require_finite(node.scale, name);
            require_finite(node.shift, name);
            return;
        }
        case activation:
            require(node.function != activation_function::softplus && node.function != activation_function::silu, "bound_network",
                    text("activation of layer '", name, "'"), "relu, leaky_relu, sigmoid or tanh", "one without a relaxation");
            require(node.function != activation_function::leaky_relu || (node.slope >= 0 && node.slope <= 1), "bound_network",
                    text("slope of layer '", name, "'"), "a number in [0,1]", node.slope);
            return;
        case average_pool:
            node.share = static_cast<double>(static_cast<value_type>(1.) /
                                             static_cast<value_type>(node.window.height * node.window.width));
            return;
        case max_pool:
        case add:
        case flatten:
            return;
        default:
            require(false, "bound_network", text("layer '", name, "'"), "an operation with a relaxation (docs/certification.md)",
                    node.kind == group_norm ? "group_norm" : "a layer of one's own");
        }
    }
    template <class Machine>
    void fill_convolution(bound_node<T>& node, const Machine& program, std::size_t step, const std::string& name) {
        const auto& w = node.window;
        const auto in = program.list().tensors[program.list().steps[step].op.input].shape;
        const std::size_t inputs = in.channels, outputs = node.shape.channels, taps = w.height * w.width;
        const bool covers = cpu_backend::covers_input(w, in);
        node.row_step = covers ? w.height : w.stride;
        node.column_step = covers ? w.width : w.stride;
        if (covers || (w.stride > 1 && inputs <= 4)) node.group_rows = node.row_step, node.group_columns = node.column_step;
        node.columns = node.group_rows * node.group_columns * inputs;
        const auto groups = [](std::size_t k, std::size_t group) { return (k + group - 1) / group; };
        const std::size_t across = groups(w.width, node.group_columns);
        for (std::size_t ky = 0; ky < w.height; ++ky)
            for (std::size_t kx = 0; kx < w.width; ++kx) {
                const std::size_t group = ky / node.group_rows * across + kx / node.group_columns;
                const std::size_t place = ky % node.group_rows * node.group_columns + kx % node.group_columns;
                node.tap_start.push_back(group * outputs * node.columns + place * inputs);
            }
        constexpr std::size_t register_values = lane_count<T>;
        node.outputs_padded = (outputs + register_values - 1) / register_values * register_values;
        node.forward_weights.assign(taps * inputs * node.outputs_padded, T(0));
        node.backward_weights.assign(groups(w.height, node.group_rows) * across * outputs * node.columns, T(0));
        node.shift.resize(outputs);
        program_weights<Machine>::convolution(
            program, step,
            [&](std::size_t o, std::size_t c, std::size_t t, auto value) {
                node.forward_weights[(t * inputs + c) * node.outputs_padded + o] = static_cast<T>(value);
                node.backward_weights[node.tap_start[t] + o * node.columns + c] = static_cast<T>(value);
            },
            [&](std::size_t o, auto value) { node.shift[o] = static_cast<T>(value); });
        require_finite(node.backward_weights, name);
        require_finite(node.shift, name);
    }
    template <class Values>
    static void require_finite(const Values& values, const std::string& name) {
        for (const T v : values)
            require<numeric_error>(std::isfinite(v), "bound_network", text("weights of layer '", name, "'"), "finite numbers", v);
    }
    void connect() {
        for (const auto& n : nodes_) {
            if (n.input != none) ++nodes_[n.input].consumers;
            if (n.second != none) ++nodes_[n.second].consumers;
        }
        for (const auto& n : nodes_)
            if (n.is_activation() && n.input != 0) {
                auto& before = nodes_[n.input];
                before.constants_in_reader = before.consumers == 1;
            }
    }

    std::vector<bound_node<T>> nodes_;
};

}  // namespace saddle
