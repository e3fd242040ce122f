#pragma once
#include "saddle/data/dataset.hpp"
#include "saddle/training/context.hpp"

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

/// What an objective carries from step to step (a perturbation or an epsilon per example, class centres): its `state<T>`, or
/// nothing.
template <class O, class T>
using objective_state = typename detail::objective_state<O, T>::type;

/// An objective: one step's loss and gradients.
///   template <class Model> objective_result differentiate(const training_context<Model>&, state&) const;   // adds to
///   context.gradient()
/// and as wanted
///   template <class T> struct state { template <class Archive> void fields(Archive&&); };   // saved in checkpoints
///   template <class T> state<T> start(const dataset& train) const;                          // once, before the first step
///   void validate(std::string_view where) const;                                                                     // throws
///   invalid_argument template <class V> void describe(V&& visit) const;                                      // what a
///   checkpoint must match
template <class O, class Model>
concept Objective = requires(const O& o, const training_context<Model>& context,
                             objective_state<O, typename Model::value_type>& state) {
    { o.differentiate(context, state) } -> std::same_as<objective_result>;
};

}  // namespace saddle
