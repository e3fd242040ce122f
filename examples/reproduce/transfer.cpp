// Table 1 of Madry et al. (2018) on MNIST, beside the published figures: an adversarially trained network A under FGSM, PGD, restarts,
// targets and the margin attacks, and under images made on an independent copy A' and on another architecture B. transfer [OPTION VALUE]...
#include "saddle/attacks/transfer.hpp"
#include "options.hpp"
#include "saddle/attacks/carlini_wagner_plus.hpp"
#include "saddle/attacks/fgsm.hpp"
#include "saddle/attacks/pgd.hpp"
#include "saddle/backend/cpu/cpu.hpp"
#include "saddle/data/load.hpp"
#include "saddle/io/weights.hpp"
#include "saddle/nn/networks/conv_small.hpp"
#include "saddle/nn/normalization.hpp"
#include "saddle/training/objectives/adversarial.hpp"
#include "saddle/training/optimizers.hpp"
#include "saddle/training/schedules.hpp"
#include "saddle/training/trainer.hpp"

#include <filesystem>
#include <iomanip>
#include <iostream>

using namespace saddle;

namespace {

constexpr std::string_view usage = R"(transfer: table 1 of Madry et al. (2018) on MNIST
  --data DIR|generated   MNIST's folder (default generated: digits made here)
  --weights DIR          where weights are read from, or written to after training (default transfer_weights)
  --train N --epochs N   images and passes of each training (default all, 83: 100,000 steps of batch 50)
  --images N             attacked test images (default 1000; the paper: all)
  --steps N              of PGD, in training too (default 40; a second attack takes 2.5 times as many)
)";

using input_shape = shape<1, 28, 28>;
using network_a = model<networks::madry_mnist<>, input_shape, backend::cpu>;
/// B, after Tramèr et al. (2018).
using network_b = model<sequential<dropout, conv2d<64, 8, stride<2>, padding<3>>, relu, conv2d<128, 6, stride<2>>, relu,
                                   conv2d<128, 5>, relu, flatten, dropout, linear<10>>,
                        input_shape, backend::cpu>;

const std::map<std::string, std::string> defaults{{"data", "generated"},  {"weights", "transfer_weights"},
                                                  {"train", "100000000"}, {"epochs", "83"},
                                                  {"images", "1000"},     {"steps", "40"}};

constexpr double epsilon = .3;

pgd_settings attack_settings_of(std::size_t steps, double step_size, std::size_t restarts) {
    return {.epsilon = epsilon,
            .step_size = step_size,
            .steps = steps,
            .restarts = restarts,
            .keep = restarts > 1 ? keep_rule::best : keep_rule::last,
            .early_stop = restarts > 1};
}

/// Reads the weights of `name`, or trains them by Madry and writes them.
template <class M>
void prepare_weights(M& m, const std::string& name, const options& o, const dataset& data, std::uint64_t seed) {
    const auto path = o.text_of("weights") + "/" + name + ".safetensors";
    if (std::filesystem::exists(path)) {
        (void)load_weights(m, path);
        return;
    }
    std::cerr << "training " << name << " on " << data.size() << " images\n";
    const auto steps = o.number("steps");
    trainer t(m, objectives::adversarial(pgd(attack_settings_of(steps, .4 / static_cast<double>(steps), 1))),
              adam{.learning_rate = 1e-4}, schedules::constant{}, {.epochs = o.number("epochs"), .batch_size = 50, .seed = seed});
    (void)t.fit(data);
    std::filesystem::create_directories(o.text_of("weights"));
    save_weights(m, path);
}

void print(const std::string& attack, const std::string& source, double accuracy, const char* published) {
    std::cout << std::left << std::setw(26) << attack << std::setw(8) << source << std::right << std::fixed
              << std::setprecision(1) << std::setw(8) << accuracy << std::setw(12) << published << std::endl;
}

void reproduce(const options& o) {
    const auto data = load(o.text_of("data"));
    const auto train = first(data.train, std::min(o.number("train"), data.train.size()));
    const auto test = first(data.test, std::min(o.number("images"), data.test.size()));
    network_a a(1), copy(2);
    network_b b(network_b::network{dropout{.rate = .2}, {}, {}, {}, {}, {}, {}, {}, {}, {}}, 3);
    prepare_weights(a, "A", o, train, 1);
    prepare_weights(copy, "A_copy", o, train, 2);
    prepare_weights(b, "B", o, train, 3);
    worker_pool pool;
    const auto target = prepare(a), other_a = prepare(copy);
    const auto other_b = prepare(b);
    std::cout << "attack                    source  measured   published\n";
    print("natural", "-", 100 * predict(target, test.x, pool).accuracy(test.y), "98.8");
    const auto against = [&](const std::string& name, const std::string& source, const auto& attack, const char* published) {
        const auto found = perturb(attack, target, test.x, test.y, pool);
        std::size_t right = 0;
        for (std::size_t i = 0; i < test.size(); ++i)
            right += found.clean_predictions[i] == test.y[i] && found.adversarial_predictions[i] == test.y[i];
        print(name, source, 100 * static_cast<double>(right) / static_cast<double>(test.size()), published);
    };
    const auto short_steps = o.number("steps"), long_steps = short_steps * 5 / 2;
    const double step_size = .4 / static_cast<double>(short_steps);
    const auto text_of = [](const char* what, std::size_t steps, std::size_t restarts) {
        return text(what, '-', steps, restarts > 1 ? text(" x ", restarts) : "");
    };
    const auto brief = pgd(attack_settings_of(short_steps, step_size, 1)),
               longer = pgd(attack_settings_of(long_steps, step_size, 1));
    const auto margin = pgd<linf, logit_margin>(attack_settings_of(short_steps, step_size, 1), {.clipped = true});
    const auto confident = pgd<linf, logit_margin>(attack_settings_of(short_steps, step_size, 1), {.clipped = true, .kappa = 50});
    auto aimed = brief;
    aimed.targets = target_rule::random;
    const auto single = fgsm({.epsilon = epsilon});
    against("FGSM", "A", single, "95.6");
    against(text_of("PGD", short_steps, 1), "A", brief, "93.2");
    against(text_of("PGD", long_steps, 1), "A", longer, "91.8");
    against(text_of("PGD", short_steps, 20), "A", pgd(attack_settings_of(short_steps, step_size, 20)), "90.4");
    against(text_of("PGD", long_steps, 20), "A", pgd(attack_settings_of(long_steps, step_size, 20)), "89.3");
    against("targeted, random class", "A", aimed, "92.7");
    against("CW", "A", margin, "94.0");
    against("CW+ (kappa 50)", "A", confident, "93.9");
    against("FGSM", "A'", transfer(single, other_a, "A'"), "96.8");
    against(text_of("PGD", short_steps, 1), "A'", transfer(brief, other_a, "A'"), "96.0");
    against(text_of("PGD", long_steps, 1), "A'", transfer(longer, other_a, "A'"), "95.7");
    against("CW", "A'", transfer(margin, other_a, "A'"), "97.0");
    against("CW+ (kappa 50)", "A'", transfer(confident, other_a, "A'"), "96.4");
    against("FGSM", "B", transfer(single, other_b, "B"), "95.4");
    against(text_of("PGD", short_steps, 1), "B", transfer(brief, other_b, "B"), "96.4");
    against("CW+ (kappa 50)", "B", transfer(confident, other_b, "B"), "95.7");
}

}  // namespace

int main(int count, char** arguments) try {
    if (count > 1 && std::string_view(arguments[1]) == "--help") {
        std::cout << usage;
        return 0;
    }
    reproduce(options("transfer", defaults, count, arguments));
} catch (const std::exception& problem) {
    std::cerr << problem.what() << '\n' << usage;
    return 1;
}
