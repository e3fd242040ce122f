#pragma once
#include "saddle/core/images.hpp"
#include "saddle/core/worker_pool.hpp"
#include "saddle/nn/model.hpp"
#include "saddle/nn/training_settings.hpp"
#include "saddle/training/schedules.hpp"

#include <optional>

namespace saddle {

/// The examples of one step, or of one part of it: images [N,C,H,W], labels, and who they are (their index in the data set).
template <class T>
struct training_batch {
    basic_images<T> x;
    labels y;
    std::vector<std::uint64_t> ids;

    [[nodiscard]] std::size_t size() const { return ids.size(); }
};

/// What an objective reports of its part of a batch: the sum of its loss over the examples, and how many were classified
/// correctly.
struct objective_result {
    double loss = 0;
    std::size_t correct = 0;

    objective_result& operator+=(const objective_result& other) {
        loss += other.loss;
        correct += other.correct;
        return *this;
    }
};

namespace detail {

struct no_interval_trainer {};
template <class Backend, class T>
struct interval_trainer_of {
    using type = no_interval_trainer;
};
template <class Backend, class T>
    requires requires { typename Backend::template interval_trainer<T>; }
struct interval_trainer_of<Backend, T> {
    using type = typename Backend::template interval_trainer<T>;
};

}  // namespace detail

/// A trainer_program that can keep weights and gradient from step to step, in its `weights()` (backend/cuda/weights.cuh).
template <class Program>
concept KeepsWeights = requires(Program& p) {
    p.weights();
};

/// The programs that a training runs on: made when first needed, kept from step to step.
template <class Model>
struct training_programs {
    using backend = typename Model::backend;
    using value_type = typename Model::value_type;

    using training_type = typename backend::template trainer_program<value_type>;

    training_type training;
    std::optional<typename backend::template program<value_type>> inference{};
    std::optional<typename detail::interval_trainer_of<backend, value_type>::type> intervals{};
    bool resident = false;  ///< the weights are those of `training`; the model's are older

    training_programs(const plan& structure, worker_pool& pool) : training(structure, pool) {}
};

/// What an objective works with during one step: the batch, the current weights, and the gradient it adds to.
template <class Model>
class training_context {
public:
    using value_type = typename Model::value_type;
    using backend = typename Model::backend;
    using program_type = typename backend::template program<value_type>;

    training_context(Model& m, training_programs<Model>& programs, worker_pool& pool, const training_batch<value_type>& batch,
                     const schedule_position& position, std::uint64_t seed, double scale, std::span<value_type> gradient)
        : model_(&m), programs_(&programs), pool_(&pool), batch_(&batch), position_(position), seed_(seed), scale_(scale),
          gradient_(gradient) {}

    [[nodiscard]] const training_batch<value_type>& batch() const { return *batch_; }
    [[nodiscard]] const schedule_position& position() const { return position_; }
    [[nodiscard]] std::uint64_t seed() const { return seed_; }
    [[nodiscard]] worker_pool& pool() const { return *pool_; }
    [[nodiscard]] const plan& structure() const { return model_->structure(); }
    /// 1 / number of examples of the whole step: factor of each example's derivative, so that the gradient is that of the mean.
    [[nodiscard]] double scale() const { return scale_; }
    /// The flat gradient that the optimizer will receive, as far as it is; an objective may add to it.
    [[nodiscard]] std::span<value_type> gradient() const {
        if constexpr (keeps_weights)
            if (programs_->resident) programs_->training.weights().lend_gradient(gradient_);
        return gradient_;
    }

    /// The inference program of the current weights: what the attack of a training step runs on.
    [[nodiscard]] const program_type& evaluation_program() const {
        const Model& current = *model_;
        auto& program = programs_->inference;
        if constexpr (keeps_weights)
            if (programs_->resident) {
                if (!program) program.emplace(current.structure(), current.parameters(), current.buffers());
                program->update(programs_->training.weights());
                return *program;
            }
        if constexpr (requires { program->update(current.parameters(), current.buffers()); }) {
            if (program) {
                program->update(current.parameters(), current.buffers());
                return *program;
            }
        }
        return program.emplace(current.structure(), current.parameters(), current.buffers());
    }
    /// Runs `x` (images of the batch's examples, in its order) through the network in training mode and adds the gradient of the
    /// weights. loss(const T* logits [K][lane], std::size_t first, std::size_t count, T* derivative [K][lane]) is called per
    /// block, by several threads.
    template <class BlockLoss>
    void differentiate(const basic_images<value_type>& x, BlockLoss&& loss, bool update_statistics = true) const {
        const training_settings settings{.seed = seed_,
                                         .epoch = static_cast<std::uint32_t>(position_.epoch),
                                         .step = static_cast<std::uint32_t>(position_.step),
                                         .update_statistics = update_statistics};
        if constexpr (keeps_weights)
            if (programs_->resident)
                return programs_->training.differentiate(x, std::span<const std::uint64_t>(batch_->ids), settings, loss);
        programs_->training.differentiate(std::span<const value_type>(model_->parameters()), model_->buffers(), x,
                                          std::span<const std::uint64_t>(batch_->ids), settings, loss, gradient_);
    }
    /// Propagates boxes lower <= x <= upper (of the batch's examples, in its order) through the network in evaluation mode and adds
    /// the gradient of the weights. loss(const T* bounds [K][lane], first, count, T* derivative [K][lane]) is called per block with
    /// upper bounds of logit[k] - logit[label]. Throws what the backend's interval_trainer does.
    template <class BlockLoss>
    void differentiate_bounds(const basic_images<value_type>& lower, const basic_images<value_type>& upper,
                              BlockLoss&& loss) const {
        constexpr bool has_intervals = requires { typename backend::template interval_trainer<value_type>; };
        static_assert(has_intervals,
                      "saddle: this backend has no interval_trainer: IBP training needs backend::cpu (docs/training.md)");
        if constexpr (has_intervals) {
            if (!programs_->intervals) programs_->intervals.emplace(model_->structure(), *pool_);
            const Model& current = *model_;
            programs_->intervals->differentiate(current.parameters(), current.buffers(), lower, upper, batch_->y, loss,
                                                gradient());
        }
    }

private:
    static constexpr bool keeps_weights = KeepsWeights<typename training_programs<Model>::training_type>;

    Model* model_;
    training_programs<Model>* programs_;
    worker_pool* pool_;
    const training_batch<value_type>* batch_;
    schedule_position position_;
    std::uint64_t seed_;
    double scale_;
    std::span<value_type> gradient_;
};

}  // namespace saddle
