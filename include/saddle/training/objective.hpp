#pragma once
#include "saddle/data/dataset.hpp"
#include "saddle/training/context.hpp"

#include <functional>
#include <string_view>

namespace saddle {

/// The state of an objective that carries nothing from step to step.
struct no_state {
    template <class Archive>
    void fields(Archive&&) {}
};

namespace detail {

template <class Objective, class T>
struct objective_state {
    using type = no_state;
};
template <class Objective, class T>
    requires requires { typename Objective::template state<T>; }
struct objective_state<Objective, T> {
    using type = typename Objective::template state<T>;
};

}  // namespace detail

/// What an objective may look at before the first step of an epoch: all data, and the weights so far.
template <class Model>
struct epoch_context {
    const Model& model;
    const dataset& data;
    schedule_position position;
    worker_pool& pool;
    /// Tells observers how far work of this name is, see observers.hpp. From one thread at a time.
    std::function<void(std::string_view work, std::size_t done, std::size_t total)> report;
};

/// What an objective carries from step to step (a perturbation or an epsilon per example, class centres): its `state<T>`, or
/// nothing.
template <class O, class T>
using objective_state = typename detail::objective_state<O, T>::type;

/// An objective: one step's loss and gradients, `differentiate(const training_context<Model>&, state&) const`, which adds to
/// context.gradient() and returns an objective_result.
///
/// As wanted: `template <class T> struct state` with `fields(archive)`, saved in checkpoints; `start<T>(train) const`, its value
/// before the first step; `begin_epoch(const epoch_context<Model>&, state&) const`, called before the first step of every epoch, which
/// may throw `interrupted`; `measures(const state&) const`, a vector of measures for the epoch's record; `validate(where) const`,
/// which throws invalid_argument; `describe(visit) const`, what a checkpoint must match.
template <class O, class Model>
concept Objective = requires(const O& o, const training_context<Model>& context,
                             objective_state<O, typename Model::value_type>& state) {
    { o.differentiate(context, state) } -> std::same_as<objective_result>;
};

}  // namespace saddle
