#include "job.hpp"
#include "saddle/io/weights.hpp"
#include "saddle/training/checkpoint.hpp"
#include "saddle/training/objectives/adversarial.hpp"
#include "saddle/training/objectives/natural.hpp"
#include "saddle/training/optimizers.hpp"
#include "saddle/training/progress_bar.hpp"
#include "saddle/training/schedules.hpp"
#include "saddle/training/trainer.hpp"

using namespace saddle;

namespace {

checkpoint saved_training(const options& o, bool adversarial) {
    return {.path = text(o.output, adversarial ? "/madry" : "/natural", ".checkpoint.safetensors"), .resume = !o.fresh};
}

}  // namespace

epochs_to_do epochs_left(const options& o) {
    const auto left = [&](bool adversarial) {
        const auto done = saved_training(o, adversarial).saved();
        return o.epochs - std::min(o.epochs, done ? done->epochs : 0);
    };
    return {left(false), left(true)};
}

trained_model train(const options& o, const dataset& data, const plan& structure, bool adversarial) {
    trained_model result{adversarial ? "madry" : "natural", network(structure, o.seed), {}};
    const std::string recipe = adversarial ? text("Madry: PGD-", o.steps, ", epsilon ", o.epsilon) : "natural training";
    std::cout << '\n' << recipe << ", " << o.epochs << " epochs\n";

    const trainer_settings settings{.epochs = o.epochs, .batch_size = o.batch_size, .seed = o.seed, .threads = o.threads};
    const auto saved = saved_training(o, adversarial);
    if (saved.saved()) std::cout << "from " << saved.path << '\n';
    const auto fit = [&](const auto& objective) {
        trainer t(result.weights, objective, adam{.learning_rate = 1e-3}, schedules::constant{}, settings, progress_bar{}, saved);
        try {
            return t.fit(data);
        } catch (const invalid_argument& problem) {
            if (!saved.saved()) throw;
            throw invalid_argument(
                text(problem.what(), "\nrobust_training: --fresh trains anew, --output DIR keeps this one as it is"));
        }
    };
    const auto outcome = adversarial ? fit(objectives::adversarial(pgd_at(o, o.epsilon))) : fit(objectives::natural{});

    double seconds = 0;
    for (const double s : outcome.epochs.seconds) seconds += s;
    save_weights(result.weights, o.output + "/" + result.name + ".safetensors");
    result.summary = {.name = result.name,
                      .network = o.network,
                      .training = text(recipe, ", ", o.epochs, " epochs, Adam 0.001, batch ", o.batch_size),
                      .parameters = result.weights.parameters().size(),
                      .training_seconds = seconds};
    return result;
}
