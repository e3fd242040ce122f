// Robust accuracy of a trained network on MNIST test images under PGD-40, PGD-40 with 20 restarts and AutoAttack, or under the attacks
// named; the gaps between them and the time each took. The other side is benchmarks/pytorch/auto_attack.py.
// attack_strength DIR WEIGHTS [IMAGES] [EPSILON] [small_cnn|conv_small] [all|auto_attack|square|apgd|fab]
#include "saddle/attacks/auto_attack.hpp"
#include "saddle/attacks/pgd.hpp"
#include "saddle/backend/cpu/cpu.hpp"
#include "saddle/data/load.hpp"
#include "saddle/io/weights.hpp"
#include "saddle/nn/model.hpp"
#include "saddle/nn/networks/conv_small.hpp"
#include "saddle/nn/networks/small_cnn.hpp"

#include <ctime>
#include <iomanip>
#include <iostream>

namespace {

using namespace saddle;

double processor_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

/// Runs an attack; prints and returns the robust accuracy in percent, images that are misclassified already counting as not robust.
template <class A, class P>
double measure(const std::string& name, const A& attack, const P& program, const dataset& data, worker_pool& pool,
               double before) {
    const double cpu = processor_seconds();
    const auto start = std::chrono::steady_clock::now();
    const auto found = perturb(attack, program, data.x, data.y, pool);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const double robust = 100 * (1 - found.success_rate());
    std::cout << std::left << std::setw(16) << name << std::fixed << std::setprecision(2) << std::setw(8) << robust;
    if (before >= 0) std::cout << "gap " << std::setw(8) << before - robust;
    std::cout << seconds << " s, " << processor_seconds() - cpu << " processor seconds, " << found.gradient_calls
              << " gradients, " << found.forward_calls << " passes, rejected " << found.rejected << std::endl;
    for (const auto& stage : found.stages)
        std::cout << "    " << std::setw(12) << stage.name
                  << 100 * static_cast<double>(stage.left) / static_cast<double>(data.size()) << " after " << stage.attacked
                  << " images, " << stage.seconds << " s\n";
    return robust;
}

template <class Network>
void run(const std::string& weights, const dataset& data, double epsilon, const std::string& which) {
    worker_pool pool;
    model<Network, shape<1, 28, 28>, backend::cpu> m;
    load_weights(m, weights);
    const auto program = prepare(m);
    std::cout << "clean           " << 100 * predict(program, data.x, pool).accuracy(data.y) << '\n';
    double last = -1;
    if (which == "all") {
        auto settings = pgd_settings{.epsilon = epsilon, .step_size = epsilon / 30, .steps = 40, .keep = keep_rule::best};
        settings.early_stop = true;
        last = measure("PGD-40", pgd(settings), program, data, pool, last);
        settings.restarts = 20;
        last = measure("PGD-40 x 20", pgd(settings), program, data, pool, last);
    }
    if (which == "all" || which == "auto_attack")
        measure("AutoAttack", auto_attack({.epsilon = epsilon}), program, data, pool, last);
    if (which == "square") measure("Square", square({.epsilon = epsilon}), program, data, pool, last);
    if (which == "apgd") measure("APGD-CE", apgd({.epsilon = epsilon, .early_stop = true}), program, data, pool, last);
    if (which == "fab")
        measure("FAB-T", fab({.epsilon = epsilon, .target_classes = 9, .early_stop = true}), program, data, pool, last);
}

}  // namespace

int main(int count, char** arguments) try {
    using namespace saddle;
    require(count >= 3, "attack_strength", "arguments",
            "DIR WEIGHTS [IMAGES] [EPSILON] [small_cnn|conv_small] [all|auto_attack|square|apgd|fab]", count - 1);
    const auto data = load(arguments[1]);
    const auto test = first(data.test, count > 3 ? std::stoul(arguments[3]) : 1000);
    const double epsilon = count > 4 ? std::stod(arguments[4]) : .3;
    const std::string network = count > 5 ? arguments[5] : "small_cnn", which = count > 6 ? arguments[6] : "all";
    if (network == "conv_small")
        run<networks::conv_small<>>(arguments[2], test, epsilon, which);
    else
        run<networks::small_cnn<>>(arguments[2], test, epsilon, which);
} catch (const std::exception& problem) {
    std::cerr << problem.what() << '\n';
    return 1;
}
