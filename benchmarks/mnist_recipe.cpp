// The recipe of benchmarks/pytorch/mnist_recipe.py: conv_small on MNIST, natural and Madry, Adam 0.001, batch 128, PGD-20 step .01 at
// epsilon .1; clean and PGD-20 accuracy on the test images for several seeds. mnist_recipe DIR [EPOCHS] [SEEDS] [madry|natural]
#include "saddle/attacks/pgd.hpp"
#include "saddle/backend/cpu/cpu.hpp"
#include "saddle/data/load.hpp"
#include "saddle/evaluation/evaluate.hpp"
#include "saddle/nn/model.hpp"
#include "saddle/nn/networks/conv_small.hpp"
#include "saddle/training/objectives/adversarial.hpp"
#include "saddle/training/objectives/natural.hpp"
#include "saddle/training/optimizers.hpp"
#include "saddle/training/progress_bar.hpp"
#include "saddle/training/schedules.hpp"
#include "saddle/training/trainer.hpp"

int main(int count, char** arguments) try {
    using namespace saddle;
    require(count >= 2, "mnist_recipe", "arguments", "DIR [EPOCHS] [SEEDS] [madry|natural]", "none");
    const auto data = load(arguments[1]);
    const std::size_t epochs = count > 2 ? std::stoul(arguments[2]) : 5, seeds = count > 3 ? std::stoul(arguments[3]) : 3;
    const std::string which = count > 4 ? arguments[4] : "madry";
    const auto attack = pgd(pgd_settings{.epsilon = .1, .step_size = .01, .steps = 20});
    worker_pool pool;
    double clean = 0, robust = 0;
    for (std::size_t seed = 0; seed < seeds; ++seed) {
        model<networks::conv_small<>, shape<1, 28, 28>, backend::cpu> m(seed);
        const auto start = std::chrono::steady_clock::now();
        const auto train = [&](const auto& objective) {
            trainer t(m, objective, adam{.learning_rate = 1e-3}, schedules::constant{},
                      {.epochs = epochs, .batch_size = 128, .seed = seed}, progress_bar{});
            (void)t.fit(data.train);
        };
        if (which == "natural")
            train(objectives::natural{});
        else
            train(objectives::adversarial(attack));
        const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        const auto found = evaluate("", m, data.test, pool, {.iterations = false}, attack);
        std::cout << which << " seed " << seed << ": clean " << 100 * found.clean.share() << " %, PGD-20 "
                  << 100 * found.rows[0].robust.share() << " %, trained in " << seconds << " s\n";
        clean += 100 * found.clean.share() / static_cast<double>(seeds);
        robust += 100 * found.rows[0].robust.share() / static_cast<double>(seeds);
    }
    std::cout << which << " mean of " << seeds << " seeds, " << epochs << " epochs: clean " << clean << " %, PGD-20 " << robust
              << " %\n";
} catch (const std::exception& problem) {
    std::cerr << problem.what() << '\n';
    return 1;
}
