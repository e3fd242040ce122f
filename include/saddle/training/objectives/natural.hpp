#pragma once
#include "saddle/losses/cross_entropy.hpp"
#include "saddle/training/loss_gradient.hpp"
#include "saddle/training/objective.hpp"

namespace saddle::objectives {

/// Natural training: the mean loss at the images themselves. Accuracy is the clean one.
template <class Loss = cross_entropy>
struct natural {
    Loss loss{};

    natural() = default;
    explicit natural(Loss l) : loss(std::move(l)) {}

    template <class Model>
    objective_result differentiate(const training_context<Model>& context, no_state&) const {
        return add_loss_gradient(context, context.batch().x, loss);
    }
    void validate(std::string_view where) const { loss.validate(where); }
    template <class V>
    void describe(V&& visit) const {
        visit("name", "natural");
        visit.part("loss", loss);
    }
};

}  // namespace saddle::objectives
