#include "job.hpp"
#include "saddle/attacks/bim.hpp"
#include "saddle/attacks/fgsm.hpp"
#include "saddle/evaluation/assemble.hpp"
#include "saddle/evaluation/input_gradient.hpp"
#include "saddle/training/interruption.hpp"

using namespace saddle;

double seconds_per_image(const options& o, const dataset& data, const plan& structure) {
    const auto sample = first(data, std::min<std::size_t>(512, data.size()));
    const auto program = prepare(network(structure, o.seed));
    worker_pool pool(o.threads);
    double seconds = 0;
    for (int round = 0; round < 2; ++round) {  // the first warms up
        const auto start = std::chrono::steady_clock::now();
        (void)perturb(pgd_at(o, o.epsilon), program, sample.x, sample.y, pool);
        seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    }
    return seconds / static_cast<double>(sample.size() * o.steps);
}

void attack(const options& o, const dataset& data, const trained_model& natural, const trained_model& madry, report& r) {
    worker_pool pool(o.threads);
    r.threads = pool.size();
    const auto ladder = o.ladder();
    const images shown = data.x.slice(0, std::min<std::size_t>(6, data.size()));
    const labels truth(data.y.begin(), data.y.begin() + static_cast<std::ptrdiff_t>(shown.size()));
    std::vector<images> gradients;
    for (const auto* model : {&natural, &madry}) {
        std::cout << "\nattacking " << model->name << " on " << data.size() << " images\n";
        const auto program = prepare(model->weights);
        evaluation_settings settings;
        settings.keep = shown.size();
        settings.stop = &interruption::flag();
        const auto found = epsilon_curve(
            model->name, program, data, ladder, pool, settings,
            [](double e) {
                return named_attack{"FGSM", fgsm({.epsilon = e})};
            },
            [](double e) {
                return named_attack{"BIM-10", bim({.epsilon = e, .steps = 10})};
            },
            [&](double e) {
                return named_attack{text("PGD-", o.steps), pgd_at(o, e)};
            });
        add_evaluation(r, model->summary, found);
        add_pictures(r, found, data.x, data.y, o.epsilon, data.class_names);
        gradients.push_back(input_gradients(program, shown, truth, pool));
    }
    add_comparisons(r, natural.name, madry.name, o.epsilon);
    std::vector<std::size_t> all(shown.size());
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
    r.pictures.push_back(gradient_grid("Input gradients", shown, truth,
                                       {{natural.name, gradients[0]}, {madry.name, gradients[1]}}, all, data.class_names));
}
