#pragma once
#include "saddle/backend/cuda/machine.cuh"

namespace saddle::cuda {

/// Batch norm in training mode: the statistics of the batch at hand, of all batch norms of a plan, and its three passes. Movable;
/// its machine must outlive it. `pairs`: training_arrays; `count`: images of the batch, in the first lanes.
template <class Precision>
class training_batch_norm {
public:
    explicit training_batch_norm(const machine<Precision>& program) : machine_(&program), norms_(program.list().steps.size()) {
        memory_.reserve(carve(nullptr) + 1);
        (void)carve(memory_.data());
    }

    /// Output of step i; its running statistics follow where `update` says so. Throws shape_error where a channel has but one
    /// value.
    void forward(std::size_t i, const batch_memory& m, std::size_t count, bool update, sum_pair* pairs) const {
        const auto& s = machine_->list().steps[i];
        const auto& op = s.op;
        const extents shape = shape_of(i);
        const double values = static_cast<double>(shape.pixels() * count);
        require<shape_error>(values > 1, "differentiate", text("values per channel of batch norm '", op.name, "'"),
                             "more than 1 in training mode", values);
        machine_->typed(op.input, [&]<class T>(T*) {
            const T* const x = machine_->template value<const T>(op.input, m);
            const std::size_t each = shape.pixels() * m.lanes;
            const std::size_t parts =
                launch_channel_sums(m.stream, "moments", shape, m.lanes, count, moment_sums<T>{x, each}, pairs);
            launch(m.stream, finish_moments<T>, {.operation = "moments", .blocks = parts_of(shape.channels, pointwise_threads)},
                   static_cast<const sum_pair*>(pairs), static_cast<int>(shape.channels), static_cast<int>(parts), x, each,
                   values, machine_->parameter(op.weight), machine_->parameter(op.bias), op.epsilon, norms_[i],
                   update ? machine_->buffer(op.buffer) : nullptr, machine_->buffer(op.buffer + 1),
                   machine_->buffer(op.buffer + 2), op.momentum);
            launch_pointwise(
                m.stream, "batch norm", shape, m.lanes,
                affine_forward<T>{x, norms_[i].scale, norms_[i].shift, s.relu, machine_->template value<T>(op.output, m)});
        });
    }
    /// Adds to the gradients of weight and bias, from the gradient of step i's output; comes before backward.
    void collect(std::size_t i, const batch_memory& m, std::size_t count, sum_pair* pairs, float* weight_gradient,
                 float* bias_gradient) const {
        const auto& op = machine_->list().steps[i].op;
        const extents shape = shape_of(i);
        machine_->typed(op.input, [&]<class T>(T*) {
            const slope_sums<T> sums{machine_->template value<const T>(op.input, m),
                                     machine_->template gradient<const T>(op.output, m), norms_[i].mean};
            const std::size_t parts = launch_channel_sums(m.stream, "slopes", shape, m.lanes, count, sums, pairs);
            launch(m.stream, finish_slopes<>, {.operation = "slopes", .blocks = parts_of(shape.channels, pointwise_threads)},
                   static_cast<const sum_pair*>(pairs), static_cast<int>(shape.channels), static_cast<int>(parts),
                   static_cast<double>(shape.pixels() * count), machine_->parameter(op.weight), norms_[i], weight_gradient,
                   bias_gradient);
        });
    }
    /// The gradient of step i's input.
    void backward(std::size_t i, const batch_memory& m, std::size_t count) const {
        const auto& s = machine_->list().steps[i];
        const auto& op = s.op;
        machine_->typed(op.input, [&]<class T>(T*) {
            const auto& n = norms_[i];
            launch_pointwise(m.stream, "batch norm, backward", shape_of(i), m.lanes,
                             batch_norm_backward<T>{machine_->template value<const T>(op.input, m),
                                                    machine_->template gradient<const T>(op.output, m), n.slope, n.slope_x,
                                                    n.slope_1, static_cast<int>(m.lanes), static_cast<int>(count),
                                                    machine_->template place<T>(op.input, s.input_action, m)});
        });
    }

private:
    [[nodiscard]] extents shape_of(std::size_t i) const {
        return machine_->list().tensors[machine_->list().steps[i].op.input].shape;
    }
    /// Places the arrays of all norms; returns how many floats they take.
    std::size_t carve(float* base) {
        std::size_t used = 0;
        for (std::size_t i = 0; i < norms_.size(); ++i) {
            if (machine_->list().steps[i].op.kind != operation_kind::batch_norm) continue;
            auto& n = norms_[i];
            for (float** array : {&n.mean, &n.inverse, &n.scale, &n.shift, &n.slope, &n.slope_x, &n.slope_1}) {
                *array = base ? base + used : nullptr;
                used += parts_of(shape_of(i).channels, 64) * 64;
            }
        }
        return used;
    }

    const machine<Precision>* machine_;
    std::vector<batch_norm_state> norms_;
    device_vector<float> memory_;
};

}  // namespace saddle::cuda
