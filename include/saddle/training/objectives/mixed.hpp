#pragma once
#include "saddle/losses/cross_entropy.hpp"
#include "saddle/training/loss_gradient.hpp"
#include "saddle/training/objective.hpp"
#include "saddle/training/objectives/inner_attack.hpp"

namespace saddle::objectives {

/// alpha · loss(x) + (1 - alpha) · loss(attack(x)), each a mean (Goodfellow et al. 2015, §6; FGSM-Adv with alpha .5, BIM(N)-Adv).
///
/// Two passes: batch norm sees the clean and the attacked images as separate batches, as two calls of a PyTorch model would.
/// Accuracy is that on the attacked images. alpha in [0,1], else invalid_argument.
template <class Attack, class Loss = cross_entropy>
struct mixed {
    Attack attack;
    double alpha;
    Loss loss;

    explicit mixed(Attack a, double clean_share = .5, Loss l = {})
        : attack(std::move(a)), alpha(clean_share), loss(std::move(l)) {}

    template <class Model>
    objective_result differentiate(const training_context<Model>& context, no_state&) const {
        const auto attacked = attack_batch(context, attack);
        const auto clean = add_loss_gradient(context, context.batch().x, loss, alpha);
        auto result = add_loss_gradient(context, attacked, loss, 1 - alpha);
        result.loss += clean.loss;
        return result;
    }
    void validate(std::string_view where) const {
        attack.validate(where);
        loss.validate(where);
        require(alpha >= 0 && alpha <= 1, where, "mixed alpha", "a number in [0,1]", alpha);
    }
    template <class V>
    void describe(V&& visit) const {
        visit("name", "mixed");
        visit("alpha", alpha);
        visit.part("attack", attack);
        visit.part("loss", loss);
    }
};

}  // namespace saddle::objectives
