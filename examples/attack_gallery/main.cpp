// Every attack on one model: a table of what each achieves and spends, and a page of what its images look like.
// attack_gallery [DIR|generated] [IMAGES] [OUTPUT]
#include "gallery.hpp"
#include "saddle/attacks/predict.hpp"
#include "saddle/attacks/universal.hpp"
#include "saddle/data/load.hpp"
#include "saddle/nn/model.hpp"
#include "saddle/nn/networks/conv_small.hpp"
#include "saddle/training/adam.hpp"
#include "saddle/training/objectives/natural.hpp"
#include "saddle/training/schedules.hpp"
#include "saddle/training/trainer.hpp"

#include <iostream>

using namespace saddle;

int main(int count, char** arguments) try {
    const auto data = load(count > 1 ? arguments[1] : "generated");
    char* end = nullptr;
    const long images = count > 2 ? std::strtol(arguments[2], &end, 10) : 32;
    require(images > 0 && (end == nullptr || *end == 0), "attack_gallery", "images", "a whole number > 0",
            count > 2 ? arguments[2] : "");
    const auto wanted = static_cast<std::size_t>(images);
    const std::string output = count > 3 ? arguments[3] : "attack_gallery.png";
    worker_pool pool;

    model<networks::conv_small<>, shape<1, 28, 28>, backend::cpu> network(1);
    dataset train = data.train;
    train.x = train.x.slice(0, std::min<std::size_t>(train.size(), 6000));
    train.y.resize(train.x.size());
    trainer fit(network, objectives::natural{}, adam{}, schedules::constant{}, {.epochs = 2, .batch_size = 64, .seed = 1});
    (void)fit.fit(train);
    const auto program = prepare(network);

    dataset attacked = data.test;
    attacked.x = attacked.x.slice(0, std::min(wanted, attacked.size()));
    attacked.y.resize(attacked.x.size());
    std::cout << "conv_small, test accuracy " << 100 * predict(program, data.test.x, pool).accuracy(data.test.y) << " %, "
              << attacked.size() << " images\n\n";
    gallery g(program, attacked, pool);
    g.print_head();
    show_gradient_attacks(g);
    show_auto_attack(g);
    show_nearest_attacks(g);
    show_black_box_attacks(g);
    const auto shared =
        universal_perturbation(program, data.train.x.slice(0, 500), labels(data.train.y.begin(), data.train.y.begin() + 500),
                               pool, universal_settings<linf>{.projection = {epsilon}, .step_size = .02, .passes = 5});
    const double kept = predict(program, shared.applied_to(attacked.x), pool).accuracy(attacked.y);
    std::cout << "one universal perturbation of Linf " << epsilon << ": " << 100 * (1 - kept) << "% fooled\n";
    g.write_page(output);
    std::cout << "\npage: " << output << " (first row: clean images)\n";
} catch (const std::exception& problem) {
    std::cerr << problem.what() << '\n';
    return 1;
}
