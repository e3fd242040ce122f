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

trained_model train(const options& o, const dataset& data, const plan& structure, bool adversarial) {
    trained_model result{adversarial ? "madry" : "natural", network(structure, o.seed), {}};
    const std::string recipe = adversarial ? text("Madry: PGD-", o.steps, ", epsilon ", o.epsilon) : "natural training";
    std::cout << '\n' << recipe << ", " << o.epochs << " epochs\n";

    const trainer_settings settings{.epochs = o.epochs, .batch_size = o.batch_size, .seed = o.seed, .threads = o.threads};
    const checkpoint saved{.path = o.output + "/" + result.name + ".checkpoint.safetensors", .resume = !o.fresh};
    const auto fit = [&](const auto& objective) {
        trainer t(result.weights, objective, adam{.learning_rate = 1e-3}, schedules::constant{}, settings, progress_bar{}, saved);
        return t.fit(data);
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
