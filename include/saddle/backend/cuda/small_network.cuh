#pragma once
#include "saddle/backend/cuda/kernels/head.cuh"
#include "saddle/backend/cuda/kernels/trunk.cuh"
#include "saddle/backend/cuda/machine.cuh"
#include "saddle/backend/cuda/tuning/small_network.cuh"

#include <optional>

namespace saddle::cuda {

/// A small network's passes in few kernels, a step of an attack in three: trunk forward, head (linear layers, loss, verdict and back),
/// trunk backward and step.
///
/// The trunk are the layers before the first linear one: convolutions, pools, scales and ReLUs in a row, whose weights and activations
/// fit into a block's shared memory; the head are linear layers and ReLUs. Networks of linear layers have no trunk, and their head ends
/// with the input's gradient. The arithmetic is that of the
/// layers' own kernels but for the order of sums. Results have the same bits for any batch.
template <class Precision>
class small_network {
public:
    /// Nothing where the network has other layers or does not fit the device.
    [[nodiscard]] static std::optional<small_network> of(const machine<Precision>& m) {
        if constexpr (!machine<Precision>::uniform) {
            return std::nullopt;
        } else {
            small_network n(m);
            if (!n.read() || !n.head_fits(4) || (n.has_trunk() && !n.trunk_fits(1))) return std::nullopt;
            return n;
        }
    }

    /// Memory and choices for a batch. True when captured work is void.
    bool reserve(std::size_t lanes) {
        bool moved = words_.reserve(static_cast<std::size_t>(forward_.words) * lanes + 1);
        moved = winners_.reserve(static_cast<std::size_t>(forward_.winners) * lanes + 1) || moved;
        const std::size_t many = machine_->multiprocessors();
        if (has_trunk()) {
            const auto each = number(tuning::trunk_lanes(lanes, many, [&](std::size_t l) { return trunk_fits(l); }));
            forward_bytes_ = cut(forward_, false, each);
            backward_bytes_ = cut(backward_, true, each);
        }
        head_.lanes = number(tuning::head_lanes(lanes, many, [&](std::size_t l) { return head_fits(l); }));
        return moved;
    }
    [[nodiscard]] bool has_trunk() const { return forward_.count > 0; }
    /// Bytes of a lane beside the machine's.
    [[nodiscard]] std::size_t bytes_per_lane() const {
        return static_cast<std::size_t>(forward_.words) * sizeof(std::uint32_t) + static_cast<std::size_t>(forward_.winners);
    }

    /// Features of m.input.
    void forward(const batch_memory& m) const {
        if (!has_trunk()) return;
        const auto with = [&]<int Lanes>(std::integral_constant<int, Lanes>) {
            launch(m.stream, trunk_forward<Lanes>, grid("trunk of a small network", forward_, forward_bytes_, m.lanes), forward_,
                   static_cast<const float*>(m.input), machine_->template value<float>(features_, m),
                   trunk_marks{words_.data(), winners_.data()}, static_cast<int>(m.lanes));
        };
        forward_.lanes == 1 ? with(std::integral_constant<int, 1>{}) : with(std::integral_constant<int, 4>{});
    }
    /// From the features to m.logits and the verdict, and with `backward` on to the features' gradient.
    template <class Verdict>
    void judge(const batch_memory& m, const Verdict& verdict, bool backward) const {
        launch(m.stream, small_head<Verdict>,
               {.operation = "linear layers and loss of a small network",
                .blocks = m.lanes / static_cast<std::size_t>(head_.lanes),
                .threads = head_threads,
                .shared = head_bytes(static_cast<std::size_t>(head_.lanes))},
               head_, verdict, machine_->template value<const float>(features_, m), m.logits, m.logits_gradient,
               machine_->template gradient<float>(features_, m), backward);
    }
    /// The two passes alone: to m.logits; from m.logits_gradient to the features' gradient.
    void judge(const batch_memory& m, bool backward) const {
        judge(m, given_slopes{m.logits_gradient, head_.at[head_.count - 1].outputs, static_cast<int>(m.lanes)}, backward);
    }
    /// From the features' gradient to the input's, which `finish` takes; there is a trunk.
    template <class Finish>
    void backward(const batch_memory& m, const Finish& finish) const {
        const auto with = [&]<int Lanes>(std::integral_constant<int, Lanes>) {
            launch(m.stream, trunk_backward<Lanes, Finish>,
                   grid("trunk of a small network, backward", backward_, backward_bytes_, m.lanes), backward_,
                   machine_->template gradient<const float>(features_, m), trunk_marks{words_.data(), winners_.data()}, finish,
                   static_cast<int>(m.lanes));
        };
        backward_.lanes == 1 ? with(std::integral_constant<int, 1>{}) : with(std::integral_constant<int, 4>{});
    }

private:
    explicit small_network(const machine<Precision>& m) : machine_(&m) { head_.tensor = std::is_same_v<Precision, tf32>; }

    [[nodiscard]] static int number(std::size_t n) { return static_cast<int>(n); }
    [[nodiscard]] static int rounded(int n) { return (n + 3) / 4 * 4; }

    /// Reads the machine's steps; false when they are not a row of what the kernels know.
    [[nodiscard]] bool read() {
        const auto& list = machine_->list();
        std::size_t at = 0;
        for (std::size_t i = 0; i < list.steps.size(); ++i) {
            const auto& s = list.steps[i];
            if (s.op.input != at || s.addend != none || s.op.second != none) return false;
            at = s.op.output;
            const bool dense = s.op.kind == operation_kind::convolution && is_dense(machine_->convolution(i).forward);
            if (dense ? !add_linear(i) : head_.count > 0 || !add_to_trunk(i)) return false;
        }
        std::size_t weights = 0;
        for (int j = 0; j < head_.count; ++j)
            weights += static_cast<std::size_t>(head_.at[j].inputs) * static_cast<std::size_t>(head_.at[j].columns);
        if (at != list.output || head_.count == 0 || head_.at[head_.count - 1].relu || weights > tuning::most_head_weights)
            return false;
        head_.masked = has_trunk() && forward_.at[forward_.count - 1].relu;
        place();
        return true;
    }
    [[nodiscard]] static bool is_dense(const convolution_shape& s) {
        return s.taps() == 1 && s.source_height * s.source_width == 1 && s.height * s.width == 1;
    }
    [[nodiscard]] bool add_linear(std::size_t i) {
        if (head_.count == most_head_layers || machine_->is_exact(i, false) || machine_->is_exact(i, true)) return false;
        const auto& s = machine_->list().steps[i];
        const auto& pair = machine_->convolution(i);
        if (head_.count == 0) features_ = s.op.input;
        auto& layer = head_.at[head_.count++];
        layer.forward = machine_->packed_weights(i, false);
        layer.backward = machine_->packed_weights(i, true);
        layer.bias = machine_->bias_of(i);
        layer.inputs = pair.forward.inputs, layer.outputs = pair.forward.outputs;
        layer.columns = pair.forward.columns, layer.back_columns = pair.backward.columns;
        layer.slices = tuning::head_slices(layer.inputs, layer.outputs, head_.tensor);
        layer.back_slices = tuning::head_slices(layer.outputs, layer.inputs, head_.tensor);
        layer.relu = s.relu;
        return true;
    }
    [[nodiscard]] bool add_to_trunk(std::size_t i) {
        using enum operation_kind;
        const auto& list = machine_->list();
        const auto& s = list.steps[i];
        if (s.op.kind == activation && s.op.function == activation_function::relu && has_trunk()) {
            forward_.at[forward_.count - 1].relu = backward_.at[forward_.count - 1].relu = true;
            return true;
        }
        if (forward_.count == most_trunk_layers) return false;
        const extents in = list.tensors[s.op.input].shape, out = list.tensors[s.op.output].shape;
        trunk_layer layer;
        layer.relu = s.relu;
        layer.inputs = number(in.size()), layer.outputs = number(out.size()), layer.pixels = number(in.pixels());
        trunk_layer back = layer;
        switch (s.op.kind) {
        case convolution:
            layer.kind = back.kind = trunk_kind::convolution;
            layer.shape = machine_->convolution(i).forward, back.shape = machine_->convolution(i).backward;
            layer.weight = machine_->packed_weights(i, false), back.weight = machine_->packed_weights(i, true);
            layer.weight_count = number(packed_size(layer.shape)), back.weight_count = number(packed_size(back.shape));
            layer.bias = machine_->bias_of(i);
            for (trunk_layer* each : {&layer, &back})
                each->tensor = std::is_same_v<Precision, tf32> && !machine_->is_exact(i, each->shape.backward);
            break;
        case scale_shift:
        case batch_norm:
            layer.kind = back.kind = trunk_kind::scale;
            layer.weight = back.weight = machine_->scale_of(i);
            layer.bias = machine_->shift_of(i);
            break;
        case max_pool:
        case average_pool:
            if (s.op.window.height * s.op.window.width > 255) return false;
            layer.kind = back.kind = s.op.kind == max_pool ? trunk_kind::max_pool : trunk_kind::average_pool;
            layer.pool = back.pool = make_pool(s.op.window, in, out);
            break;
        default:
            return false;
        }
        forward_.at[forward_.count++] = layer;
        backward_.at[backward_.count++] = back;
        return true;
    }
    /// Places of weights, marks and winners, and of all that a lane of the head needs.
    void place() {
        for (trunk_table* t : {&forward_, &backward_})
            for (int j = 0; j < t->count; ++j) {
                auto& layer = t->at[j];
                layer.weight_at = t->even_at;
                t->even_at += layer.weight_count;
                layer.mask_at = t->words;
                if (layer.relu) t->words += (layer.outputs + 31) / 32;
                layer.winner_at = t->winners;
                if (layer.kind == trunk_kind::max_pool) t->winners += layer.outputs;
            }
        int at = head_.at[0].inputs, slopes = 0, parts = 0;
        const auto room = [&](int slices, int outputs) { return slices > 1 ? slices * rounded(outputs) : 0; };
        for (int j = 0; j < head_.count; ++j) {
            auto& layer = head_.at[j];
            layer.values_at = at;
            at += layer.outputs;
            slopes = std::max(slopes, layer.outputs);
            parts = std::max({parts, room(layer.slices, layer.outputs), room(layer.back_slices, layer.inputs)});
        }
        head_.slopes_at[0] = at;
        head_.slopes_at[1] = at + slopes;
        head_.parts_at = at + 2 * slopes;
        head_floats_ = static_cast<std::size_t>(head_.parts_at + parts);
    }
    /// Cuts a block's shared memory for `lanes` lanes; returns its bytes. Backward the input's tensor is not there, but the marks are.
    static std::size_t cut(trunk_table& t, bool backward, int lanes) {
        int size[2] = {};
        for (int j = backward ? 1 : 0; j <= t.count; ++j)
            size[j % 2] = std::max(size[j % 2], j == 0 ? t.at[0].inputs : t.at[j - 1].outputs);
        t.lanes = lanes;
        t.odd_at = t.even_at + rounded(size[0] * lanes);
        t.mark_at = t.odd_at + rounded(size[1] * lanes);
        t.winner_at = t.mark_at + (backward ? rounded(t.words * lanes) : 0);
        return static_cast<std::size_t>(t.winner_at + (backward ? rounded(t.winners * lanes) / 4 : 0)) * sizeof(float);
    }
    [[nodiscard]] bool trunk_fits(std::size_t lanes) const {
        auto f = forward_, b = backward_;
        return std::max(cut(f, false, number(lanes)), cut(b, true, number(lanes))) <= machine_->shared_memory();
    }
    [[nodiscard]] std::size_t head_bytes(std::size_t lanes) const { return head_floats_ * lanes * sizeof(float); }
    [[nodiscard]] bool head_fits(std::size_t lanes) const { return head_bytes(lanes) <= machine_->shared_memory(); }
    [[nodiscard]] static launch_config grid(std::string_view operation, const trunk_table& t, std::size_t bytes,
                                            std::size_t lanes) {
        return {.operation = operation,
                .blocks = lanes / static_cast<std::size_t>(t.lanes),
                .threads = trunk_threads,
                .shared = bytes};
    }

    const machine<Precision>* machine_;
    std::size_t features_ = 0, head_floats_ = 0, forward_bytes_ = 0, backward_bytes_ = 0;
    trunk_table forward_, backward_;
    head_table head_;
    device_vector<std::uint32_t> words_;
    device_vector<std::uint8_t> winners_;
};

}  // namespace saddle::cuda
