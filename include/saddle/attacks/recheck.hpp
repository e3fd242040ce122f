#pragma once
#include "saddle/attacks/attack_result.hpp"
#include "saddle/attacks/predict.hpp"
#include "saddle/projections/verify.hpp"

namespace saddle {

/// What was found of an attack's images apart from the attack.
template <class T>
struct recheck {
    std::vector<std::uint8_t> inside;  ///< [N] 1: finite, in [0,1] and in the ball
    predictions<T> after;              ///< of the images; of the clean image where it is not inside
    std::string reason;                ///< why the first one outside is; empty when all are inside
};

/// Checks norm, range and finiteness of the images `z` made of `x`, and asks the model again. Images outside are not shown to it.
template <class P, class Projection, class T>
[[nodiscard]] recheck<T> recheck_images(const P& program, const Projection& projection, const basic_images<T>& x,
                                        const basic_images<T>& z, std::span<const double> epsilons, worker_pool& pool,
                                        const run_settings& settings) {
    recheck<T> found{std::vector<std::uint8_t>(x.size(), 1), {}, {}};
    const auto check = verify_in_threat(x, z, projection, epsilons);
    if (check.ok()) {
        found.after = detail::run_prediction(program, z, pool, settings);
        return found;
    }
    found.reason = text("image ", check.first, ": ", check.reason);
    auto usable = z;
    for (std::size_t i = 0; i < x.size(); ++i) {
        const auto radius = epsilons.empty() ? epsilons : epsilons.subspan(i, 1);
        found.inside[i] = verify_in_threat(x.slice(i, 1), z.slice(i, 1), projection, radius).ok();
        if (!found.inside[i]) std::copy_n(x[i].data(), x.each().size(), usable[i].data());
    }
    found.after = detail::run_prediction(program, usable, pool, settings);
    return found;
}

/// Turns every image of `result` that does not pass the check back into the clean one, with status `rejected`: it does not count as
/// a success, and the result says how many there are and why the first one is.
template <class P, class Projection, class T>
void reject_unconfirmed(attack_result<T>& result, const P& program, const Projection& projection, const basic_images<T>& x,
                        const labels& y, worker_pool& pool, const run_settings& settings) {
    run_settings quiet;
    quiet.stop = settings.stop;
    quiet.ids = settings.ids;
    const auto found = recheck_images(program, projection, x, result.adversarial, settings.epsilons, pool, quiet);
    for (std::size_t i = 0; i < x.size(); ++i) {
        const auto now = found.after.classes[i];
        const bool hits = now >= 0 && (result.targets.empty() ? now != y[i] : now == result.targets[i]);
        if (found.inside[i] && (hits || !result.success[i])) continue;
        if (result.rejected++ == 0)
            result.rejection =
                found.inside[i] ? text("image ", i, ": claimed as a success, but the model says class ", now, " of label ", y[i])
                                : found.reason;
        std::copy_n(x[i].data(), x.each().size(), result.adversarial[i].data());
        result.success[i] = 0;
        result.status[i] = attack_status::rejected;
        result.adversarial_predictions[i] = result.clean_predictions[i];
        result.loss[i] = std::numeric_limits<T>::quiet_NaN();
        result.distances[i] = {};
    }
}

}  // namespace saddle
