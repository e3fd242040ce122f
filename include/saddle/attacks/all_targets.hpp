#pragma once
#include "saddle/attacks/image_subset.hpp"

namespace saddle {

/// Success and distance over one choice of a target for each image (Carlini & Wagner 2017, tables III, IV and VI).
struct targeted_case {
    std::size_t attempts = 0, successes = 0;
    perturbation_size mean;  ///< over the successes; zeros without one

    /// Share of the attempts that succeeded, in [0,1].
    [[nodiscard]] double success_rate() const {
        return attempts == 0 ? 0 : static_cast<double>(successes) / static_cast<double>(attempts);
    }
};

/// What a targeted attack does to N images for each of the K - 1 wrong classes.
template <class T>
struct all_targets_result {
    attack_result<T> each;    ///< N (K - 1) images: those of image i stand at i (K - 1), in the order of the classes
    std::size_t targets = 0;  ///< K - 1

    /// The easiest target of each image: the nearest success, if any target has one.
    [[nodiscard]] targeted_case best(std::string_view norm) const { return over_images(norm, true); }
    /// The hardest: the farthest success; an image counts as one only if all its targets do.
    [[nodiscard]] targeted_case worst(std::string_view norm) const { return over_images(norm, false); }
    /// All of them: the mean over a target drawn uniformly.
    [[nodiscard]] targeted_case average() const {
        targeted_case found;
        for (std::size_t i = 0; i < each.success.size(); ++i) add(found, each.success[i], i);
        return divided(found);
    }

private:
    void add(targeted_case& to, bool success, std::size_t i) const {
        ++to.attempts;
        if (!success) return;
        ++to.successes;
        const auto& d = each.distances[i];
        to.mean.linf += d.linf, to.mean.l2 += d.l2, to.mean.l1 += d.l1, to.mean.l0 += d.l0;
    }
    static targeted_case divided(targeted_case sums) {
        const double n = static_cast<double>(std::max<std::size_t>(1, sums.successes));
        sums.mean.linf /= n, sums.mean.l2 /= n, sums.mean.l1 /= n, sums.mean.l0 /= n;
        return sums;
    }
    [[nodiscard]] targeted_case over_images(std::string_view norm, bool easiest) const {
        targeted_case found;
        for (std::size_t first = 0; first < each.success.size(); first += targets) {
            std::size_t chosen = first;
            bool success = each.success[first];
            for (std::size_t i = first; i < first + targets; ++i) {
                const double here = distance_in(norm, each.distances[i]), there = distance_in(norm, each.distances[chosen]);
                if (easiest && each.success[i] && (!success || here < there)) chosen = i, success = true;
                if (!easiest && success && (!each.success[i] || here > there)) chosen = i, success = each.success[i];
            }
            add(found, success, chosen);
        }
        return divided(found);
    }
};

/// Runs a targeted attack on every image for every wrong class, all as one queue. Random draws are keyed by the image's id and the
/// target. `attack.targets` is set to `given`. Throws like `perturb`; run_settings::targets must be empty, ids below 2^40.
template <class A, class M, class T>
[[nodiscard]] all_targets_result<T> perturb_all_targets(A attack, const M& model, const basic_images<T>& x, const labels& y,
                                                        worker_pool& pool, const run_settings& settings = {}) {
    require(settings.targets.empty(), "perturb_all_targets", "run_settings::targets", "none", settings.targets.size());
    attack.targets = target_rule::given;
    return with_program(model, [&](const auto& program) {
        const std::size_t classes = program.classes();
        require_valid_labels(y, x.size(), classes, "perturb_all_targets");
        require(classes >= 2, "perturb_all_targets", "classes of the model", "at least 2", classes);
        std::vector<std::size_t> chosen;
        labels targets;
        for (std::size_t i = 0; i < x.size(); ++i)
            for (std::size_t k = 0; k < classes; ++k)
                if (static_cast<std::int32_t>(k) != y[i]) {
                    chosen.push_back(i);
                    targets.push_back(static_cast<std::int32_t>(k));
                }
        image_subset<T> all(chosen, x, y, settings, nullptr);
        for (std::size_t j = 0; j < chosen.size(); ++j) all.ids[j] |= (static_cast<std::uint64_t>(targets[j]) + 1) << 40;
        all.settings.targets = targets;
        all.settings.progress = settings.progress;
        return all_targets_result<T>{perturb(attack, program, all.x, all.y, pool, all.settings), classes - 1};
    });
}

}  // namespace saddle
