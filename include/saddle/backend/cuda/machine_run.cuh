#pragma once
#include "saddle/backend/cuda/machine.cuh"

namespace saddle::cuda {

template <class Precision>
void machine<Precision>::pack_step(cudaStream_t stream, std::size_t i) {
    const auto& s = list_.steps[i];
    const std::size_t channels = list_.tensors[s.op.output].shape.channels;
    const auto blocks = parts_of(channels, 256);
    const auto norm = [&](const operation& op, const float* bias_before) {
        launch(stream, fold_norm<>, {.operation = "folding a batch norm", .blocks = blocks}, parameter(op.weight),
               parameter(op.bias), static_cast<const float*>(buffer(op.buffer)), static_cast<const float*>(buffer(op.buffer + 1)),
               op.epsilon, bias_before, static_cast<int>(channels), scale_of(i), shift_of(i));
    };
    if (s.op.kind == operation_kind::convolution) {
        if (s.folded) norm(s.norm, parameter(s.op.bias));
        const float* const scale = s.folded ? scale_of(i) : nullptr;
        const auto& u = units_[i];
        const auto one = [&](const convolution_shape& shape, std::size_t offset, bool exact) {
            if (exact)
                launch_pack<fp32>(stream, parameter(s.op.weight), scale, shape, packed<float>(offset));
            else
                launch_pack<Precision>(stream, parameter(s.op.weight), scale, shape, packed<S>(offset));
        };
        one(u.pair.forward, u.forward, u.from_few || u.exact_forward);
        one(u.pair.backward, u.backward, u.to_few || u.exact_backward);
        if (wgmma_) wgmma_weights_.pack(stream, i, u.pair, parameter(s.op.weight), scale);
    } else if (s.op.kind == operation_kind::batch_norm && !training_) {
        norm(s.op, nullptr);
    } else if (s.op.kind == operation_kind::scale_shift) {
        launch(stream, fold_normalize<>, {.operation = "packing constants", .blocks = blocks},
               static_cast<const float*>(buffer(s.op.buffer)), static_cast<const float*>(buffer(s.op.buffer + 1)),
               static_cast<int>(channels), scale_of(i), shift_of(i));
    }
}

/// Runs step i forward. Batch norm in training mode and dropout are the trainer's.
template <class Precision>
void machine<Precision>::forward(std::size_t i, const batch_memory& m) const {
    using enum operation_kind;
    if (absorbed_[i]) return;
    const auto& s = list_.steps[i];
    const auto& op = s.op;
    const extents in = list_.tensors[op.input].shape, out = list_.tensors[op.output].shape;
    if (op.kind == convolution) {
        const auto& u = units_[i];
        return typed(op.output, [&]<class Y>(Y*) {
            epilogue<Y> e;
            e.out = value<Y>(op.output, m);
            e.bias = s.folded ? shift_of(i) : parameter(op.bias);
            if (s.addend != none) e.addend = value<Y>(s.addend, m);
            e.relu = s.relu;
            if (const std::size_t j = second_[i]; j != none) {
                e.second = value<Y>(list_.steps[j].op.output, m);
                e.second_scale = scale_of(j);
                e.second_shift = shift_of(j);
                e.second_relu = list_.steps[j].relu;
            }
            if (u.from_few)
                launch_few_inputs(m.stream, u.pair.forward, value<const float>(op.input, m), packed<const float>(u.forward), e,
                                  m.lanes);
            else if (u.exact_forward)
                launch_convolution<fp32>(m.stream, u.pair.forward, value<const float>(op.input, m),
                                         packed<const float>(u.forward), e, m.lanes, multiprocessors_);
            else
                launch_convolution<Precision>(m.stream, u.pair.forward, value<const S>(op.input, m), packed<const S>(u.forward),
                                              e, m.lanes, multiprocessors_, wgmma(i, false, m));
        });
    }
    typed(op.input, [&]<class T>(T*) {
        const T* const x = value<const T>(op.input, m);
        const auto pointwise = [&](std::string_view name, const auto& f) { launch_pointwise(m.stream, name, in, m.lanes, f); };
        switch (op.kind) {
        case scale_shift:
        case batch_norm:
            return pointwise("norm", affine_forward<T>{x, scale_of(i), shift_of(i), s.relu, value<T>(op.output, m)});
        case activation:
            return with_activation(op.function, [&]<class F>(F) {
                pointwise("activation", apply_forward<T, F>{x, op.slope, value<T>(op.output, m)});
            });
        case max_pool:
        case average_pool:
            return launch_pool_forward(m.stream, op.kind == max_pool, op.window, in, out, x, value<T>(op.output, m), m.lanes);
        case group_norm: {
            float* const moment = moments(i, m);
            return launch(m.stream, group_norm_forward<T>, group_norm_grid("group norm", op.groups, m.lanes), x,
                          parameter(op.weight), parameter(op.bias), op.epsilon, s.relu, static_cast<int>(in.channels / op.groups),
                          static_cast<int>(in.size() / op.groups), static_cast<int>(m.lanes), moment,
                          moment + op.groups * m.lanes, value<T>(op.output, m));
        }
        case add:
            return pointwise("sum", add_forward<T>{x, value<const T>(op.second, m), s.relu, value<T>(op.output, m)});
        case flatten:
        case dropout:
            return typed(op.output, [&]<class Y>(Y*) { pointwise("copy", convert_forward<T, Y>{x, value<Y>(op.output, m)}); });
        case custom:
            return reinterpret_cast<custom_forward>(op.custom.forward)(m.stream, in, m.lanes, list_.tensors[op.input].wide, x,
                                                                       value<void>(op.output, m));
        case convolution:
            return;
        }
    });
}

template <class Precision>
template <class Finish>
void machine<Precision>::backward(std::size_t i, const batch_memory& m, const Finish* finish) const {
    using enum operation_kind;
    const auto& s = list_.steps[i];
    const auto& op = s.op;
    const extents in = list_.tensors[op.input].shape, out = list_.tensors[op.output].shape;
    const std::size_t other = op.kind == convolution ? s.addend : op.second;
    if (other != none && wants_gradient(other, m))
        typed(other, [&]<class T>(T*) {
            launch_pointwise(m.stream, "gradient of a sum", list_.tensors[other].shape, m.lanes,
                             pass_backward<T, T>{gradient<const T>(op.output, m), place<T>(other, s.second_action, m)});
        });
    if (!wants_gradient(op.input, m)) return;
    const auto action = s.input_action;
    if (op.kind == convolution) {
        const auto& u = units_[i];
        return typed(op.input, [&]<class X>(X*) {
            typed(op.output, [&]<class Y>(Y*) {
                const Y* const dy = gradient<const Y>(op.output, m);
                if (u.to_few) {
                    const float* const w = packed<const float>(u.backward);
                    if constexpr (std::is_same_v<X, float>)
                        if (finish && op.input == 0)
                            return launch_few_outputs(m.stream, u.pair.backward, dy, w, *finish, m.lanes);
                    const store_few<X> store{place<X>(op.input, action, m)};
                    return launch_few_outputs(m.stream, u.pair.backward, dy, w, store, m.lanes);
                }
                epilogue<X> e;
                e.out = gradient<X>(op.input, m);
                if (action.accumulate) e.addend = e.out;
                if (action.mask) e.mask = value<X>(op.input, m);
                const auto run = [&]<class Multiplies>(Multiplies, const wgmma_operands<Y>& by_wgmma) {
                    launch_convolution<Multiplies>(m.stream, u.pair.backward, dy, packed<const Y>(u.backward), e, m.lanes,
                                                   multiprocessors_, by_wgmma);
                };
                if constexpr (std::is_same_v<Y, S>)
                    run(Precision{}, wgmma(i, true, m));
                else
                    run(fp32{}, {});
            });
        });
    }
    typed(op.input, [&]<class T>(T*) {
        const T* const x = value<const T>(op.input, m);
        const auto to = place<T>(op.input, action, m);
        const auto pointwise = [&](std::string_view name, const auto& f) { launch_pointwise(m.stream, name, in, m.lanes, f); };
        if (op.kind == flatten || op.kind == dropout)
            return typed(op.output, [&]<class Y>(Y*) {
                pointwise("gradient of a copy", pass_backward<Y, T>{gradient<const Y>(op.output, m), to});
            });
        const T *const dy = gradient<const T>(op.output, m), *const y = value<const T>(op.output, m);
        switch (op.kind) {
        case scale_shift:
        case batch_norm:
            return pointwise("norm, backward", affine_backward<T>{dy, scale_of(i), to});
        case activation:
            return with_activation(op.function, [&]<class F>(F) {
                pointwise("activation, backward", apply_backward<T, F>{x, y, dy, op.slope, to});
            });
        case max_pool:
        case average_pool:
            return launch_pool_backward(m.stream, op.kind == max_pool, op.window, in, out, x, y, dy, to, m.lanes);
        case group_norm: {
            const float* const moment = moments(i, m);
            return launch(m.stream, group_norm_backward<T>, group_norm_grid("group norm, backward", op.groups, m.lanes), x, dy,
                          parameter(op.weight), moment, moment + op.groups * m.lanes, static_cast<int>(in.channels / op.groups),
                          static_cast<int>(in.size() / op.groups), static_cast<int>(m.lanes), to);
        }
        case add:
            return pointwise("gradient of a sum", pass_backward<T, T>{dy, to});
        case custom:
            return reinterpret_cast<custom_backward>(op.custom.backward)(m.stream, in, m.lanes, list_.tensors[op.input].wide, x,
                                                                         y, dy, action, to.gradient);
        case convolution:
        case flatten:
        case dropout:
            return;
        }
    });
}

}  // namespace saddle::cuda
