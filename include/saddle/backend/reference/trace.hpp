#pragma once
#include "saddle/backend/reference/activation.hpp"
#include "saddle/backend/reference/convolution.hpp"
#include "saddle/backend/reference/custom.hpp"
#include "saddle/backend/reference/dropout.hpp"
#include "saddle/backend/reference/normalization.hpp"
#include "saddle/backend/reference/pooling.hpp"

namespace saddle::reference_backend {

/// A forward pass that keeps the output of every operation [N,C,H,W], and the backward pass over what it kept.
///
/// `tensors` may be overwritten between the two: the masks of ReLU and max-pool come from the stored tensors, so storing those of
/// another backend imposes its masks. The plan, weights and buffers must outlive the trace.
template <class T>
class trace {
public:
    /// Tensor i of the plan for the whole batch; 0 is the input.
    std::vector<basic_images<T>> tensors;

    /// A pass in evaluation mode. Throws shape_error when weights or buffers do not fit the plan.
    trace(const plan& structure, std::span<const T> parameters, std::span<const T> buffers)
        : structure_(&structure), parameters_(parameters), buffers_(buffers) {
        require_fitting(structure, parameters, buffers, "backend::reference: trace");
    }
    /// A pass in training mode; `ids` name the examples in the draws of dropout.
    trace(const plan& structure, std::span<const T> parameters, std::span<const T> buffers, const training_settings& settings,
          std::span<const std::uint64_t> ids)
        : trace(structure, parameters, buffers) {
        settings_ = settings;
        ids_ = ids;
        training_ = true;
    }

    /// Runs the plan on a batch and stores every tensor. Throws shape_error when the images or ids do not fit.
    void forward(const basic_images<T>& x) {
        require<shape_error>(x.each() == structure_->input(), "backend::reference: trace", "extents of the images",
                             structure_->input(), x.each());
        if (training_)
            require<shape_error>(ids_.size() == x.size(), "backend::reference: trace", "number of ids", x.size(), ids_.size());
        tensors.resize(structure_->tensors.size());
        tensors[0] = x;
        for (std::size_t i = 0; i < structure_->operations.size(); ++i) run_forward(i);
    }

    /// The logits of the last forward, [N][K].
    [[nodiscard]] std::span<const T> logits() const { return tensors[structure_->output()].values(); }

    /// The input gradient for a gradient of the logits [N][K]; adds the weights' to `gradient` (flat) unless that is empty.
    basic_images<T> backward(std::span<const T> logits_gradient, std::span<T> gradient = {}) const {
        require<shape_error>(logits_gradient.size() == logits().size(), "backend::reference: trace",
                             "size of the logits' gradient", logits().size(), logits_gradient.size());
        require<shape_error>(gradient.empty() || gradient.size() == structure_->parameter_count, "backend::reference: trace",
                             "size of the weights' gradient", structure_->parameter_count, gradient.size());
        std::vector<basic_images<T>> gradients;
        for (const auto& each : structure_->tensors) gradients.emplace_back(tensors[0].size(), each);
        std::copy(logits_gradient.begin(), logits_gradient.end(), gradients[structure_->output()].data());
        for (std::size_t i = structure_->operations.size(); i-- > 0;) {
            run_backward(i, gradients);
            if (!gradient.empty()) run_gradient(i, gradients, gradient);
        }
        return std::move(gradients[0]);
    }

    /// Updates the running statistics of every batch norm from the stored tensors.
    void update_statistics(std::span<T> buffers) const {
        for (std::size_t i = 0; i < structure_->operations.size(); ++i)
            if (const auto& op = structure_->operations[i]; op.kind == operation_kind::batch_norm)
                update_running_moments(at(i), tensors[op.input], buffers);
    }

private:
    [[nodiscard]] call<T> at(std::size_t i) const {
        return call<T>{*structure_, i, parameters_, buffers_, training_ ? &settings_ : nullptr, ids_};
    }

    void run_forward(std::size_t i) {
        const auto c = at(i);
        const auto& op = c.op();
        const auto& x = tensors[op.input];
        auto& y = tensors[op.output];
        y = basic_images<T>(x.size(), structure_->tensors[op.output]);
        switch (op.kind) {
        case operation_kind::convolution:
            return convolution_forward(c, x, y);
        case operation_kind::scale_shift:
            return scale_shift_forward(c, x, y);
        case operation_kind::activation:
            return activation_forward(c, x, y);
        case operation_kind::max_pool:
            return max_pool_forward(c, x, y);
        case operation_kind::average_pool:
            return average_pool_forward(c, x, y);
        case operation_kind::batch_norm:
        case operation_kind::group_norm:
            return normalization_forward(c, x, y);
        case operation_kind::dropout:
            return dropout_forward(c, x, y);
        case operation_kind::add:
            add(x, y), add(tensors[op.second], y);
            return;
        case operation_kind::flatten:
            return add(x, y);
        case operation_kind::custom:
            return custom_forward(c, x, y);
        }
    }

    void run_backward(std::size_t i, std::vector<basic_images<T>>& gradients) const {
        const auto c = at(i);
        const auto& op = c.op();
        const auto &x = tensors[op.input], &y = tensors[op.output], &dy = gradients[op.output];
        auto& dx = gradients[op.input];
        switch (op.kind) {
        case operation_kind::convolution:
            return convolution_backward(c, dy, dx);
        case operation_kind::scale_shift:
            return scale_shift_backward(c, dy, dx);
        case operation_kind::activation:
            return activation_backward(c, x, y, dy, dx);
        case operation_kind::max_pool:
            return max_pool_backward(c, x, dy, dx);
        case operation_kind::average_pool:
            return average_pool_backward(c, dy, dx);
        case operation_kind::batch_norm:
        case operation_kind::group_norm:
            return normalization_backward(c, x, dy, dx);
        case operation_kind::dropout:
            return dropout_backward(c, dy, dx);
        case operation_kind::add:
            add(dy, dx), add(dy, gradients[op.second]);
            return;
        case operation_kind::flatten:
            return add(dy, dx);
        case operation_kind::custom:
            return custom_backward(c, x, y, dy, dx);
        }
    }

    void run_gradient(std::size_t i, const std::vector<basic_images<T>>& gradients, std::span<T> gradient) const {
        const auto c = at(i);
        const auto& op = c.op();
        const auto &x = tensors[op.input], &y = tensors[op.output], &dy = gradients[op.output];
        if (op.kind == operation_kind::convolution) convolution_gradient(c, x, dy, gradient);
        if (op.kind == operation_kind::batch_norm || op.kind == operation_kind::group_norm)
            normalization_gradient(c, x, dy, gradient);
        if (op.kind == operation_kind::custom) custom_gradient(c, x, y, dy, gradient);
    }

    static void add(const basic_images<T>& from, basic_images<T>& to) {
        for (std::size_t i = 0; i < from.values().size(); ++i) to.values()[i] += from.values()[i];
    }

    const plan* structure_;
    std::span<const T> parameters_, buffers_;
    training_settings settings_{};
    std::span<const std::uint64_t> ids_{};
    bool training_ = false;
};

}  // namespace saddle::reference_backend
