#pragma once
#include "saddle/attacks/perturb.hpp"

namespace saddle {

/// Some of the images of a run, with what the run says of each: what an attack made of other attacks gives to one of them.
///
/// `settings` refers to the vectors; counts go on where `spent` stands, so that budgets hold over all parts together.
template <class T>
struct image_subset {
    basic_images<T> x;
    labels y, targets;
    std::vector<std::uint64_t> ids, forwards_spent, gradients_spent;
    std::vector<double> epsilons, step_sizes;
    run_settings settings;

    image_subset(image_subset&&) noexcept = default;
    image_subset(const image_subset&) = delete;

    /// Images `chosen` of a run. Of the settings, progress and trace stay behind; verdicts are always asked for. `spent` may be null.
    image_subset(std::span<const std::size_t> chosen, const basic_images<T>& all, const labels& truth, const run_settings& run,
                 const attack_result<T>* spent)
        : x(chosen.size(), all.each()), settings(run) {
        settings.progress = {};
        settings.trace = settings.examples_only = false;
        const auto pick = [&](const auto& from, auto& to) {
            for (const std::size_t i : chosen)
                if (!from.empty()) to.push_back(from[i]);
        };
        for (std::size_t j = 0; j < chosen.size(); ++j) std::copy_n(all[chosen[j]].data(), all.each().size(), x[j].data());
        for (const std::size_t i : chosen) ids.push_back(run.ids.empty() ? i : run.ids[i]);
        pick(truth, y);
        pick(run.targets, targets);
        pick(run.epsilons, epsilons);
        pick(run.step_sizes, step_sizes);
        if (spent) {
            pick(spent->forwards, forwards_spent);
            pick(spent->gradients, gradients_spent);
        } else {
            pick(run.forwards_spent, forwards_spent);
            pick(run.gradients_spent, gradients_spent);
        }
        settings.ids = ids;
        settings.targets = targets;
        settings.epsilons = epsilons;
        settings.step_sizes = step_sizes;
        settings.forwards_spent = forwards_spent;
        settings.gradients_spent = gradients_spent;
    }
};

/// Every image of a run.
[[nodiscard]] inline std::vector<std::size_t> all_indices(std::size_t count) {
    std::vector<std::size_t> all(count);
    for (std::size_t i = 0; i < count; ++i) all[i] = i;
    return all;
}
/// The images that no attack has changed the class of so far.
template <class T>
[[nodiscard]] std::vector<std::size_t> survivors(const attack_result<T>& result) {
    std::vector<std::size_t> left;
    for (std::size_t i = 0; i < result.success.size(); ++i)
        if (!result.success[i]) left.push_back(i);
    return left;
}

/// Adds what a further attack made of images `chosen`: its counts, and its image where `better(part, j, whole, i)`.
template <class T, class Better>
void merge_part(attack_result<T>& whole, const attack_result<T>& part, std::span<const std::size_t> chosen, Better&& better) {
    for (std::size_t j = 0; j < chosen.size(); ++j) {
        const std::size_t i = chosen[j];
        whole.forwards[i] = part.forwards[j];
        whole.gradients[i] = part.gradients[j];
        if (!better(part, j, std::as_const(whole), i)) continue;
        std::copy_n(part.adversarial[j].data(), whole.adversarial.each().size(), whole.adversarial[i].data());
        whole.success[i] = part.success[j];
        whole.status[i] = part.status[j];
        whole.adversarial_predictions[i] = part.adversarial_predictions[j];
        whole.loss[i] = part.loss[j];
        whole.distances[i] = part.distances[j];
        if (!whole.targets.empty() && !part.targets.empty()) whole.targets[i] = part.targets[j];
        if (whole.clean_predictions[i] < 0) whole.clean_predictions[i] = part.clean_predictions[j];
    }
    whole.gradient_calls += part.gradient_calls;
    whole.forward_calls += part.forward_calls;
    if (whole.rejection.empty()) whole.rejection = part.rejection;
    whole.rejected = static_cast<std::size_t>(std::count(whole.status.begin(), whole.status.end(), attack_status::rejected));
}

/// The distance of one image in the norm that an attack minimises: "l0", "l1", "l2" or "linf".
[[nodiscard]] inline double distance_in(std::string_view norm, const perturbation_size& size) {
    return norm == "l0" ? size.l0 : norm == "l1" ? size.l1 : norm == "l2" ? size.l2 : size.linf;
}

/// True for attacks that look for the nearest adversarial image; they name its norm.
template <class A>
inline constexpr bool minimises_distance = requires {
    { A::norm } -> std::convertible_to<std::string_view>;
};

/// Success before none; then the nearer one in `norm`.
template <class T>
[[nodiscard]] auto nearer_in(std::string_view norm) {
    return [norm](const attack_result<T>& part, std::size_t j, const attack_result<T>& whole, std::size_t i) {
        if (part.success[j] != whole.success[i]) return part.success[j] > whole.success[i];
        return part.success[j] && distance_in(norm, part.distances[j]) < distance_in(norm, whole.distances[i]);
    };
}

/// Leaves of a result what run_settings asked for.
template <class T>
void trim_result(attack_result<T>& result, const run_settings& settings) {
    if (settings.progress) settings.progress(result.adversarial.size(), result.adversarial.size());
    if (!settings.examples_only) return;
    result.success.clear(), result.status.clear(), result.loss.clear(), result.distances.clear();
    result.clean_predictions.clear(), result.adversarial_predictions.clear();
}

}  // namespace saddle
