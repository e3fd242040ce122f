#pragma once
#include "saddle/attacks/fgsm.hpp"
#include "saddle/attacks/perturb.hpp"
#include "saddle/data/dataset.hpp"
#include "saddle/losses/label_logit.hpp"

namespace saddle {

/// Settings of `train_substitute` (Papernot et al. 2017).
struct substitute_settings {
    std::size_t rounds = 6;
    double lambda = .1;  ///< step of the images added after a round
    const std::atomic<bool>* stop = nullptr;
};

/// Trains a substitute for a model that only tells labels: each round asks the target for the labels of all images, calls `train(data)`,
/// which trains `substitute`, and then adds x + lambda · sign(dz_label/dx) of the substitute for every image, cut to [0,1] (Papernot et
/// al. 2017, algorithm 1). Images double from round to round. Returns the last round's data, whose size is the number of queries.
///
/// `seed_images` [N,C,H,W] in [0,1]: a hundred or so. `data.classes` is the target's. Throws like `perturb`, and what `train` throws.
template <class Target, class Substitute, class Train>
dataset train_substitute(const Target& target, const Substitute& substitute, const images& seed_images, worker_pool& pool,
                         const substitute_settings& settings, Train&& train) {
    constexpr std::string_view where = "train_substitute";
    require(settings.rounds >= 1 && settings.rounds <= 20, where, "rounds", "1 to 20", settings.rounds);
    require(settings.lambda > 0 && settings.lambda <= 1, where, "lambda", "a number in (0,1]", settings.lambda);
    require<data_error>(!seed_images.empty(), where, "number of seed images", "at least 1", 0);
    run_settings how;
    how.stop = settings.stop;
    dataset data{"substitute", seed_images, {}, 0, {}};
    std::size_t labelled = 0;
    for (std::size_t round = 0; round < settings.rounds; ++round) {
        const auto fresh = data.x.slice(labelled, data.x.size() - labelled);
        const auto answers = predict(target, fresh, pool, how);
        require<numeric_error>(answers.not_finite == 0, where, "labels of the target", "finite logits",
                               text(answers.not_finite, " images without"));
        data.classes = answers.logits.size() / fresh.size();
        data.y.insert(data.y.end(), answers.classes.begin(), answers.classes.end());
        labelled = data.x.size();
        train(std::as_const(data));
        if (round + 1 == settings.rounds) break;
        run_settings stepping = how;
        stepping.examples_only = true;
        const auto moved =
            perturb(fgsm<linf, label_logit>({.epsilon = settings.lambda}), substitute, data.x, data.y, pool, stepping);
        images both(2 * labelled, data.x.each());
        std::copy(data.x.values().begin(), data.x.values().end(), both.values().begin());
        std::copy(moved.adversarial.values().begin(), moved.adversarial.values().end(),
                  both.values().begin() + static_cast<std::ptrdiff_t>(data.x.values().size()));
        data.x = std::move(both);
    }
    return data;
}

}  // namespace saddle
