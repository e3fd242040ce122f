#pragma once
#include "saddle/nn/plan.hpp"

#include <algorithm>

/// What every backend that fuses operations shares: the steps of a program and the order of its gradients.
namespace saddle::fusion {

/// What a backward step does to the gradient of one of its inputs: add to what later operations left there, and, being the last
/// to touch it, apply the derivative of the ReLU that was fused into the input's producer.
struct gradient_action {
    bool accumulate = false, mask = false;
};

/// One operation after fusion: a convolution with its folded norm, addend and ReLU; any other with its ReLU.
struct step {
    operation op;  ///< tensors are those of the program, not of the plan
    bool relu = false;
    std::size_t addend = none;  ///< added to a convolution's output
    operation norm{};           ///< the folded batch norm; kind tells whether there is one
    bool folded = false;
    gradient_action input_action, second_action;
    std::size_t source = none;  ///< index of the operation in the plan: the layer of a dropout's draws
};

/// The operations that a program runs and its tensors; Tensor has a member `shape`. Tensor 0 is the input.
template <class Tensor>
struct step_list {
    std::vector<step> steps;
    std::vector<Tensor> tensors;
    std::size_t output = 0;
};

/// Fuses a plan into steps: batch norm into a convolution before it (evaluation mode), ReLU and the sum of a residual into the
/// layer before them; flatten and evaluation's dropout vanish. Training keeps batch norm and dropout as steps of their own.
///
/// A linear layer on a flattened map becomes a convolution whose window is the map. A backend derives, adds what its layouts
/// need, and calls schedule_gradients last.
template <class Tensor>
class step_builder {
public:
    step_builder(const plan& p, bool training, bool fuse = true)
        : plan_(p), training_(training), fuse_(fuse), tensor_of_(p.tensors.size(), none), uses_(p.tensors.size(), 0) {
        for (const auto& op : p.operations) {
            ++uses_[op.input];
            if (op.second != none) ++uses_[op.second];
        }
        tensor_of_[0] = add_tensor(p.input());
        for (const auto& op : p.operations) add(op);
        list_.output = tensor_of_[p.output()];
        if (list_.output == 0 || list_.steps[producer_[list_.output]].relu ||
            list_.tensors[list_.output].shape != p.tensors[p.output()])
            list_.output = copy(list_.output, p.tensors[p.output()]);
    }

protected:
    std::size_t add_tensor(extents shape) {
        list_.tensors.push_back({.shape = shape});
        producer_.push_back(none);
        shared_.push_back(false);
        return list_.tensors.size() - 1;
    }
    std::size_t append(step s, extents shape) {
        s.op.output = add_tensor(shape);
        producer_.back() = list_.steps.size();
        list_.steps.push_back(std::move(s));
        return list_.steps.back().op.output;
    }
    std::size_t copy(std::size_t tensor, extents shape) {
        step s;
        s.op.kind = operation_kind::flatten;
        s.op.input = tensor;
        return append(std::move(s), shape);
    }
    /// Decides for every gradient whether its writers add or assign, and which of them applies the mask of the tensor's ReLU.
    void schedule_gradients() {
        std::vector<bool> relu(list_.tensors.size()), written(list_.tensors.size());
        std::vector<gradient_action*> last(list_.tensors.size(), nullptr);
        for (const auto& s : list_.steps) relu[s.op.output] = s.relu;
        const auto touch = [&](std::size_t tensor, gradient_action& action) {
            if (tensor == none) return;
            action.accumulate = written[tensor];
            written[tensor] = true;
            last[tensor] = &action;
        };
        for (std::size_t i = list_.steps.size(); i-- > 0;) {
            auto& s = list_.steps[i];
            touch(s.op.kind == operation_kind::convolution ? s.addend : s.op.second, s.second_action);
            touch(s.op.input, s.input_action);
        }
        for (std::size_t t = 0; t < last.size(); ++t)
            if (last[t]) last[t]->mask = relu[t];
    }

    step_list<Tensor> list_;

private:
    /// The step that produced a plan's tensor, if only one operation reads what it stores; nullptr otherwise.
    step* sole_producer(std::size_t plan_tensor) {
        if (uses_[plan_tensor] != 1 || shared_[tensor_of_[plan_tensor]]) return nullptr;
        const auto index = producer_[tensor_of_[plan_tensor]];
        return index == none ? nullptr : &list_.steps[index];
    }
    static bool takes_relu(const step& s) {
        using enum operation_kind;
        return !s.relu && (s.op.kind == convolution || s.op.kind == scale_shift || s.op.kind == batch_norm ||
                           s.op.kind == group_norm || s.op.kind == add);
    }
    void add(const operation& op) {
        using enum operation_kind;
        auto& out = tensor_of_[op.output];
        std::size_t in = tensor_of_[op.input];
        const extents logical = plan_.tensors[op.input];
        const bool flat = list_.tensors[in].shape != logical;
        step* before = sole_producer(op.input);
        if (op.kind == flatten || (op.kind == dropout && !training_)) {
            out = in;
            if (uses_[op.input] > 1) shared_[in] = true;
            return;
        }
        if (fuse_ && op.kind == activation && op.function == activation_function::relu && before && takes_relu(*before)) {
            before->relu = true;
            out = in;
            return;
        }
        if (fuse_ && op.kind == batch_norm && !training_ && !flat && before && before->op.kind == convolution &&
            !before->folded && !before->relu && before->addend == none) {
            before->folded = true;
            before->norm = op;
            out = in;
            return;
        }
        if (op.kind == add) {
            const std::size_t other = tensor_of_[op.second];
            if (list_.tensors[other].shape == list_.tensors[in].shape) {
                const auto fuse = [&](std::size_t through, std::size_t around, std::size_t plan_tensor) {
                    step* s = sole_producer(plan_tensor);
                    if (!s || s->op.kind != convolution || s->relu || s->addend != none ||
                        (producer_[around] != none && producer_[around] > producer_[through]))
                        return false;
                    s->addend = around;
                    out = through;
                    return true;
                };
                if (through_last(in, other) ? fuse(in, other, op.input) : fuse(other, in, op.second)) return;
            }
        }
        step s;
        s.op = op;
        s.source = static_cast<std::size_t>(&op - plan_.operations.data());
        s.op.input = in;
        if (op.kind == convolution) {
            if (flat) {
                s.op.window = {list_.tensors[in].shape.height, list_.tensors[in].shape.width, 1, 0};
                if (op.window.height != 1) s.op.input = copy(in, logical), s.op.window = op.window;
            }
            out = append(std::move(s), plan_.tensors[op.output]);
            return;
        }
        const bool elementwise = op.kind == activation || op.kind == dropout;
        if (flat && !elementwise) s.op.input = copy(in, logical);
        if (op.kind == add) {
            s.op.second = tensor_of_[op.second];
            if (list_.tensors[s.op.second].shape != list_.tensors[s.op.input].shape) s.op.second = copy(s.op.second, logical);
        }
        const extents shape = elementwise ? list_.tensors[in].shape : plan_.tensors[op.output];
        out = append(std::move(s), shape);
    }
    [[nodiscard]] bool through_last(std::size_t a, std::size_t b) const {
        return producer_[b] == none || (producer_[a] != none && producer_[a] > producer_[b]);
    }

    const plan& plan_;
    bool training_, fuse_;
    std::vector<std::size_t> tensor_of_, uses_, producer_;
    std::vector<bool> shared_;  ///< storage that several tensors of the plan stand for
};

}  // namespace saddle::fusion
