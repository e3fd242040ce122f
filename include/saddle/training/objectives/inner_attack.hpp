#pragma once
#include "saddle/attacks/perturb.hpp"
#include "saddle/training/context.hpp"

namespace saddle {

/// Some images of the step after an attack on the current weights in evaluation mode: the inner maximum of adversarial training.
///
/// `part` holds examples of the batch, in any order. Random starts are keyed by the attack's seed plus the trainer's, the epoch and
/// the example's id: new ones every epoch, the same for any batch size and number of threads. The result is a constant of the outer
/// gradient. Throws what perturb throws. Deviation: Madry's reference runs the attack with batch norm in training mode; TRADES, MART
/// and most others as here.
template <class Model, class A>
[[nodiscard]] basic_images<typename Model::value_type> attack_images(const training_context<Model>& context, A attack,
                                                                     const training_batch<typename Model::value_type>& part) {
    if constexpr (requires { attack.seed += context.seed(); }) attack.seed += context.seed();
    run_settings settings;
    settings.ids = part.ids;
    settings.epoch = static_cast<std::uint32_t>(context.position().epoch);
    settings.examples_only = true;
    return std::move(perturb(attack, context.evaluation_program(), part.x, part.y, context.pool(), settings).adversarial);
}

/// All images of the batch after an attack, see attack_images.
template <class Model, class A>
[[nodiscard]] basic_images<typename Model::value_type> attack_batch(const training_context<Model>& context, A attack) {
    return attack_images(context, std::move(attack), context.batch());
}

}  // namespace saddle
