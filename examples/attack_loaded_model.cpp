// Attacks a model whose weights were trained elsewhere: attack_loaded_model WEIGHTS.safetensors DATA [EPSILON]
// The file holds a PyTorch state_dict of nn.Sequential(Conv2d(1,16,4,2), ReLU, Conv2d(16,32,4,2), ReLU, Flatten, Linear(800,100),
// ReLU, Linear(100,10)), or what robust_training writes; DATA is a folder with MNIST's files or "generated".
#include "saddle/attacks/fgsm.hpp"
#include "saddle/attacks/pgd.hpp"
#include "saddle/backend/cpu/cpu.hpp"
#include "saddle/data/load.hpp"
#include "saddle/evaluation/assemble.hpp"
#include "saddle/evaluation/report_text.hpp"
#include "saddle/io/weights.hpp"
#include "saddle/nn/model.hpp"
#include "saddle/nn/networks/conv_small.hpp"

#include <iostream>

int main(int count, char** arguments) try {
    using namespace saddle;
    require(count == 3 || count == 4, "attack_loaded_model", "arguments", "WEIGHTS.safetensors DATA [EPSILON]",
            text(count - 1, " of them"));
    char* end = nullptr;
    const double epsilon = count == 4 ? std::strtod(arguments[3], &end) : .1;
    require(count == 3 || (end != arguments[3] && *end == 0), "attack_loaded_model", "EPSILON", "a number", arguments[count - 1]);

    model<networks::conv_small<>, shape<1, 28, 28>, backend::cpu> m;
    (void)load_weights(m, arguments[1]);
    const auto test = first(load(arguments[2]).test, 1000);

    worker_pool pool;
    const auto found =
        evaluate("loaded", m, test, pool, {}, fgsm({.epsilon = epsilon}),
                 named_attack{"PGD-20", pgd(pgd_settings{.epsilon = epsilon, .step_size = epsilon / 10, .steps = 20})},
                 named_attack{"PGD-20 L2", pgd<l2>(pgd_settings{.epsilon = 10 * epsilon, .step_size = epsilon, .steps = 20})});
    report r;
    describe_data(r, test);
    r.title = "Attacks on a loaded model";
    add_evaluation(r, {.name = "loaded", .network = "conv_small", .parameters = m.parameters().size()}, found);
    write_text(r, std::cout);
} catch (const std::exception& problem) {
    std::cerr << problem.what() << '\n';
    return 1;
}
