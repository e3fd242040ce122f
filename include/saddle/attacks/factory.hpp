#pragma once
#include "saddle/attacks/gradient_attack.hpp"

namespace saddle {

/// A gradient attack with this epsilon; a projection without a radius of its own (box_only) keeps what it has.
template <class Projection, class Loss>
[[nodiscard]] gradient_attack<Loss, Projection> make_gradient_attack(std::string_view name, const Loss& loss, double epsilon) {
    gradient_attack<Loss, Projection> attack;
    attack.name = name;
    attack.loss = loss;
    if constexpr (requires { attack.projection.epsilon = epsilon; }) attack.projection.epsilon = epsilon;
    return attack;
}

/// The same with those members of the settings that a gradient attack has under the same name.
template <class Projection, class Loss, class Settings>
[[nodiscard]] gradient_attack<Loss, Projection> make_gradient_attack(std::string_view name, const Loss& loss, const Settings& s) {
    auto attack = make_gradient_attack<Projection>(name, loss, double{s.epsilon});
    attack.targets = s.targets;
    attack.seed = s.seed;
    if constexpr (requires { s.steps; }) attack.steps = s.steps;
    if constexpr (requires { s.restarts; }) attack.restarts = s.restarts;
    if constexpr (requires { s.start; }) attack.start = s.start;
    if constexpr (requires { s.start_scale; }) attack.start_scale = s.start_scale;
    if constexpr (requires { s.keep; }) attack.keep = s.keep;
    if constexpr (requires { s.early_stop; }) attack.early_stop = s.early_stop;
    return attack;
}

/// The step that covers epsilon in `steps` steps. At epsilon 0 any step does; 1 then.
[[nodiscard]] inline double share_of(double epsilon, std::size_t steps) {
    return epsilon > 0 ? epsilon / static_cast<double>(steps > 0 ? steps : 1) : 1;
}

}  // namespace saddle
