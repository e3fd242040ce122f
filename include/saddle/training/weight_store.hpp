#pragma once
#include "saddle/training/context.hpp"
#include "saddle/training/optimizer.hpp"

#include <memory>
#include <utility>
#include <variant>

namespace saddle::detail {

template <class T>
bool all_finite(std::span<const T> values) {
    int bad = 0;
    for (const T v : values) bad |= !(std::abs(v) <= std::numeric_limits<T>::max());
    return bad == 0;
}

/// What a training has on the host, whoever updates it.
template <class Model, class Optimizer>
class training_arrays {
public:
    using value_type = typename Model::value_type;
    using state_type = typename Optimizer::template state<value_type>;

    explicit training_arrays(Model& m) : model_(&m) {}
    void start(const Optimizer& optimizer) {
        state_ = optimizer.template start<value_type>(model_->structure());
        gradient_.resize(model_->structure().parameter_count);
    }
    [[nodiscard]] std::span<value_type> gradient() { return gradient_; }

protected:
    Model* model_;
    state_type state_;
    lane_vector<value_type> gradient_;
};

/// A training's weights and optimizer state where the model has them and the processor updates them.
template <class Model, class Optimizer>
class host_weights : public training_arrays<Model, Optimizer> {
    using base = training_arrays<Model, Optimizer>;
    using base::model_, base::state_, base::gradient_;

public:
    using base::base;
    using typename base::state_type, typename base::value_type;

    [[nodiscard]] std::monostate attach(training_programs<Model>&) { return {}; }

    /// Up to date, and free to change until the next step.
    [[nodiscard]] Model& model() { return *model_; }
    [[nodiscard]] state_type& state() { return state_; }

    void begin_step() {
        parameters_.assign(model_->parameters().begin(), model_->parameters().end());
        buffers_.assign(model_->buffers().begin(), model_->buffers().end());
        std::fill(gradient_.begin(), gradient_.end(), value_type(0));
    }
    [[nodiscard]] bool gradient_is_finite() const { return all_finite<value_type>(gradient_); }
    void update(const Optimizer& optimizer, double rate, worker_pool& pool) {
        optimizer.update(state_, model_->parameters(), std::span<const value_type>(gradient_), rate, pool);
    }
    [[nodiscard]] bool are_finite() const {
        return all_finite<value_type>(model_->parameters()) && all_finite<value_type>(model_->buffers());
    }
    void undo_step() {
        std::copy(parameters_.begin(), parameters_.end(), model_->parameters().begin());
        std::copy(buffers_.begin(), buffers_.end(), model_->buffers().begin());
    }

private:
    lane_vector<value_type> parameters_, buffers_;  ///< from before the step
};

/// The same where the training program keeps and updates them. The model's are refreshed when model() or state() is asked for, and
/// taken back before the next step. Objectives that ask for the gradient are lent it.
template <class Model, class Optimizer>
class resident_weights : public training_arrays<Model, Optimizer> {
    using base = training_arrays<Model, Optimizer>;
    using base::model_, base::state_;

public:
    using base::base;
    using typename base::state_type, typename base::value_type;

    /// Until what it returns goes, weights are those of the programs; afterwards the model has them.
    [[nodiscard]] auto attach(training_programs<Model>& programs) {
        programs_ = &programs;
        programs.resident = true;
        lent_ = current_ = true;
        const auto detach = [](resident_weights* self) {
            try {
                self->refresh();
            } catch (const error&) {  // the device is lost, which the error that ends the training tells
            }
            self->programs_ = nullptr;
        };
        return std::unique_ptr<resident_weights, decltype(detach)>(this, detach);
    }

    [[nodiscard]] Model& model() {
        refresh();
        return *model_;
    }
    [[nodiscard]] state_type& state() {
        refresh();
        return state_;
    }

    void begin_step() {
        if (std::exchange(lent_, false)) kept().load(model_->parameters(), model_->buffers(), state_);
        current_ = false;
        kept().begin_step();
    }
    [[nodiscard]] bool gradient_is_finite() { return kept().gradient_is_finite(); }
    void update(const Optimizer& optimizer, double rate, worker_pool&) {
        kept().update(optimizer.template rule<value_type>(state_, rate));
    }
    [[nodiscard]] bool are_finite() { return kept().are_finite(); }
    void undo_step() { kept().undo_step(); }

private:
    auto& kept() { return programs_->training.weights(); }
    void refresh() {
        if (!programs_) return;
        if (!current_) kept().store(model_->parameters(), model_->buffers(), state_);
        lent_ = current_ = true;
    }

    training_programs<Model>* programs_ = nullptr;
    bool lent_ = true;     ///< the host may have changed its copy
    bool current_ = true;  ///< the host's copy is that of the device
};

template <class Model, class Optimizer>
inline constexpr bool keeps_weights =
    KeepsWeights<typename training_programs<Model>::training_type>&& ElementwiseOptimizer<Optimizer, typename Model::value_type>;

template <class Model, class Optimizer>
using weight_store =
    std::conditional_t<keeps_weights<Model, Optimizer>, resident_weights<Model, Optimizer>, host_weights<Model, Optimizer>>;

}  // namespace saddle::detail
