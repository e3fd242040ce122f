#pragma once
#include "saddle/backend/cuda/kernels/training_loss.cuh"
#include "saddle/backend/cuda/session.cuh"
#include "saddle/backend/cuda/training_batch_norm.cuh"
#include "saddle/backend/cuda/training_memory.cuh"
#include "saddle/backend/cuda/weights.cuh"
#include "saddle/core/images.hpp"
#include "saddle/core/worker_pool.hpp"
#include "saddle/nn/training_settings.hpp"

namespace saddle::cuda {

/// Forward, backward and weight gradient in training mode, the whole batch at once on the device.
///
/// Weights and gradient stay in `weights()`, where an optimizer's rule updates them, or come from and go to the host. A loss that
/// says so (evaluates_on_device) is evaluated here too, any other on the host, from the logits. Sums have a fixed order, so every
/// run gives the same bits.
template <class Precision>
class trainer_program {
public:
    using vector = typename session<Precision>::vector;
    using value_type = float;

    trainer_program(const plan& p, worker_pool& pool)
        : plan_(p), pool_(&pool), machine_(p, true, read_device()), batch_(machine_, p.input(), p.classes()), weights_(machine_),
          norms_(machine_), memory_(machine_, p.input().size()) {
        host_gradient_.reserve(p.parameter_count + 1);
    }

    trainer_program(const trainer_program&) = delete;
    trainer_program& operator=(const trainer_program&) = delete;

    /// What stays on the device from step to step.
    [[nodiscard]] device_weights<Precision>& weights() { return weights_; }

    /// As program.use_wgmma, weight gradients too.
    void use_wgmma(bool on) {
        machine_.use_wgmma(on);
        weights_.pack_again();
    }

    /// Runs x [N,C,H,W] forward in training mode, calls `loss(logits, first, count, logits_gradient)` per 64 lanes or evaluates
    /// its loss() here (block_losses in training/loss_gradient.hpp), and adds the weight gradient to that of `weights()`. Throws
    /// shape_error when x or ids do not fit the plan, out_of_device_memory, which names the batch size to try, when the batch
    /// does not fit the device.
    template <class Loss>
    void differentiate(const images& x, std::span<const std::uint64_t> ids, const training_settings& settings, Loss&& loss) {
        require<shape_error>(x.each() == plan_.input(), "differentiate", "extents of an image", plan_.input(), x.each());
        require<shape_error>(ids.size() == x.size(), "differentiate", "number of ids", x.size(), ids.size());
        if (x.empty()) return;
        begin(x, ids);
        const run at{x.size(), settings};
        for (std::size_t i = 0; i < machine_.list().steps.size(); ++i) forward(i, at);
        constexpr bool here = requires { requires std::remove_cvref_t<Loss>::on_device; };
        if constexpr (here)
            evaluate_loss(loss, at);
        else
            call_loss(loss, at);
        for (std::size_t i = machine_.list().steps.size(); i-- > 0;) {
            collect(i, at);
            backward(i, at);
        }
        batch_.order().synchronize();
        if constexpr (here) loss.take(host_values_.data(), host_correct_.data());
    }
    /// The same with weights that come from the host and a gradient that is added to `gradient` there. Throws shape_error when
    /// the vectors do not fit the plan, too.
    template <class Loss>
    void differentiate(std::span<const float> parameters, std::span<float> buffers, const images& x,
                       std::span<const std::uint64_t> ids, const training_settings& settings, Loss&& loss,
                       std::span<float> gradient) {
        require<shape_error>(parameters.size() == plan_.parameter_count && gradient.size() == plan_.parameter_count,
                             "differentiate", "numbers of parameters and gradients", plan_.parameter_count,
                             text(parameters.size(), " and ", gradient.size()));
        weights_.use(parameters, buffers);
        weights_.clear_gradient();
        differentiate(x, ids, settings, loss);
        if (!x.empty()) end(buffers, settings, gradient);
    }

private:
    struct run {
        std::size_t count;
        const training_settings& settings;
    };

    void begin(const images& x, std::span<const std::uint64_t> ids) {
        const std::size_t lanes = padded_lanes(x.size()), values = x.size() * batch_.elements();
        reserve(lanes);
        const training_arrays& scratch = memory_.arrays();
        weights_.take_gradient_back();
        weights_.pack();
        copy_values(place_.stream, scratch.images, x.data(), values, cudaMemcpyHostToDevice);
        std::vector<std::uint64_t> padded(lanes, ids.back());
        std::copy(ids.begin(), ids.end(), padded.begin());
        copy_values(place_.stream, scratch.ids, padded.data(), lanes, cudaMemcpyHostToDevice);
        launch_images_to_lanes(place_.stream, scratch.images, x.size(), batch_.elements(), lanes, place_.input);
        batch_.order().synchronize();  // the host's vectors may go
    }
    void end(std::span<float> buffers, const training_settings& settings, std::span<float> gradient) {
        copy_values(place_.stream, host_gradient_.data(), weights_.gradient(), plan_.parameter_count, cudaMemcpyDeviceToHost);
        if (settings.update_statistics)
            copy_values(place_.stream, buffers.data(), machine_.all_buffers(), buffers.size(), cudaMemcpyDeviceToHost);
        batch_.order().synchronize();
        constexpr std::size_t chunk = std::size_t{1} << 16;
        pool_->for_each(parts_of(gradient.size(), chunk), [&](std::size_t part, std::size_t) {
            for (std::size_t k = part * chunk; k < std::min(gradient.size(), (part + 1) * chunk); ++k)
                gradient[k] += host_gradient_.data()[k];
        });
    }
    /// All or nothing, so that the batch that the error names finds the room that it was told of.
    void reserve(std::size_t lanes) {
        try {
            batch_.reserve(lanes);
            memory_.reserve(lanes);
        } catch (const out_of_device_memory&) {
            batch_ = batch_session<Precision>(machine_, plan_.input(), plan_.classes());
            memory_ = training_memory<Precision>(machine_, plan_.input().size());
            throw no_room_for_lanes("a training batch on the device", lanes,
                                    [&](std::size_t fewer) { return fewer * batch_.bytes_per_lane() + memory_.bytes(fewer); });
        }
        place_ = batch_.place();
        place_.input_gradient = nullptr;
    }
    [[nodiscard]] float* gradient_of(std::size_t parameter) const {
        return weights_.gradient() + plan_.parameters[parameter].offset;
    }

    /// Values and classes are on their way to the host when it returns.
    template <class Loss>
    void evaluate_loss(const Loss& loss, const run& at) {
        using L = std::remove_cvref_t<decltype(loss.loss())>;
        static_assert(std::is_trivially_copyable_v<L>, "saddle: a loss is copied to the device byte by byte");
        const std::size_t lanes = place_.lanes;
        const training_arrays& scratch = memory_.arrays();
        host_values_.reserve(lanes), host_correct_.reserve(lanes);
        copy_values(place_.stream, scratch.labels, loss.truth().data(), at.count, cudaMemcpyHostToDevice);
        launch(place_.stream, training_loss<L>,
               {.operation = "loss of a training step", .blocks = parts_of(lanes, 64), .threads = 64}, loss.loss(),
               static_cast<const float*>(place_.logits), static_cast<const std::int32_t*>(scratch.labels),
               static_cast<int>(batch_.classes()), static_cast<int>(lanes), static_cast<int>(at.count), loss.factor(),
               place_.logits_gradient, scratch.values, scratch.correct);
        copy_values(place_.stream, host_values_.data(), scratch.values, at.count, cudaMemcpyDeviceToHost);
        copy_values(place_.stream, host_correct_.data(), scratch.correct, at.count, cudaMemcpyDeviceToHost);
    }
    template <class Loss>
    void call_loss(Loss& loss, const run& at) {
        const std::size_t classes = batch_.classes(), lanes = place_.lanes;
        host_logits_.reserve(2 * lanes * classes);
        float* const logits = host_logits_.data();
        float* const slopes = logits + lanes * classes;
        copy_values(place_.stream, logits, place_.logits, lanes * classes, cudaMemcpyDeviceToHost);
        batch_.order().synchronize();
        pool_->for_each(lanes / lane_step, [&](std::size_t part, std::size_t) {
            lane_vector<float> z(classes * lane_step), dz(classes * lane_step);
            const std::size_t first = part * lane_step, valid = std::min(lane_step, at.count - first);
            for (std::size_t k = 0; k < classes; ++k)
                std::copy_n(logits + k * lanes + first, lane_step, z.data() + k * lane_step);
            loss(static_cast<const float*>(z.data()), first, valid, dz.data());
            for (std::size_t k = 0; k < classes; ++k)
                for (std::size_t l = 0; l < lane_step; ++l) slopes[k * lanes + first + l] = l < valid ? dz[k * lane_step + l] : 0;
        });
        copy_values(place_.stream, place_.logits_gradient, slopes, lanes * classes, cudaMemcpyHostToDevice);
    }

    void forward(std::size_t i, const run& at) {
        const auto& op = machine_.list().steps[i].op;
        if (op.kind == operation_kind::batch_norm)
            norms_.forward(i, place_, at.count, at.settings.update_statistics, memory_.arrays().pairs);
        else if (op.kind == operation_kind::dropout)
            drop<false>(i, at);
        else
            machine_.forward(i, place_);
    }
    void backward(std::size_t i, const run& at) {
        const auto& s = machine_.list().steps[i];
        const auto& op = s.op;
        if (op.kind != operation_kind::batch_norm && op.kind != operation_kind::dropout) return machine_.backward(i, place_);
        if (!machine_.wants_gradient(op.input, place_)) return;
        if (op.kind == operation_kind::dropout) return drop<true>(i, at);
        norms_.backward(i, place_, at.count);
    }

    template <bool Backward>
    void drop(std::size_t i, const run& at) {
        const auto& s = machine_.list().steps[i];
        const random_stream draws({.seed = at.settings.seed,
                                   .purpose = purpose::dropout,
                                   .layer = static_cast<std::uint32_t>(s.source),
                                   .epoch = at.settings.epoch,
                                   .step = at.settings.step});
        const std::size_t elements = machine_.list().tensors[s.op.input].shape.size();
        machine_.typed(s.op.input, [&]<class T>(T*) {
            const T* const from = Backward ? machine_.template gradient<const T>(s.op.output, place_)
                                           : machine_.template value<const T>(s.op.input, place_);
            const auto to = Backward ? machine_.template place<T>(s.op.input, s.input_action, place_) : gradient_place<T>{};
            launch(place_.stream, dropout<T, Backward>,
                   {.operation = "dropout", .blocks = parts_of(parts_of(elements, 4) * place_.lanes, pointwise_threads)}, draws,
                   static_cast<const std::uint64_t*>(memory_.arrays().ids), static_cast<float>(s.op.rate),
                   static_cast<float>(1 / (1 - s.op.rate)), from, machine_.template value<T>(s.op.output, place_), to,
                   static_cast<std::uint32_t>(elements), static_cast<std::uint32_t>(place_.lanes));
        });
    }

    /// Adds what step i contributes to the gradient of the weights; its output's gradient is complete.
    void collect(std::size_t i, const run& at) {
        const auto& op = machine_.list().steps[i].op;
        const std::size_t lanes = place_.lanes;
        const extents out = machine_.list().tensors[op.output].shape;
        const training_arrays& scratch = memory_.arrays();
        const auto add = [&](std::size_t parts, float* first, float* second) {
            launch(place_.stream, add_channel_sums<>,
                   {.operation = "gradient of channels", .blocks = parts_of(out.channels, pointwise_threads)},
                   static_cast<const sum_pair*>(scratch.pairs), static_cast<int>(out.channels), static_cast<int>(parts), first,
                   second);
        };
        if (op.kind == operation_kind::convolution) {
            machine_.typed(op.output, [&]<class G>(G*) {
                const G* const dy = machine_.template gradient<const G>(op.output, place_);
                machine_.typed(op.input, [&]<class X>(X*) {
                    launch_weight_gradient<Precision>(place_.stream, machine_.convolution(i).forward,
                                                      machine_.template value<const X>(op.input, place_), dy, lanes,
                                                      scratch.partial, gradient_of(op.weight), machine_.wgmma_maps(place_));
                });
                if (op.bias != none)
                    add(launch_channel_sums(place_.stream, "gradient of a bias", out, lanes, at.count, bias_sums<G>{dy},
                                            scratch.pairs),
                        gradient_of(op.bias), nullptr);
            });
        } else if (op.kind == operation_kind::batch_norm) {
            norms_.collect(i, place_, at.count, scratch.pairs, gradient_of(op.weight), gradient_of(op.bias));
        } else if (op.kind == operation_kind::group_norm) {
            machine_.typed(op.input, [&]<class T>(T*) {
                const float* const moments = machine_.moments(i, place_);
                const group_slope_sums<T> sums{machine_.template value<const T>(op.input, place_),
                                               machine_.template gradient<const T>(op.output, place_),
                                               moments,
                                               moments + op.groups * lanes,
                                               static_cast<int>(lanes),
                                               static_cast<int>(out.channels / op.groups)};
                add(launch_channel_sums(place_.stream, "slopes", out, lanes, at.count, sums, scratch.pairs), gradient_of(op.bias),
                    gradient_of(op.weight));
            });
        }
    }

    plan plan_;
    worker_pool* pool_;
    machine<Precision> machine_;
    batch_session<Precision> batch_;
    device_weights<Precision> weights_;
    batch_memory place_{};
    training_batch_norm<Precision> norms_;
    training_memory<Precision> memory_;
    pinned_vector<float> host_gradient_, host_logits_, host_values_;
    pinned_vector<std::uint8_t> host_correct_;
};

}  // namespace saddle::cuda
