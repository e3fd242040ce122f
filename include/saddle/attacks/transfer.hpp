#pragma once
#include "saddle/attacks/image_subset.hpp"

namespace saddle {

/// An attack whose images are made on another model, the surrogate, and judged on the one that is attacked: transfer. Made by `transfer`.
///
/// The attacked model is a black box that answers twice for each image: the clean one and the result. Budgets, targets and radii hold for
/// the attack on the surrogate; its own passes and gradients are not counted. Images of a kind of attack that returns the clean image
/// on failure stay clean.
template <class A, class Surrogate>
struct transferred_attack {
    using projection_type = std::remove_cvref_t<decltype(std::declval<A>().projection)>;
    static constexpr bool needs_gradient = false;

    A attack;
    const Surrogate* surrogate;  ///< must outlive the attack
    std::string surrogate_name;
    std::string name = text(attack.name, " from ", surrogate_name);
    projection_type projection = attack.projection;
    target_rule targets = attack.targets;

    [[nodiscard]] bool targeted() const { return attack.targeted(); }
    void validate(std::string_view where) const { attack.validate(where); }
    template <class Visit>
    void describe(Visit&& visit) const {
        visit("surrogate", surrogate_name);
        if constexpr (requires { attack.describe(visit); }) attack.describe(visit);
    }

    template <class P, class T>
    [[nodiscard]] attack_result<T> run(const P& program, const basic_images<T>& x, const labels& y, worker_pool& pool,
                                       const run_settings& how) const {
        auto crafting = how;
        crafting.examples_only = crafting.trace = false;
        crafting.forwards_spent = crafting.gradients_spent = {};
        auto r = perturb(attack, *surrogate, x, y, pool, crafting);
        run_settings asking;
        asking.stop = how.stop;
        asking.ids = how.ids;
        const auto before = detail::run_prediction(program, x, pool, asking),
                   after = detail::run_prediction(program, r.adversarial, pool, asking);
        r.clean_predictions = before.classes;
        r.adversarial_predictions = after.classes;
        r.gradient_calls = r.forward_calls = 0;
        for (std::size_t i = 0; i < x.size(); ++i) {
            const auto now = after.classes[i];
            r.success[i] = now >= 0 && (targeted() ? now == r.targets[i] : now != y[i]);
            if (r.status[i] != attack_status::rejected && r.status[i] != attack_status::not_begun)
                r.status[i] = r.success[i] ? attack_status::succeeded
                              : now < 0    ? attack_status::not_finite
                                           : attack_status::failed;
            r.gradients[i] = how.gradients_spent.empty() ? 0 : how.gradients_spent[i];
            r.forwards[i] = (how.forwards_spent.empty() ? 0 : how.forwards_spent[i]) + 2;
            r.forward_calls += 2;
        }
        trim_result(r, how);
        return r;
    }
};

/// `attack` made on `surrogate` (a program, a model or a user's own class; it must outlive the result) and judged on the attacked model.
template <class A, class Surrogate>
[[nodiscard]] transferred_attack<A, Surrogate> transfer(const A& attack, const Surrogate& surrogate, std::string surrogate_name) {
    static_assert(Model<Surrogate>, "saddle: the surrogate is not a model (docs/models.md)");
    static_assert(!A::needs_gradient || DifferentiableModel<Surrogate>,
                  "saddle: this attack needs a gradient, but the surrogate has none (docs/models.md)");
    return {attack, &surrogate, std::move(surrogate_name)};
}

}  // namespace saddle
