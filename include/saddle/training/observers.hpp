#pragma once
#include "saddle/training/records.hpp"

#include <tuple>

/// Observers of a training are objects of any type with any of these methods; each may take the trainer as a last argument.
///   train_begin()   epoch_begin(const schedule_position&)   step_end(const step_record&)   epoch_end(const epoch_record&)
///   train_end(const training_result&)
///   work(std::string_view name, std::size_t done, std::size_t total)   of an objective, between epochs
/// step_end and epoch_end may return a training_action to end the training after that step. Two more serve checkpoints:
///   restore(trainer&)              before the first step: may set the trainer's fields, weights and buffers
///   save(trainer&, save_reason)    after all observers have seen the step (and epoch), at the end, and when the user interrupts
/// An observer with `fields(archive)` has its state saved in checkpoints (training/records.hpp shows one).

namespace saddle::detail {

/// Calls call(observer) for each observer and returns stop when any of the calls did.
template <class Observers, class Call>
training_action ask_each(Observers& observers, Call&& call) {
    bool stop = false;
    const auto ask = [&](auto& observer) {
        using answer = decltype(call(observer));
        if constexpr (std::is_same_v<answer, training_action>)
            stop = call(observer) == training_action::stop || stop;
        else
            call(observer);
    };
    std::apply([&](auto&... observer) { (ask(observer), ...); }, observers);
    return stop ? training_action::stop : training_action::go_on;
}

template <class Observers, class Trainer>
void notify_begin(Observers& observers, Trainer& trainer) {
    ask_each(observers, [&](auto& o) {
        if constexpr (requires { o.train_begin(trainer); })
            o.train_begin(trainer);
        else if constexpr (requires { o.train_begin(); })
            o.train_begin();
    });
}

template <class Observers, class Trainer>
void notify_epoch_begin(Observers& observers, const schedule_position& at, Trainer& trainer) {
    ask_each(observers, [&](auto& o) {
        if constexpr (requires { o.epoch_begin(at, trainer); })
            o.epoch_begin(at, trainer);
        else if constexpr (requires { o.epoch_begin(at); })
            o.epoch_begin(at);
    });
}

template <class Observers>
void notify_work(Observers& observers, std::string_view name, std::size_t done, std::size_t total) {
    ask_each(observers, [&](auto& o) {
        if constexpr (requires { o.work(name, done, total); }) o.work(name, done, total);
    });
}

template <class Observers, class Trainer>
training_action notify_step(Observers& observers, const step_record& record, Trainer& trainer) {
    return ask_each(observers, [&](auto& o) {
        if constexpr (requires { o.step_end(record, trainer); })
            return o.step_end(record, trainer);
        else if constexpr (requires { o.step_end(record); })
            return o.step_end(record);
    });
}

template <class Observers, class Trainer>
training_action notify_epoch(Observers& observers, const epoch_record& record, Trainer& trainer) {
    return ask_each(observers, [&](auto& o) {
        if constexpr (requires { o.epoch_end(record, trainer); })
            return o.epoch_end(record, trainer);
        else if constexpr (requires { o.epoch_end(record); })
            return o.epoch_end(record);
    });
}

template <class Observers, class Trainer>
void notify_end(Observers& observers, const training_result& result, Trainer& trainer) {
    ask_each(observers, [&](auto& o) {
        if constexpr (requires { o.train_end(result, trainer); })
            o.train_end(result, trainer);
        else if constexpr (requires { o.train_end(result); })
            o.train_end(result);
    });
}

template <class Observers, class Trainer>
void restore(Observers& observers, Trainer& trainer) {
    ask_each(observers, [&](auto& o) {
        if constexpr (requires { o.restore(trainer); }) o.restore(trainer);
    });
}

template <class Observers, class Trainer>
void save(Observers& observers, Trainer& trainer, save_reason reason) {
    ask_each(observers, [&](auto& o) {
        if constexpr (requires { o.save(trainer, reason); }) o.save(trainer, reason);
    });
}

template <class Observer, class Archive>
void visit_fields(Observer& observer, Archive&& archive) {
    if constexpr (requires { observer.fields(archive); }) observer.fields(archive);
}

}  // namespace saddle::detail
