#pragma once
// The main job, for any backend: everything but the backend's name.
#include "robust_training_options.hpp"
#include "saddle/attacks/bim.hpp"
#include "saddle/attacks/fgsm.hpp"
#include "saddle/attacks/pgd.hpp"
#include "saddle/data/load.hpp"
#include "saddle/evaluation/assemble.hpp"
#include "saddle/evaluation/build_info.hpp"
#include "saddle/evaluation/input_gradient.hpp"
#include "saddle/evaluation/report_csv.hpp"
#include "saddle/evaluation/report_html.hpp"
#include "saddle/evaluation/report_json.hpp"
#include "saddle/evaluation/report_text.hpp"
#include "saddle/io/weights.hpp"
#include "saddle/nn/model.hpp"
#include "saddle/nn/networks/conv_small.hpp"
#include "saddle/nn/networks/small_cnn.hpp"
#include "saddle/training/checkpoint.hpp"
#include "saddle/training/objectives/adversarial.hpp"
#include "saddle/training/objectives/natural.hpp"
#include "saddle/training/optimizers.hpp"
#include "saddle/training/progress_bar.hpp"
#include "saddle/training/schedules.hpp"
#include "saddle/training/trainer.hpp"

#include <ctime>
#include <filesystem>

/// One network on one data set: train, attack, report. It knows the network as a plan, so it is compiled once for all of them.
template <class Backend>
class robust_training_run {
public:
    using network = saddle::weighted_plan<Backend, float>;

    robust_training_run(const options& o, const saddle::split_dataset& data, const saddle::plan& structure)
        : options_(o), data_(data), structure_(structure), pool_(o.threads) {}

    void run() {
        using namespace saddle;
        estimate();
        const auto attack = training_attack();
        const auto natural = train("natural", objectives::natural{}, "natural training");
        const auto madry = train("madry", objectives::adversarial(attack), text("Madry: PGD-", options_.steps, ", epsilon ", options_.epsilon));

        describe_data(report_, data_.test);
        report_.title = "Natural and adversarial training of " + options_.network;
        report_.date = today();
        report_.seed = options_.seed;
        report_.threads = pool_.size();
        report_.epsilon = options_.epsilon;
        report_.build = build_info();
        evaluate_both(natural, madry);
        write();
    }

private:
    struct trained {
        std::string name;
        network weights;
        saddle::model_summary summary;
    };

    [[nodiscard]] auto training_attack() const {
        return saddle::pgd(saddle::pgd_settings{.epsilon = options_.epsilon, .step_size = options_.step_size, .steps = options_.steps});
    }
    /// Times the attack on one batch, which most of the time goes to, and says what the whole is expected to take.
    void estimate() {
        using namespace saddle;
        const auto sample = first(data_.train, std::min<std::size_t>(512, data_.train.size()));
        const auto program = prepare(network(structure_, options_.seed));
        const auto time = [&] {
            const auto start = std::chrono::steady_clock::now();
            (void)perturb(training_attack(), program, sample.x, sample.y, pool_);
            return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        };
        (void)time();
        const double pass = time() / static_cast<double>(sample.size() * options_.steps);   // one image forward and backward
        const double steps = static_cast<double>(options_.steps);
        const double training = pass * static_cast<double>(options_.epochs * data_.train.size()) * (steps + 4);
        const double attacks = pass * static_cast<double>(options_.ladder().size() * 2 * data_.test.size()) * (steps + 15);
        std::cout << "expected on " << pool_.size() << " threads: training " << clock_text(training) << ", attacks " << clock_text(attacks) << '\n';
    }
    template <class Objective>
    trained train(const std::string& name, const Objective& objective, const std::string& recipe) {
        using namespace saddle;
        std::cout << "\n" << recipe << ", " << options_.epochs << " epochs\n";
        trained result{name, network(structure_, options_.seed), {}};
        trainer t(result.weights, objective, adam{.learning_rate = 1e-3}, schedules::constant{},
                  {.epochs = options_.epochs, .batch_size = options_.batch_size, .seed = options_.seed, .threads = options_.threads}, progress_bar{},
                  checkpoint{.path = options_.output + "/" + name + ".checkpoint.safetensors"});
        const auto outcome = t.fit(data_.train);
        double seconds = 0;
        for (const double s : outcome.epochs.seconds) seconds += s;
        save_weights(result.weights, options_.output + "/" + name + ".safetensors");
        result.summary = {.name = name, .network = options_.network, .training = text(recipe, ", ", options_.epochs, " epochs, Adam 0.001, batch ", options_.batch_size),
                          .parameters = result.weights.parameters().size(), .training_seconds = seconds};
        return result;
    }
    void evaluate_both(const trained& natural, const trained& madry) {
        using namespace saddle;
        const auto ladder = options_.ladder();
        const images shown = data_.test.x.slice(0, std::min<std::size_t>(6, data_.test.size()));
        const labels truth(data_.test.y.begin(), data_.test.y.begin() + static_cast<std::ptrdiff_t>(shown.size()));
        std::vector<images> gradients;
        for (const auto* model : {&natural, &madry}) {
            std::cout << "\nattacking " << model->name << " on " << data_.test.size() << " images\n";
            const auto program = prepare(model->weights);
            evaluation_settings settings;
            settings.keep = shown.size();
            settings.stop = &interruption::flag();
            const auto found = epsilon_curve(
                model->name, program, data_.test, ladder, pool_, settings, [](double e) { return named_attack{"FGSM", fgsm({.epsilon = e})}; },
                [](double e) { return named_attack{"BIM-10", bim({.epsilon = e, .steps = 10})}; },
                [&](double e) {
                    return named_attack{text("PGD-", options_.steps),
                                        pgd(pgd_settings{.epsilon = e, .step_size = options_.step_size * e / options_.epsilon, .steps = options_.steps, .seed = options_.seed})};
                });
            add_evaluation(report_, model->summary, found);
            add_pictures(report_, found, data_.test.x, data_.test.y, options_.epsilon, data_.test.class_names);
            gradients.push_back(input_gradients(program, shown, truth, pool_));
        }
        add_comparisons(report_, natural.name, madry.name, options_.epsilon);
        std::vector<std::size_t> all(shown.size());
        for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
        report_.pictures.push_back(gradient_grid("Input gradients", shown, truth, {{natural.name, gradients[0]}, {madry.name, gradients[1]}}, all, data_.test.class_names));
    }
    void write() const {
        std::cout << '\n';
        saddle::write_text(report_, std::cout);
        const std::string base = options_.output + "/report";
        saddle::write_json(report_, base + ".json");
        saddle::write_csv(report_, base + ".csv");
        saddle::write_html(report_, base + ".html");
        std::cout << "\nreport: " << base << ".html, .json, .csv; weights: " << options_.output << "/natural.safetensors, madry.safetensors\n";
    }
    static std::string today() {
        const std::time_t now = std::time(nullptr);
        char text[16];
        std::strftime(text, sizeof text, "%Y-%m-%d", std::localtime(&now));
        return text;
    }

    const options& options_;
    const saddle::split_dataset& data_;
    saddle::plan structure_;
    saddle::worker_pool pool_;
    saddle::report report_;
};

/// Reads the options, loads the data, runs the network that was asked for; errors end the program with their text and status 1.
template <class Backend>
int robust_training(int count, char** arguments) try {
    using namespace saddle;
    const interruption stop_cleanly;
    const auto o = read_options(count, arguments);
    if (!o) return 0;
    load_options part;
    part.train = o->train;
    part.test = o->test;
    const auto data = load(o->data, part);
    std::cout << data.train.name << ": " << data.train.size() << " training and " << data.test.size() << " test images " << data.train.x.each() << '\n';
    std::filesystem::create_directories(o->output);

    const auto structure = [&]<class Shape>(Shape) {
        if (o->network == "conv_small") return make_plan<networks::conv_small<>, Shape, Backend, float>();
        if (o->network == "small_cnn") return make_plan<networks::small_cnn<>, Shape, Backend, float>();
        throw invalid_argument("robust_training: --network; expected conv_small or small_cnn, found " + o->network);
    };
    const auto each = data.train.x.each();
    const bool grey = each == shape<1, 28, 28>::value;
    require<shape_error>(grey || each == shape<3, 32, 32>::value, "robust_training", "extents of the images", "[1,28,28] or [3,32,32]", each);
    robust_training_run<Backend>(*o, data, grey ? structure(shape<1, 28, 28>{}) : structure(shape<3, 32, 32>{})).run();
    return 0;
} catch (const saddle::interrupted& stop) {
    std::cerr << '\n' << stop.what() << "; the same command goes on from the last checkpoint\n";
    return 130;
} catch (const std::exception& problem) {
    std::cerr << problem.what() << '\n';
    return 1;
}
