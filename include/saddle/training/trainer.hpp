#pragma once
#include "saddle/training/interruption.hpp"
#include "saddle/training/objective.hpp"
#include "saddle/training/observers.hpp"
#include "saddle/training/optimizer.hpp"
#include "saddle/training/recipe.hpp"
#include "saddle/training/trainer_settings.hpp"
#include "saddle/training/weight_store.hpp"

#include <chrono>
#include <optional>
#include <tuple>

namespace saddle {

/// Trains a model: `trainer t(model, objectives::natural(cross_entropy{}), sgd{}, schedules::cosine{}, settings, progress_bar{});
/// t.fit(train);`
///
/// Each step shuffles, gathers and augments a batch, lets the objective add its gradient and the optimizer change the weights;
/// the last, smaller batch of an epoch is used. Same bits for any number of threads. Observers are any objects with the methods
/// of observers.hpp; those given by name are kept by reference, so they can be read afterwards. Draws: core/philox.hpp, keyed by
/// (seed, epoch, step, example).
template <class Model, class Objective, class Optimizer, class Schedule, class... Observers>
class trainer {
public:
    using value_type = typename Model::value_type;
    static_assert(
        requires { typename Model::backend::template trainer_program<value_type>; },
        "saddle: this model cannot be trained: its backend has no trainer_program (docs/training.md)");
    static_assert(saddle::Objective<Objective, Model>,
                  "saddle: the second argument of a trainer is not an objective: it needs `objective_result "
                  "differentiate(context, state) const` (docs/training.md)");
    static_assert(saddle::Optimizer<Optimizer, value_type>,
                  "saddle: the third argument of a trainer is not an optimizer (docs/training.md)");
    static_assert(saddle::Schedule<Schedule>,
                  "saddle: the fourth argument of a trainer is not a schedule: it must map a schedule_position to a factor "
                  "(docs/training.md)");

    /// Throws invalid_argument when a part is outside its documented range.
    trainer(Model& model, Objective objective, Optimizer optimizer, Schedule schedule, trainer_settings settings,
            Observers... observers)
        : model_(&model), objective_(std::move(objective)), optimizer_(std::move(optimizer)), schedule_(std::move(schedule)),
          settings_(settings), observers_(std::forward<Observers>(observers)...), weights_(model) {
        settings_.validate("trainer_settings");
        optimizer_.validate("trainer");
        if constexpr (requires { schedule_.validate("trainer"); }) schedule_.validate("trainer");
        if constexpr (requires { objective_.validate("trainer"); }) objective_.validate("trainer");
    }

    /// Trains from the model's current weights, or from a checkpoint where an observer restores one.
    ///
    /// Throws data_error or shape_error for data that does not fit the model, numeric_error when the loss, the gradient or the
    /// weights stop being finite (the model keeps the weights from before that step), interrupted after Ctrl-C (see
    /// interruption.hpp; checkpoints are written first), and what observers throw.
    training_result fit(const dataset& train) {
        check_data(train);
        data_ = &train;
        worker_pool pool(settings_.threads);
        training_programs<Model> programs(model_->structure(), pool);
        start();
        [[maybe_unused]] const auto attached = weights_.attach(programs);
        detail::restore(observers_, *this);
        require<io_error>(position_.epoch <= settings_.epochs && position_.step < position_.steps_per_epoch, "trainer",
                          "restored position", text("a step of ", settings_.epochs, " epochs of ", position_.steps_per_epoch),
                          text("step ", position_.step, " of epoch ", position_.epoch));
        if (!detail::all_finite<value_type>(model_->parameters()) || !detail::all_finite<value_type>(model_->buffers()))
            throw numeric_error(
                "trainer: the model's weights are not finite before the first step; initialize or load them again");
        detail::notify_begin(observers_, *this);
        std::vector<std::uint32_t> order;
        while (position_.epoch < settings_.epochs && !result_.stopped) {
            if (interruption::requested()) stop_for_user();
            if (position_.step == 0) begin_epoch(pool);
            if (position_.step == 0 || order.empty()) order = order_of(position_.epoch);
            finish(step(order, programs, pool));
        }
        (void)weights_.model();  // current from here on
        detail::save(observers_, *this, save_reason::end);
        detail::notify_end(observers_, result_, *this);
        return result_;
    }

    /// The model; observers who ask for it here see the weights of the last step, wherever the backend keeps them.
    [[nodiscard]] Model& model() { return weights_.model(); }
    [[nodiscard]] const trainer_settings& settings() const { return settings_; }
    /// Whether an observer ended the training, in this run or in the one that a checkpoint comes from.
    [[nodiscard]] bool stopped() const { return result_.stopped; }
    /// The next step to do.
    [[nodiscard]] const schedule_position& position() const { return position_; }

    /// Everything that decides the result, for comparison with a checkpoint's; for observers, during fit.
    [[nodiscard]] const recipe& describe() {
        if (recipe_) return *recipe_;
        recipe& r = recipe_.emplace();
        r("value_type", sizeof(value_type) == 4 ? "float" : "double");
        r.part("settings", settings_);
        r.part("optimizer", optimizer_);
        r.part("schedule", schedule_);
        r.part("objective", objective_);
        describe_network(r, model_->structure());
        describe_data(r, *data_);
        return r;
    }
    /// Visits all that changes during training except the weights and buffers: archive(name, span, vector or number).
    template <class Archive>
    void fields(Archive&& archive) {
        archive("epoch", position_.epoch);
        archive("step", position_.step);
        archive("stopped", result_.stopped);
        archive("loss_of_epoch", sums_.loss);
        archive("correct_of_epoch", correct_);
        archive("examples_of_epoch", sums_.examples);
        archive("rate_of_epoch", sums_.learning_rate);
        archive("seconds_of_epoch", sums_.seconds);
        const auto under = [&](const std::string& prefix) {
            return [&archive, prefix](std::string_view name, auto&& field) { archive(prefix + std::string(name), field); };
        };
        result_.epochs.fields(under("history."));
        weights_.state().fields(under("optimizer."));
        objective_state_.fields(under("objective."));
        std::size_t index = 0;
        std::apply([&](auto&... observer) { (detail::visit_fields(observer, under(text("observer.", index++, '.'))), ...); },
                   observers_);
    }

private:
    void check_data(const dataset& train) const {
        validate(train);
        const plan& p = model_->structure();
        const std::string where = text("trainer: data set '", train.name, "'");
        require<shape_error>(train.x.each() == p.input(), where, "extents of an image", p.input(), train.x.each());
        require<shape_error>(train.classes == p.classes(), where, "number of classes", text(p.classes(), " (the model's logits)"),
                             train.classes);
        require<data_error>(train.size() <= 0xffffffff, where, "number of images", "at most 4294967295", train.size());
    }
    void start() {
        recipe_.reset();
        position_ = {0, 0, data_->size() / settings_.batch_size + (data_->size() % settings_.batch_size != 0), settings_.epochs};
        result_ = {};
        sums_ = {};
        correct_ = 0;
        weights_.start(optimizer_);
        if constexpr (requires { objective_.template start<value_type>(*data_); })
            objective_state_ = objective_.template start<value_type>(*data_);
        else
            objective_state_ = {};
    }
    void begin_epoch(worker_pool& pool) {
        detail::notify_epoch_begin(observers_, position_, *this);
        if constexpr (requires(const epoch_context<Model>& at) { objective_.begin_epoch(at, objective_state_); }) {
            const auto begin = std::chrono::steady_clock::now();
            try {
                const auto report = [&](std::string_view work, std::size_t done, std::size_t total) {
                    detail::notify_work(observers_, work, done, total);
                };
                objective_.begin_epoch(epoch_context<Model>{*model_, *data_, position_, pool, report}, objective_state_);
            } catch (const interrupted&) {
                stop_for_user();
            }
            sums_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
        }
    }
    std::vector<std::uint32_t> order_of(std::size_t epoch) const {
        if (settings_.shuffle)
            return permutation(
                data_->size(),
                random_stream({.seed = settings_.seed, .purpose = purpose::shuffle, .epoch = static_cast<std::uint32_t>(epoch)}));
        std::vector<std::uint32_t> order(data_->size());
        std::iota(order.begin(), order.end(), 0u);
        return order;
    }
    void gather(std::span<const std::uint32_t> chosen, worker_pool& pool) {
        if (batch_.x.size() != chosen.size())
            batch_ = {basic_images<value_type>(chosen.size(), data_->x.each()), labels(chosen.size()),
                      std::vector<std::uint64_t>(chosen.size())};
        pool.for_each(chosen.size(), [&](std::size_t i, std::size_t) {
            const auto source = data_->x[chosen[i]];
            const auto target = batch_.x[i];
            if (!settings_.augment) {
                std::copy(source.begin(), source.end(), target.begin());
            } else {
                std::vector<float> moved(source.size());
                settings_.augment->apply(source, moved, data_->x.each(), chosen[i], static_cast<std::uint32_t>(position_.epoch),
                                         settings_.seed);
                std::copy(moved.begin(), moved.end(), target.begin());
            }
            batch_.y[i] = data_->y[chosen[i]];
            batch_.ids[i] = chosen[i];
        });
    }

    step_record step(std::span<const std::uint32_t> order, training_programs<Model>& programs, worker_pool& pool) {
        const auto begin = std::chrono::steady_clock::now();
        const std::size_t first = position_.step * settings_.batch_size,
                          count = std::min(settings_.batch_size, order.size() - first);
        weights_.begin_step();
        objective_result sum;
        double rate = 0;
        try {
            const std::size_t each = (count + settings_.accumulation - 1) / settings_.accumulation;
            for (std::size_t part = 0; part < count; part += each) {
                gather(order.subspan(first + part, std::min(each, count - part)), pool);
                const training_context<Model> context(*model_, programs, pool, batch_, position_, settings_.seed,
                                                      1. / static_cast<double>(count), weights_.gradient());
                sum += objective_.differentiate(context, objective_state_);
            }
            require_finite(std::isfinite(sum.loss), "the loss");
            require_finite(weights_.gradient_is_finite(), "the gradient");
            rate = optimizer_.learning_rate * schedule_(position_);
            require_finite(std::isfinite(rate) && rate >= 0, "the learning rate of the schedule");
            weights_.update(optimizer_, rate, pool);
            require_finite(weights_.are_finite(), "a weight or running statistic");
        } catch (...) {
            weights_.undo_step();
            throw;
        }
        const double examples = static_cast<double>(count);
        correct_ += sum.correct;
        sums_.loss += sum.loss;
        const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
        return {position_, count, sum.loss / examples, static_cast<double>(sum.correct) / examples, rate, taken.count()};
    }
    void require_finite(bool finite, std::string_view what) const {
        if (!finite)
            throw numeric_error(text("trainer: ", what, " is not a finite number in step ", position_.step, " of epoch ",
                                     position_.epoch,
                                     "; the model keeps the weights from before this step. Try a smaller learning rate (now ",
                                     optimizer_.learning_rate, "), a schedule that starts low, or normalised inputs"));
    }

    void finish(const step_record& record) {
        sums_.examples += record.examples;
        sums_.learning_rate = record.learning_rate;
        sums_.seconds += record.seconds;
        ++position_.step;
        const bool ends = position_.step == position_.steps_per_epoch;
        if (ends) (void)weights_.model();  // current for all who hold it
        bool stop = detail::notify_step(observers_, record, *this) == training_action::stop;
        save_reason reason = save_reason::step;
        if (ends) {
            const double examples = static_cast<double>(sums_.examples);
            epoch_record epoch{position_.epoch,
                               settings_.epochs,
                               sums_.examples,
                               sums_.loss / examples,
                               static_cast<double>(correct_) / examples,
                               sums_.learning_rate,
                               sums_.seconds};
            if constexpr (requires { objective_.measures(objective_state_); })
                epoch.measures = objective_.measures(objective_state_);
            result_.epochs.add(epoch);
            position_.step = 0;
            ++position_.epoch;
            sums_ = {};
            correct_ = 0;
            stop = detail::notify_epoch(observers_, epoch, *this) == training_action::stop || stop;
            reason = save_reason::epoch;
        }
        result_.stopped = stop;
        detail::save(observers_, *this, reason);
    }
    [[noreturn]] void stop_for_user() {
        detail::save(observers_, *this, save_reason::interruption);
        throw interrupted(text("training interrupted before step ", position_.step + 1, " of epoch ", position_.epoch + 1, " of ",
                               settings_.epochs));
    }

    Model* model_;
    Objective objective_;
    Optimizer optimizer_;
    Schedule schedule_;
    trainer_settings settings_;
    std::tuple<Observers...> observers_;
    const dataset* data_ = nullptr;
    std::optional<recipe> recipe_;

    schedule_position position_;
    training_result result_;
    epoch_record sums_;
    std::size_t correct_ = 0;
    objective_state<Objective, value_type> objective_state_;
    training_batch<value_type> batch_;
    detail::weight_store<Model, Optimizer> weights_;
};

template <class Network, class Shape, class Backend, class T, class Objective, class Optimizer, class Schedule,
          class... Observers>
trainer(model<Network, Shape, Backend, T>&, Objective, Optimizer, Schedule, trainer_settings, Observers&&...)
    -> trainer<weighted_plan<Backend, T>, Objective, Optimizer, Schedule, Observers...>;
template <class Model, class Objective, class Optimizer, class Schedule, class... Observers>
trainer(Model&, Objective, Optimizer, Schedule, trainer_settings, Observers&&...)
    -> trainer<Model, Objective, Optimizer, Schedule, Observers...>;

}  // namespace saddle
