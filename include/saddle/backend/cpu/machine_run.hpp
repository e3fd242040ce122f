#pragma once
#include "saddle/backend/cpu/machine.hpp"

namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE {

/// Runs step i forward. Batch norm in training mode and dropout are the trainer's, since they need more than one block.
template <class V>
void machine<V>::forward(std::size_t i, const block_memory<T>& m) const {
    using enum operation_kind;
    if (joined_[i]) return;
    const auto& s = list_.steps[i];
    const auto& op = s.op;
    const block<const T> x = value(op.input, m);
    const block<T> y = value(op.output, m);
    switch (op.kind) {
    case convolution: {
        const auto& unit = units_[i];
        const epilogue<T> e{value_storage(result(i), m), s.addend == none ? nullptr : value_storage(s.addend, m), nullptr,
                            s.relu};
        if (unit.transformed)
            run_winograd<V>(unit.forward, value_storage(op.input, m), packed_.data(), e, m.scratch, m.storage + unit.winner);
        else
            run_job<V>(unit.direct.forward, value_storage(op.input, m), packed_.data(), packed_.data(), e);
        return;
    }
    case scale_shift:
    case batch_norm:
        return affine_forward<V>(x, packed_.data() + constants_[i], packed_.data() + constants_[i] + x.shape.channels, s.relu, y);
    case activation:
        return activation_forward<V>(op, x, y);
    case max_pool:
        return max_pool_forward<V>(op.window, x, y);
    case average_pool:
        return average_pool_forward<V>(op.window, x, y);
    case group_norm:
        return group_norm_forward<V>(op, x, values_.data() + parameters_[op.weight].offset,
                                     values_.data() + parameters_[op.bias].offset, s.relu, y);
    case add:
        return add_forward<V>(x, block<const T>(value(op.second, m)), s.relu, y);
    case flatten:
    case dropout:
        return copy_forward<V>(x, y);
    case custom:
        return reinterpret_cast<typename custom_signatures<T>::forward>(op.custom.forward)(x, custom_parameters(op, m), y);
    }
}

/// Runs step i backward to its inputs.
template <class V>
void machine<V>::backward(std::size_t i, const block_memory<T>& m) const {
    using enum operation_kind;
    if (joined_[i]) return;
    const auto& s = list_.steps[i];
    const auto& op = s.op;
    const block<const T> dy = gradient(op.output, m);
    const std::size_t other = op.kind == convolution ? s.addend : op.second;
    if (other != none && wants_gradient(other, m))
        pass_backward<V>(block<const T>(value(other, m)), dy, s.second_action, gradient(other, m));
    if (!wants_gradient(op.input, m)) return;
    const block<const T> x = value(op.input, m), y = value(op.output, m);
    const block<T> dx = gradient(op.input, m);
    const auto action = s.input_action;
    switch (op.kind) {
    case convolution: {
        T* const to = gradient_storage(op.input, m);
        const epilogue<T> e{to, action.accumulate ? to : nullptr, action.mask ? value_storage(op.input, m) : nullptr, false};
        const auto& unit = units_[i];
        if (unit.transformed)
            return run_winograd<V>(unit.backward, gradient_storage(result(i), m), packed_.data(), e, m.scratch,
                                   m.storage + unit.winner);
        for (const auto& part : unit.direct.backward)
            run_job<V>(part.job, gradient_storage(op.output, m), packed_.data(), packed_.data(), e);
        return;
    }
    case scale_shift:
    case batch_norm:
        return affine_backward<V>(x, packed_.data() + constants_[i], dy, action, dx);
    case activation:
        return activation_backward<V>(op, x, y, dy, action, dx);
    case max_pool:
        return max_pool_backward<V>(op.window, x, y, dy, action, dx);
    case average_pool:
        return average_pool_backward<V>(op.window, x, dy, action, dx);
    case group_norm:
        return group_norm_backward<V>(op, x, values_.data() + parameters_[op.weight].offset, dy, action, dx);
    case add:
        return pass_backward<V>(x, dy, action, dx);
    case flatten:
    case dropout:
        return copy_backward<V>(x, dy, action, dx);
    case custom: {
        const block<T> own = contiguous_block(m.scratch, x.shape, lanes);
        reinterpret_cast<typename custom_signatures<T>::backward>(op.custom.backward)(x, y, dy, custom_parameters(op, m), own);
        return pass_backward<V>(x, block<const T>(own), action, dx);
    }
    }
}

}  // namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE
