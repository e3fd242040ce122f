// Speed of the attacks that look for the nearest image, and of Square, on MNIST test images, with the settings of
// benchmarks/pytorch/attack_peers.py. The fastest of three repetitions counts, or of as many as begin within five seconds.
// minimal_distance DIR WEIGHTS [IMAGES] [conv_small|small_cnn] [THREADS] [ATTACK...]
#include "saddle/attacks/boundary.hpp"
#include "saddle/attacks/carlini_wagner_l2.hpp"
#include "saddle/attacks/deepfool.hpp"
#include "saddle/attacks/hop_skip_jump.hpp"
#include "saddle/attacks/image_subset.hpp"
#include "saddle/attacks/jsma.hpp"
#include "saddle/attacks/perturb.hpp"
#include "saddle/attacks/square.hpp"
#include "saddle/backend/cpu/cpu.hpp"
#include "saddle/data/load.hpp"
#include "saddle/io/weights.hpp"
#include "saddle/nn/model.hpp"
#include "saddle/nn/networks/conv_small.hpp"
#include "saddle/nn/networks/small_cnn.hpp"

#include <ctime>
#include <iomanip>
#include <iostream>
#include <set>

namespace {

using namespace saddle;

double processor_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

template <class P>
struct measurement {
    const P& program;
    const dataset& data;
    worker_pool& pool;
    std::set<std::string> wanted;

    template <class A>
    static double distance_of(const perturbation_size& d) {
        if constexpr (requires { A::norm; })
            return distance_in(A::norm, d);
        else
            return d.linf;
    }
    template <class A>
    void run(const std::string& name, const A& attack) const {
        if (!wanted.empty() && !wanted.contains(name)) return;
        double best = 1e300, best_cpu = 1e300;
        attack_result<float> found;
        const auto begun = std::chrono::steady_clock::now();
        for (int repetition = 0; repetition < 3; ++repetition) {
            if (repetition > 0 && std::chrono::steady_clock::now() - begun > std::chrono::seconds(5)) break;
            const double cpu = processor_seconds();
            const auto start = std::chrono::steady_clock::now();
            found = perturb(attack, program, data.x, data.y, pool);
            best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
            best_cpu = std::min(best_cpu, processor_seconds() - cpu);
        }
        double distance = 0;
        std::size_t successes = 0;
        for (std::size_t i = 0; i < data.size(); ++i) {
            successes += found.success[i];
            if (found.success[i]) distance += distance_of<A>(found.distances[i]);
        }
        std::cout << std::left << std::setw(28) << name << std::fixed << std::setprecision(4) << best << " s, " << best_cpu
                  << " processor seconds, success " << found.success_rate() << ", mean distance "
                  << distance / static_cast<double>(std::max<std::size_t>(1, successes)) << ", " << found.gradient_calls
                  << " gradients, " << found.forward_calls << " passes, rejected " << found.rejected << std::endl;
    }
};

template <class Network>
void measure(const dataset& data, const std::string& weights, double epsilon, worker_pool& pool,
             const std::set<std::string>& wanted) {
    model<Network, shape<1, 28, 28>, backend::cpu> m;
    load_weights(m, weights);
    const auto program = prepare(m);
    const measurement<std::remove_cvref_t<decltype(program)>> all{program, data, pool, wanted};
    all.run("cw_l2_9x100", carlini_wagner_l2{.binary_steps = 9, .steps = 100});
    all.run("cw_l2_1x100_c1", carlini_wagner_l2{.binary_steps = 1, .steps = 100, .initial_c = 1});
    all.run("deepfool_l2", deepfool<l2>{});
    all.run("jsma", jsma_z);
    all.run("boundary_2000", boundary{.steps = 2000});
    all.run("hop_skip_jump_10", hop_skip_jump<l2>{.steps = 10});
    all.run("square_1000", square({.epsilon = epsilon, .queries = 1000}));
}

}  // namespace

int main(int count, char** arguments) try {
    require(count >= 3, "minimal_distance", "arguments", "DIR WEIGHTS [IMAGES] [conv_small|small_cnn] [THREADS] [ATTACK...]",
            count - 1);
    const std::size_t images = count > 3 ? std::stoul(arguments[3]) : 64, threads = count > 5 ? std::stoul(arguments[5]) : 0;
    const std::string network = count > 4 ? arguments[4] : "conv_small";
    auto data = load(arguments[1]).test;
    data.x = data.x.slice(0, images);
    data.y.resize(images);
    worker_pool pool(threads);
    const std::set<std::string> wanted(arguments + std::min(count, 6), arguments + count);
    if (network == "small_cnn")
        measure<networks::small_cnn<>>(data, arguments[2], .3, pool, wanted);
    else
        measure<networks::conv_small<>>(data, arguments[2], .1, pool, wanted);
} catch (const std::exception& problem) {
    std::cerr << problem.what() << '\n';
    return 1;
}
