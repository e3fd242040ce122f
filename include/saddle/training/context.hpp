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

/// What an objective works with during one step: the batch, the current weights, and the gradient it adds to.
template <class Model>
class training_context {
public:
    using value_type = typename Model::value_type;
    using backend = typename Model::backend;
    using program_type = typename backend::template program<value_type>;
    using trainer_program_type = typename backend::template trainer_program<value_type>;

    training_context(Model& m, trainer_program_type& program, std::optional<program_type>& inference, worker_pool& pool,
                     const training_batch<value_type>& batch, const schedule_position& position, std::uint64_t seed, double scale,
                     std::span<value_type> gradient)
        : model_(&m), program_(&program), inference_(&inference), pool_(&pool), batch_(&batch), position_(position), seed_(seed),
          scale_(scale), gradient_(gradient) {}

    [[nodiscard]] const training_batch<value_type>& batch() const { return *batch_; }
    [[nodiscard]] const schedule_position& position() const { return position_; }
    [[nodiscard]] std::uint64_t seed() const { return seed_; }
    [[nodiscard]] worker_pool& pool() const { return *pool_; }
    [[nodiscard]] const plan& structure() const { return model_->structure(); }
    /// 1 / number of examples of the whole step: factor of each example's derivative, so that the gradient is that of the mean.
    [[nodiscard]] double scale() const { return scale_; }
    /// The flat gradient that the optimizer will receive.
    [[nodiscard]] std::span<value_type> gradient() const { return gradient_; }

    /// The inference program of the current weights: what the attack of a training step runs on.
    [[nodiscard]] const program_type& evaluation_program() const {
        const Model& current = *model_;
        if constexpr (requires { (*inference_)->update(current.parameters(), current.buffers()); }) {
            if (*inference_) {
                (*inference_)->update(current.parameters(), current.buffers());
                return **inference_;
            }
        }
        return inference_->emplace(current.structure(), current.parameters(), current.buffers());
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
        program_->differentiate(std::span<const value_type>(model_->parameters()), model_->buffers(), x,
                                std::span<const std::uint64_t>(batch_->ids), settings, loss, gradient_);
    }

private:
    Model* model_;
    trainer_program_type* program_;
    std::optional<program_type>* inference_;
    worker_pool* pool_;
    const training_batch<value_type>* batch_;
    schedule_position position_;
    std::uint64_t seed_;
    double scale_;
    std::span<value_type> gradient_;
};

}  // namespace saddle
