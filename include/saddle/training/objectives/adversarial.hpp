#pragma once
#include "saddle/losses/cross_entropy.hpp"
#include "saddle/training/loss_gradient.hpp"
#include "saddle/training/objective.hpp"
#include "saddle/training/objectives/inner_attack.hpp"

namespace saddle::objectives {

/// Adversarial training (Madry et al. 2018, eq. 2.1): the mean loss at attack(x). Accuracy is that on the attacked images.
///
/// `adversarial(pgd{...})`, or with a loss other than cross-entropy `adversarial(pgd{...}, label_smoothed{})`; the attack's own
/// loss is a matter of the attack.
template <class Attack, class Loss = cross_entropy>
struct adversarial {
    Attack attack;
    Loss loss;

    explicit adversarial(Attack a, Loss l = {}) : attack(std::move(a)), loss(std::move(l)) {}

    template <class Model>
    objective_result differentiate(const training_context<Model>& context, no_state&) const {
        return add_loss_gradient(context, attack_batch(context, attack), loss);
    }
    void validate(std::string_view where) const {
        attack.validate(where);
        loss.validate(where);
    }
    template <class V>
    void describe(V&& visit) const {
        visit("name", "adversarial");
        visit.part("attack", attack);
        visit.part("loss", loss);
    }
};

}  // namespace saddle::objectives
