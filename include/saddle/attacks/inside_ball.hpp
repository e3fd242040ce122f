#pragma once
#include "saddle/attacks/image_subset.hpp"

namespace saddle {

/// An attack that looks for the nearest adversarial image, judged at a bound: what lies in the ball of `projection` counts, the rest
/// failed, with its clean image returned. run_settings::epsilons are radii of that ball.
template <class A, class Projection>
struct inside_ball {
    static constexpr bool needs_gradient = A::needs_gradient;

    explicit inside_ball(A of, Projection ball) : name(of.name), attack(of), projection(ball), targets(of.targets) {}

    std::string_view name;
    A attack;
    Projection projection;
    target_rule targets;

    [[nodiscard]] bool targeted() const { return attack.targeted(); }
    void validate(std::string_view where) const {
        attack.validate(where);
        projection.validate(where);
    }
    template <class P, class T>
    attack_result<T> run(const P& program, const basic_images<T>& x, const labels& y, worker_pool& pool,
                         const run_settings& settings) const {
        auto inner = settings;
        inner.epsilons = {};
        inner.examples_only = false;
        auto found = perturb(attack, program, x, y, pool, inner);
        for (std::size_t i = 0; i < x.size(); ++i) {
            const double radius = settings.epsilons.empty() ? static_cast<double>(projection.epsilon) : settings.epsilons[i];
            const auto z = std::span<const T>(found.adversarial[i]);
            const double distance = detail::distance(projection, x[i], z);
            if (!found.success[i] || detail::within(projection, x[i], z, radius, distance)) continue;
            std::copy_n(x[i].data(), x.each().size(), found.adversarial[i].data());
            found.success[i] = 0;
            found.status[i] = attack_status::failed;
            found.adversarial_predictions[i] = found.clean_predictions[i];
            found.loss[i] = std::numeric_limits<T>::quiet_NaN();
            found.distances[i] = {};
        }
        trim_result(found, settings);
        return found;
    }
};

}  // namespace saddle
