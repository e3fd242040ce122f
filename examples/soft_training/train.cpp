#include "job.hpp"
#include "saddle/attacks/pgd.hpp"
#include "saddle/attacks/predict.hpp"
#include "saddle/certification/deep_poly.hpp"
#include "saddle/evaluation/format.hpp"
#include "saddle/nn/networks/conv_small.hpp"
#include "saddle/training/adam.hpp"
#include "saddle/training/checkpoint.hpp"
#include "saddle/training/objectives/adversarial.hpp"
#include "saddle/training/objectives/natural.hpp"
#include "saddle/training/objectives/soft.hpp"
#include "saddle/training/progress_bar.hpp"
#include "saddle/training/trainer.hpp"

#include <iostream>

using namespace saddle;

namespace {

using network = weighted_plan<backend::cpu, float>;

auto attack_of(const options& o) { return pgd(pgd_settings{.epsilon = o.epsilon, .step_size = o.step_size, .steps = o.steps}); }

/// Observer that tests the model after every epoch. It does not stop half-way, so that an interrupted training keeps the epoch.
struct tester {
    const options& o;
    const dataset& test;
    std::string name;
    training_curve curve{};

    template <class Trainer>
    void epoch_end(const epoch_record& r, Trainer& t) {
        worker_pool pool(o.threads);
        const network& m = t.model();
        const auto program = prepare(m);
        const auto share = [&](const images& x) {
            const auto found = predict(program, x, pool);
            std::size_t correct = 0;
            for (std::size_t i = 0; i < x.size(); ++i) correct += found.classes[i] == test.y[i];
            return static_cast<double>(correct) / static_cast<double>(x.size());
        };
        const auto part = first(test, std::min(o.certify, test.size()));
        curve.natural.push_back(share(test.x));
        curve.adversarial.push_back(share(perturb(attack_of(o), program, test.x, test.y, pool).adversarial));
        curve.verified.push_back(certify<deep_poly>(m, part.x, part.y, linf_box{o.epsilon}, pool).certified_accuracy());
        curve.seconds.push_back(r.seconds);
        for (const auto& measure : r.measures)
            if (measure.name == "verified") curve.kept.push_back(measure.value);
        std::cout << name << ", epoch " << r.epoch + 1 << ": natural " << percent_text(curve.natural.back(), 2)
                  << " %, adversarial " << percent_text(curve.adversarial.back(), 2) << " %, verified "
                  << percent_text(curve.verified.back()) << " %, " << fixed_text(r.seconds, 1) << " s" << std::endl;
    }
    template <class Archive>
    void fields(Archive&& archive) {
        curve.fields(archive);
    }
};

}  // namespace

std::vector<training_curve> train(const options& o, const split_dataset& data, std::size_t seed) {
    const auto fit = [&](network& m, const auto& objective, const std::string& kind, std::size_t epochs, std::uint64_t draws,
                         auto&&... watch) {
        std::cout << "seed " << seed << ", " << kind << ": " << epochs << " epochs" << std::endl;
        const trainer_settings settings{.epochs = epochs, .batch_size = o.batch, .seed = draws, .threads = o.threads};
        trainer t(m, objective, adam{.learning_rate = 1e-3}, schedules::constant{}, settings, watch..., progress_bar{},
                  checkpoint{.path = text(o.output, "/seed", seed, ".", kind, ".checkpoint.safetensors")});
        t.fit(data.train);
    };
    const auto structure = make_plan<networks::conv_small<>, shape<1, 28, 28>, backend::cpu, float>();
    network start(structure, seed);
    fit(start, objectives::natural{}, "start", o.start_epochs, seed);

    std::vector<training_curve> curves;
    const auto go_on = [&](const auto& objective) {
        const std::string kind = kinds[curves.size()];
        tester watch{o, data.test, kind};
        auto m = start;
        fit(m, objective, kind, o.epochs, 1000 + seed, watch);
        curves.push_back(watch.curve);
    };
    go_on(objectives::natural{});
    go_on(objectives::adversarial(attack_of(o)));
    go_on(objectives::soft(deep_poly{}, attack_of(o), {.certification_epsilon = o.epsilon, .recertify_every = o.recertify}));
    return curves;
}
