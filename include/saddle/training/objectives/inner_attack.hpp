#pragma once
#include "saddle/attacks/perturb.hpp"
#include "saddle/training/context.hpp"

namespace saddle {

/// The batch's images after an attack on the current weights in evaluation mode: the inner maximum of adversarial training.
///
/// Random starts are keyed by the attack's seed plus the trainer's, the epoch and the example's id: new ones every epoch, the
/// same for any batch size and number of threads. The result is a constant of the outer gradient. Throws what perturb throws.
/// Deviation: Madry's reference runs the attack with batch norm in training mode; TRADES, MART and most others as here.
template <class Model, class A>
[[nodiscard]] basic_images<typename Model::value_type> attack_batch(const training_context<Model>& context, A attack) {
    if constexpr (requires { attack.seed += context.seed(); }) attack.seed += context.seed();
    const auto& batch = context.batch();
    run_settings settings;
    settings.ids = batch.ids;
    settings.epoch = static_cast<std::uint32_t>(context.position().epoch);
    settings.examples_only = true;
    return std::move(perturb(attack, context.evaluation_program(), batch.x, batch.y, context.pool(), settings).adversarial);
}

}  // namespace saddle
