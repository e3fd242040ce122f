#pragma once
#include "saddle/backend/cpu/batch_norm.hpp"
#include "saddle/backend/cpu/gradient_store.hpp"
#include "saddle/backend/cpu/interval_margin.hpp"
#include "saddle/backend/cpu/interval_program.hpp"
#include "saddle/core/image_blocks.hpp"

namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE {

/// Worst-case logits of boxes by interval propagation (Gowal et al. 2019), and their gradient in the weights.
///
/// Boxes go through an interval_program. The gradient of W is that of the centres' program plus
/// sign(W) times that of the radii's, 0 where W is 0. Evaluation mode: batch norm uses the running statistics, which stay as they
/// are; dropout does nothing. Bounds are computed to nearest: for training, not for proofs. A thread takes a block through all
/// passes; the bits do not depend on the number of threads.
template <class V>
class interval_trainer {
public:
    using vector = V;
    using value_type = typename V::value_type;
    using T = value_type;

    /// Throws invalid_argument, naming the layer, for one that is neither linear nor monotone (group_norm, silu, a user's own).
    interval_trainer(const plan& p, worker_pool& pool)
        : plan_(p), pool_(&pool), program_(plan_), centre_store_(program_.centre, plan_), radius_store_(program_.radius, plan_) {
        const auto& steps = list().steps;
        const auto& last = steps.back();
        folded_ = last.op.kind == operation_kind::convolution && last.op.output == list().output && last.addend == none &&
                  covers_input(last.op.window, list().tensors[last.op.input].shape);
        propagated_ = steps.size() - folded_;
        margin_.classes = p.classes();
        if (folded_) {
            margin_.inputs = list().tensors[last.op.input].shape.size();
            margin_.places = detail::every_value(list().tensors[last.op.input], V::size);
            centre_store_.leave_out(steps.size() - 1);
            radius_store_.leave_out(steps.size() - 1);
        }
        for (std::size_t i = 0; i < steps.size(); ++i)
            if (steps[i].op.kind == operation_kind::batch_norm) norms_.push_back({i, {}});
    }

    /// Boxes lower <= x <= upper [N,C,H,W] with labels. Calls `loss(bounds, first, count, derivative)` per block with upper bounds of
    /// logit[k] - logit[label] [K][lane], 0 at the label, and adds the weights' gradient for the derivative to `gradient`. Throws
    /// shape_error when something does not fit the plan.
    template <class Loss>
    void differentiate(std::span<const T> parameters, std::span<const T> buffers, const basic_images<T>& lower,
                       const basic_images<T>& upper, const labels& y, Loss&& loss, std::span<T> gradient) {
        constexpr std::string_view where = "interval training";
        require<shape_error>(lower.each() == plan_.input() && upper.each() == plan_.input(), where, "extents of the boxes",
                             plan_.input(), text(lower.each(), " and ", upper.each()));
        require<shape_error>(lower.size() == upper.size(), where, "number of upper ends", lower.size(), upper.size());
        require_valid_labels(y, lower.size(), plan_.classes(), where);
        require<shape_error>(parameters.size() == plan_.parameter_count && gradient.size() == plan_.parameter_count, where,
                             "numbers of parameters and gradients", plan_.parameter_count,
                             text(parameters.size(), " and ", gradient.size()));
        if (lower.empty()) return;
        program_.pack(parameters, buffers, pool_);
        if (folded_) {
            const auto& op = list().steps.back().op;
            margin_.weight = parameter(parameters, op.weight);
            margin_.bias = parameter(parameters, op.bias);
        }
        const std::size_t blocks = (lower.size() + V::size - 1) / V::size;
        reserve(blocks);
        pool_->for_each(blocks, [&](std::size_t b, std::size_t worker) {
            const auto at = place(worker);
            const std::size_t count = std::min(V::size, lower.size() - b * V::size);
            run_block(at, lower, upper, y, b, count, worker, loss);
        });
        fold(blocks, parameters, buffers, gradient);
    }

private:
    using block_place = interval_place<T>;
    struct norm_sums {
        std::size_t step = 0;
        std::vector<std::vector<channel_slopes>> centre;  ///< [block][channel]
        std::vector<std::vector<channel_slopes>> radius{};
    };

    [[nodiscard]] const step_list& list() const { return program_.list(); }
    [[nodiscard]] const T* parameter(std::span<const T> all, std::size_t index) const {
        return index == none ? nullptr : all.data() + plan_.parameters[index].offset;
    }

    void reserve(std::size_t blocks) {
        const std::size_t logits = plan_.classes() * V::size, input = plan_.input().size() * V::size;
        each_program_ = program_.centre.storage_size() + input + 2 * logits;
        each_place_ = 2 * each_program_ + 2 * logits + 6 * program_.widest + program_.centre.scratch_size() + V::size;
        if (memory_.size() < pool_->size() * each_place_) memory_ = lane_vector<T>(pool_->size() * each_place_);
        centre_store_.reserve(blocks, pool_->size(), false);
        radius_store_.reserve(blocks, pool_->size(), false);
        if (folded_ && margin_sums_.size() < blocks * margin_.sums()) margin_sums_.resize(blocks * margin_.sums());
        for (auto& norm : norms_) {
            norm.centre.resize(blocks);
            norm.radius.resize(blocks);
        }
    }
    [[nodiscard]] block_place place(std::size_t worker) {
        T* next = memory_.data() + worker * each_place_;
        const auto take = [&](std::size_t count) { return std::exchange(next, next + count); };
        const std::size_t logits = plan_.classes() * V::size;
        block_place at;
        for (auto* m : {&at.centre, &at.radius}) {
            m->storage = take(program_.centre.storage_size());
            m->input = take(plan_.input().size() * V::size);
            m->logits = take(logits);
            m->logits_gradient = take(logits);
        }
        at.bounds = take(logits);
        at.derivative = take(logits);
        at.scratch = take(6 * program_.widest);
        at.centre.scratch = at.radius.scratch = take(program_.centre.scratch_size());
        return at;
    }

    template <class Loss>
    void run_block(const block_place& at, const basic_images<T>& lower, const basic_images<T>& upper, const labels& y,
                   std::size_t b, std::size_t count, std::size_t worker, Loss& loss) {
        load_block(lower, b * V::size, count, V::size, at.centre.input);
        load_block(upper, b * V::size, count, V::size, at.radius.input);
        for (std::size_t i = 0; i < plan_.input().size() * V::size; i += V::size)
            program_.store_box(V::load_aligned(at.centre.input + i), V::load_aligned(at.radius.input + i), at.centre.input + i,
                               at.radius.input + i);
        for (std::size_t i = 0; i < propagated_; ++i) program_.forward(i, at);

        std::int32_t label[V::size];
        for (std::size_t l = 0; l < V::size; ++l) label[l] = y[b * V::size + std::min(l, count - 1)];
        bound(at, label);
        loss(static_cast<const T*>(at.bounds), b * V::size, count, at.derivative);
        for (std::size_t l = 0; l < V::size; ++l) at.derivative[static_cast<std::size_t>(label[l]) * V::size + l] = T(0);

        centre_store_.start_block(b);
        radius_store_.start_block(b);
        differentiate_bounds(at, label, b);
        for (std::size_t i = propagated_; i-- > 0;) {
            centre_store_.collect(i, at.centre, b, worker);
            radius_store_.collect(i, at.radius, b, worker);
            for (auto& norm : norms_)
                if (norm.step == i) collect_norm(norm, at, b, count);
            program_.backward(i, at);
        }
    }

    /// Upper bounds of logit[k] - logit[label]: through the last layer at once if it is linear, otherwise from the logits' ends.
    void bound(const block_place& at, const std::int32_t* label) const {
        if (folded_) {
            const std::size_t input = list().steps.back().op.input;
            margin_.forward(program_.centre.value_storage(input, at.centre), program_.radius.value_storage(input, at.radius),
                            label, at.bounds);
        } else {
            for (std::size_t l = 0; l < V::size; ++l) {
                const std::size_t own = static_cast<std::size_t>(label[l]) * V::size + l;
                for (std::size_t k = l; k < plan_.classes() * V::size; k += V::size)
                    at.bounds[k] = at.centre.logits[k] + at.radius.logits[k] - at.centre.logits[own] + at.radius.logits[own];
            }
        }
        for (std::size_t l = 0; l < V::size; ++l) at.bounds[static_cast<std::size_t>(label[l]) * V::size + l] = T(0);
    }
    void differentiate_bounds(const block_place& at, const std::int32_t* label, std::size_t b) {
        const std::size_t input = list().steps.back().op.input;
        if (folded_)
            return margin_.backward(program_.centre.value_storage(input, at.centre),
                                    program_.radius.value_storage(input, at.radius), label, at.derivative,
                                    program_.centre.wants_gradient(input, at.centre),
                                    program_.centre.gradient_storage(input, at.centre),
                                    program_.radius.gradient_storage(input, at.radius), margin_sums_.data() + b * margin_.sums());
        for (std::size_t l = 0; l < V::size; ++l) {
            T sum = 0;
            for (std::size_t k = l; k < plan_.classes() * V::size; k += V::size) {
                at.centre.logits_gradient[k] = at.radius.logits_gradient[k] = at.derivative[k];
                sum += at.derivative[k];
            }
            const std::size_t own = static_cast<std::size_t>(label[l]) * V::size + l;
            at.centre.logits_gradient[own] = -sum;
            at.radius.logits_gradient[own] = sum;
        }
    }

    void collect_norm(norm_sums& norm, const block_place& at, std::size_t b, std::size_t count) const {
        const auto& op = list().steps[norm.step].op;
        const auto gather = [&](const machine<V>& program, const block_memory<T>& m, std::vector<channel_slopes>& sums) {
            const block<const T> x = program.value(op.input, m), dy = program.gradient(op.output, m);
            sums.resize(x.shape.channels);
            for (std::size_t c = 0; c < sums.size(); ++c)
                sums[c] = slopes_of<V>(block<const T>(channels_of(x, c, 1)), block<const T>(channels_of(dy, c, 1)), 0, count);
        };
        gather(program_.centre, at.centre, norm.centre[b]);
        gather(program_.radius, at.radius, norm.radius[b]);
    }
    void fold(std::size_t blocks, std::span<const T> parameters, std::span<const T> buffers, std::span<T> gradient) {
        centre_store_.finish(blocks, *pool_, gradient);
        radius_gradient_.assign(gradient.size(), T(0));
        radius_store_.finish(blocks, *pool_, radius_gradient_);
        for (std::size_t i = 0; i < gradient.size(); ++i)
            gradient[i] += parameters[i] > 0 ? radius_gradient_[i] : parameters[i] < 0 ? -radius_gradient_[i] : T(0);
        if (folded_) {
            const auto& op = list().steps.back().op;
            T* const weights = gradient.data() + plan_.parameters[op.weight].offset;
            const std::size_t count = margin_.classes * margin_.inputs;
            for (std::size_t k = 0; k < margin_.sums(); ++k) {
                T sum = 0;
                for (std::size_t b = 0; b < blocks; ++b) sum += margin_sums_[b * margin_.sums() + k];
                (k < count ? weights[k] : gradient[plan_.parameters[op.bias].offset + k - count]) += sum;
            }
        }
        for (const auto& norm : norms_) {
            const auto& op = list().steps[norm.step].op;
            const T* const weight = parameter(parameters, op.weight);
            const auto buffer = [&](std::size_t k) { return buffers.data() + plan_.buffers[op.buffer + k].offset; };
            for (std::size_t c = 0; c < norm.centre[0].size(); ++c) {
                double slope = 0, sum = 0, spread = 0;
                for (std::size_t b = 0; b < blocks; ++b) {
                    slope += norm.centre[b][c].product;
                    sum += norm.centre[b][c].sum;
                    spread += norm.radius[b][c].product;
                }
                const double inverse = 1 / std::sqrt(double{buffer(1)[c]} + op.epsilon);
                const double sign = weight[c] > 0 ? 1 : weight[c] < 0 ? -1 : 0;
                gradient[plan_.parameters[op.weight].offset + c] +=
                    static_cast<T>((slope - sum * buffer(0)[c] + sign * spread) * inverse);
                gradient[plan_.parameters[op.bias].offset + c] += static_cast<T>(sum);
            }
        }
    }

    plan plan_;
    worker_pool* pool_;
    interval_program<V> program_;
    gradient_store<V> centre_store_, radius_store_;
    interval_margin<V> margin_;
    bool folded_ = false;
    std::size_t propagated_ = 0, each_program_ = 0, each_place_ = 0;
    std::vector<norm_sums> norms_;
    lane_vector<T> memory_, radius_gradient_, margin_sums_;
};

}  // namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE
