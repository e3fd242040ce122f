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

/// The step that covers epsilon in `steps` steps. At epsilon 0 any step does; 1 then.
[[nodiscard]] inline double share_of(double epsilon, std::size_t steps) {
    return epsilon > 0 ? epsilon / static_cast<double>(steps > 0 ? steps : 1) : 1;
}

}  // namespace saddle
