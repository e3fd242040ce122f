#pragma once
#include "saddle/backend/cpu/batch_norm.hpp"
#include "saddle/backend/cpu/dropout.hpp"
#include "saddle/backend/cpu/gradient_store.hpp"
#include "saddle/core/image_blocks.hpp"
#include "saddle/nn/training_settings.hpp"

#include <functional>

namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE {

/// Forward, backward and weight gradient in training mode.
///
/// Without batch norm a thread takes a block through all passes while it is in cache; with batch norm, whose statistics join the
/// blocks, all blocks take each step together. Either way a weight's gradient is the fold, in block order, of per-block sums, so
/// the bits do not depend on the number of threads.
template <class V>
class trainer_program {
public:
    using vector = V;
    using value_type = typename V::value_type;
    using T = value_type;

    trainer_program(const plan& p, worker_pool& pool)
        : plan_(p), pool_(&pool), machine_(p, {.winograd = true, .training = true}), gradients_(machine_, p) {
        for (const auto& s : machine_.list().steps) joins_blocks_ |= s.op.kind == operation_kind::batch_norm;
        norms_.resize(machine_.list().steps.size());
    }

    /// Runs x [N,C,H,W] forward in training mode, calls `loss(logits, first, count, logits_gradient)` per block, and adds the weight
    /// gradient to `gradient`. Throws shape_error when x, ids or the vectors do not fit the plan.
    template <class Loss>
    void differentiate(std::span<const T> parameters, std::span<T> buffers, const basic_images<T>& x,
                       std::span<const std::uint64_t> ids, const training_settings& settings, Loss&& loss,
                       std::span<T> gradient) {
        require<shape_error>(x.each() == plan_.input(), "differentiate", "extents of an image", plan_.input(), x.each());
        require<shape_error>(ids.size() == x.size(), "differentiate", "number of ids", x.size(), ids.size());
        require<shape_error>(parameters.size() == plan_.parameter_count && gradient.size() == plan_.parameter_count,
                             "differentiate", "numbers of parameters and gradients", plan_.parameter_count,
                             text(parameters.size(), " and ", gradient.size()));
        if (x.empty()) return;
        machine_.pack(parameters, buffers, pool_);
        parameters_ = machine_.parameter_places();
        const std::size_t blocks = (x.size() + V::size - 1) / V::size;
        reserve(blocks);
        const run at{parameters, x, ids, settings};
        const loss_call call = std::ref(loss);
        if (joins_blocks_)
            together(at, blocks, buffers, call, gradient);
        else
            apart(at, blocks, call, gradient);
    }

private:
    /// The loss of a caller, whatever its type: the passes are compiled once for all.
    using loss_call = std::function<void(const T* logits, std::size_t first, std::size_t count, T* logits_gradient)>;

    struct run {
        std::span<const T> parameters;
        const basic_images<T>& x;
        std::span<const std::uint64_t> ids;
        const training_settings& settings;

        [[nodiscard]] std::size_t valid(std::size_t b) const { return std::min(V::size, ids.size() - b * V::size); }
        [[nodiscard]] std::span<const std::uint64_t> ids_of(std::size_t b) const { return ids.subspan(b * V::size, valid(b)); }
    };

    void reserve(std::size_t blocks) {
        const std::size_t places = joins_blocks_ ? blocks : pool_->size(), ends = plan_.input().size() + 2 * plan_.classes();
        each_place_ = machine_.storage_size() + ends * V::size;
        if (memory_.size() < places * each_place_) memory_ = lane_vector<T>(places * each_place_);
        scratch_.resize(pool_->size());
        for (auto& s : scratch_) s.resize(machine_.scratch_size() + V::size);
        gradients_.reserve(blocks, joins_blocks_ ? blocks : pool_->size(), joins_blocks_);
    }
    [[nodiscard]] block_memory<T> place(std::size_t index, std::size_t worker) {
        block_memory<T> m;
        m.storage = memory_.data() + index * each_place_;
        m.scratch = scratch_[worker].data();
        m.parameters = parameters_.data();
        m.input = m.storage + machine_.storage_size();
        m.logits = m.input + plan_.input().size() * V::size;
        m.logits_gradient = m.logits + plan_.classes() * V::size;
        return m;
    }
    void forward(std::size_t i, const run& at, std::size_t b, const block_memory<T>& m) const {
        const auto& s = machine_.list().steps[i];
        if (s.op.kind == operation_kind::dropout) {
            const auto y = machine_.value(s.op.output, m);
            drop<V>(s.op.rate, draws(s, at), at.ids_of(b), block<const T>(machine_.value(s.op.input, m)),
                    [&](std::size_t k, V value) { value.store_aligned(nth(y, k)); });
        } else if (s.op.kind == operation_kind::batch_norm) {
            affine_forward<V>(block<const T>(machine_.value(s.op.input, m)), norms_[i].scale.data(), norms_[i].shift.data(),
                              s.relu, machine_.value(s.op.output, m));
        } else {
            machine_.forward(i, m);
        }
    }
    void backward(std::size_t i, const run& at, std::size_t b, const block_memory<T>& m) const {
        const auto& s = machine_.list().steps[i];
        const bool own = s.op.kind == operation_kind::dropout || s.op.kind == operation_kind::batch_norm;
        if (!own) return machine_.backward(i, m);
        if (!machine_.wants_gradient(s.op.input, m)) return;
        const block<const T> x = machine_.value(s.op.input, m), dy = machine_.gradient(s.op.output, m);
        const block<T> dx = machine_.gradient(s.op.input, m);
        if (s.op.kind == operation_kind::dropout)
            drop<V>(s.op.rate, draws(s, at), at.ids_of(b), dy,
                    [&](std::size_t k, V value) { leave<V>(s.input_action, nth(dx, k), nth(x, k), value); });
        else
            batch_norm_backward<V>(norms_[i], x, dy, at.valid(b), s.input_action, dx);
    }
    [[nodiscard]] static random_stream draws(const step& s, const run& at) {
        return random_stream({.seed = at.settings.seed,
                              .purpose = purpose::dropout,
                              .layer = static_cast<std::uint32_t>(s.source),
                              .epoch = at.settings.epoch,
                              .step = at.settings.step});
    }
    void call_loss(const loss_call& loss, const run& at, std::size_t b, const block_memory<T>& m) const {
        loss(static_cast<const T*>(m.logits), b * V::size, at.valid(b), m.logits_gradient);
    }

    void apart(const run& at, std::size_t blocks, const loss_call& loss, std::span<T> gradient) {
        const std::size_t steps = machine_.list().steps.size();
        pool_->for_each(blocks, [&](std::size_t b, std::size_t worker) {
            const auto m = place(worker, worker);
            load_block(at.x, b * V::size, at.valid(b), V::size, m.input);
            for (std::size_t i = 0; i < steps; ++i) forward(i, at, b, m);
            call_loss(loss, at, b, m);
            gradients_.start_block(b);
            for (std::size_t i = steps; i-- > 0;) {
                gradients_.collect(i, m, b, worker);
                backward(i, at, b, m);
            }
        });
        gradients_.finish(blocks, *pool_, gradient);
    }

    void together(const run& at, std::size_t blocks, std::span<T> buffers, const loss_call& loss, std::span<T> gradient) {
        const auto& steps = machine_.list().steps;
        const auto parameter = [&](std::size_t index) { return at.parameters.data() + plan_.parameters[index].offset; };
        pool_->for_each(blocks, [&](std::size_t b, std::size_t worker) {
            load_block(at.x, b * V::size, at.valid(b), V::size, place(b, worker).input);
            gradients_.start_block(b);
        });
        for (std::size_t first = 0; first < steps.size();) {
            std::size_t last = first;
            if (steps[first].op.kind == operation_kind::batch_norm) {
                measure(first, at, blocks);
                norms_[first].prepare_forward(parameter(steps[first].op.weight), parameter(steps[first].op.bias),
                                              steps[first].op.epsilon);
                if (at.settings.update_statistics) {
                    const auto buffer = [&](std::size_t k) {
                        return buffers.data() + plan_.buffers[steps[first].op.buffer + k].offset;
                    };
                    norms_[first].update_running(buffer(0), buffer(1), buffer(2), steps[first].op.momentum);
                }
                ++last;
            }
            while (last < steps.size() && steps[last].op.kind != operation_kind::batch_norm) ++last;
            pool_->for_each(blocks, [&](std::size_t b, std::size_t worker) {
                for (std::size_t i = first; i < last; ++i) forward(i, at, b, place(b, worker));
            });
            first = last;
        }
        pool_->for_each(blocks, [&](std::size_t b, std::size_t worker) { call_loss(loss, at, b, place(b, worker)); });
        for (std::size_t i = steps.size(); i-- > 0;) {
            const auto& op = steps[i].op;
            if (op.kind == operation_kind::batch_norm)
                norms_[i].prepare_backward(slopes(i, at, blocks), parameter(op.weight), op.epsilon,
                                           gradient.data() + plan_.parameters[op.weight].offset,
                                           gradient.data() + plan_.parameters[op.bias].offset);
            pool_->for_each(blocks,
                            [&](std::size_t b, std::size_t worker) { gradients_.collect(i, place(b, worker), b, worker); });
            gradients_.finish_step(i, blocks, *pool_, gradient, [&](std::size_t b) { return place(b, 0); });
            pool_->for_each(blocks, [&](std::size_t b, std::size_t worker) { backward(i, at, b, place(b, worker)); });
        }
        gradients_.finish(blocks, *pool_, gradient);
    }
    void measure(std::size_t i, const run& at, std::size_t blocks) {
        const std::size_t input = machine_.list().steps[i].op.input, channels = machine_.list().tensors[input].shape.channels;
        std::vector<std::vector<channel_moments>> parts(blocks, std::vector<channel_moments>(channels));
        pool_->for_each(blocks, [&](std::size_t b, std::size_t worker) {
            const block<const T> x = machine_.value(input, place(b, worker));
            for (std::size_t c = 0; c < channels; ++c) parts[b][c] = moments_of<V>(channels_of(x, c, 1), at.valid(b));
        });
        norms_[i].moments.assign(channels, {});
        for (const auto& part : parts)
            for (std::size_t c = 0; c < channels; ++c) norms_[i].moments[c].merge(part[c]);
        require<shape_error>(norms_[i].moments[0].count > 1, "differentiate",
                             text("values per channel of batch norm '", machine_.list().steps[i].op.name, "'"),
                             "more than 1 in training mode", norms_[i].moments[0].count);
    }
    [[nodiscard]] std::vector<channel_slopes> slopes(std::size_t i, const run& at, std::size_t blocks) {
        const auto& op = machine_.list().steps[i].op;
        const std::size_t channels = machine_.list().tensors[op.input].shape.channels;
        std::vector<std::vector<channel_slopes>> parts(blocks, std::vector<channel_slopes>(channels));
        pool_->for_each(blocks, [&](std::size_t b, std::size_t worker) {
            const auto m = place(b, worker);
            const block<const T> x = machine_.value(op.input, m), dy = machine_.gradient(op.output, m);
            for (std::size_t c = 0; c < channels; ++c)
                parts[b][c] = slopes_of<V>(channels_of(x, c, 1), channels_of(dy, c, 1), norms_[i].moments[c].mean, at.valid(b));
        });
        std::vector<channel_slopes> sums(channels);
        for (const auto& part : parts)
            for (std::size_t c = 0; c < channels; ++c) {
                sums[c].sum += part[c].sum;
                sums[c].product += part[c].product;
            }
        return sums;
    }

    plan plan_;
    worker_pool* pool_;
    machine<V> machine_;
    gradient_store<V> gradients_;
    bool joins_blocks_ = false;
    std::vector<batch_norm_state<T>> norms_;
    std::size_t each_place_ = 0;
    lane_vector<T> memory_;
    std::vector<lane_vector<T>> scratch_;
    std::vector<const T*> parameters_;
};

}  // namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE
