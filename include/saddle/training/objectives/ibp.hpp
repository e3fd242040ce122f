#pragma once
#include "saddle/losses/cross_entropy.hpp"
#include "saddle/training/loss_gradient.hpp"
#include "saddle/training/objective.hpp"
#include "saddle/training/records.hpp"

namespace saddle::objectives {

/// How IBP training moves from natural to certified training. Defaults: Gowal et al. 2019, MNIST (epsilon .33 there, tested at .3).
struct ibp_settings {
    double epsilon = .33;                    ///< Linf radius of the boxes at the end, cut with [0,1]
    double kappa_start = 1, kappa_end = .5;  ///< weight of the natural loss; the worst-case loss has the rest
    std::size_t warm_up = 2000,
                ramp = 10000;  ///< steps at epsilon 0 and kappa_start; then steps to epsilon and kappa_end, linearly

    /// Where a step stands on the ramp, in [0,1].
    [[nodiscard]] double progress(std::size_t step) const {
        if (step < warm_up) return 0;
        return step - warm_up >= ramp ? 1 : static_cast<double>(step - warm_up) / static_cast<double>(ramp);
    }
};

/// Interval bound propagation training (Gowal et al. 2019, eq. 12): kappa · loss(x) + (1 - kappa) · loss(worst-case logits).
///
/// The worst-case logits are upper bounds of logit[k] - logit[label] on the ball of radius epsilon around x cut with [0,1], by
/// intervals, the property folded into the last layer if that is linear; kappa and epsilon follow ibp_settings. The natural pass is
/// in training mode; the intervals' pass in evaluation mode: batch norm with its running statistics as constants (the authors' code
/// uses the batch's), dropout off. Runs on backend::cpu. Accuracy is the share of examples that the intervals verify at the step's
/// epsilon. Measures of an epoch: `natural`, the accuracy at x in training mode, and `epsilon` and `kappa` of its last step. Throws
/// invalid_argument in the first step for a network with a layer that is neither linear nor monotone.
template <class Loss = cross_entropy>
struct ibp {
    ibp_settings settings;
    Loss loss;

    template <class T>
    struct state {
        std::uint64_t stepped = 0, correct = 0;  ///< examples of this epoch
        double epsilon = 0, kappa = 1;           ///< of the last step

        template <class Archive>
        void fields(Archive&& archive) {
            archive("stepped", stepped);
            archive("correct", correct);
            archive("epsilon", epsilon);
            archive("kappa", kappa);
        }
    };

    explicit ibp(ibp_settings s = {}, Loss l = {}) : settings(s), loss(std::move(l)) {}

    template <class Model>
    void begin_epoch(const epoch_context<Model>&, state<typename Model::value_type>& s) const {
        s.stepped = s.correct = 0;
    }

    template <class Model>
    objective_result differentiate(const training_context<Model>& context, state<typename Model::value_type>& s) const {
        const double progress = settings.progress(context.position().steps());
        s.epsilon = progress * settings.epsilon;
        s.kappa = settings.kappa_start + progress * (settings.kappa_end - settings.kappa_start);
        auto result = add_loss_gradient(context, context.batch().x, loss, s.kappa);
        s.stepped += context.batch().size();
        s.correct += result.correct;
        if (s.epsilon == 0 && s.kappa == 1) return result;
        const auto worst = add_worst_case(context, s.epsilon, 1 - s.kappa);
        return {result.loss + worst.loss, worst.correct};
    }

    template <class T>
    [[nodiscard]] std::vector<measure> measures(const state<T>& s) const {
        return {{"natural", static_cast<double>(s.correct) / static_cast<double>(s.stepped)},
                {"epsilon", s.epsilon},
                {"kappa", s.kappa}};
    }
    void validate(std::string_view where) const {
        loss.validate(where);
        const auto share = [&](double v, std::string_view what) {
            require(v >= 0 && v <= 1, where, what, "a number in [0,1]", v);
        };
        share(settings.epsilon, "ibp epsilon");
        share(settings.kappa_start, "ibp kappa_start");
        share(settings.kappa_end, "ibp kappa_end");
    }
    template <class V>
    void describe(V&& visit) const {
        visit("name", "ibp");
        visit("epsilon", settings.epsilon);
        visit("kappa_start", settings.kappa_start);
        visit("kappa_end", settings.kappa_end);
        visit("warm_up", settings.warm_up);
        visit("ramp", settings.ramp);
        visit.part("loss", loss);
    }

private:
    template <class Model>
    objective_result add_worst_case(const training_context<Model>& context, double epsilon, double weight) const {
        using T = typename Model::value_type;
        auto lower = context.batch().x, upper = lower;
        for (auto& v : lower.values()) v = std::max(T(0), static_cast<T>(static_cast<double>(v) - epsilon));
        for (auto& v : upper.values()) v = std::min(T(1), static_cast<T>(static_cast<double>(v) + epsilon));
        block_losses<Model, Loss> losses(context, loss, weight);
        context.differentiate_bounds(lower, upper, losses);
        return losses.result();
    }
};

}  // namespace saddle::objectives
