// Partitions the 60,000 training images of MNIST by DeepPoly at epsilon .1, conv_small, two threads: every correct image analysed, and
// with those left out that PGD of five steps breaks.
//   partition DATA WEIGHTS
#include "saddle/attacks/perturb.hpp"
#include "saddle/certification/certify.hpp"
#include "saddle/certification/deep_poly.hpp"
#include "trained.hpp"

#include <ctime>
#include <iostream>

int main(int count, char** arguments) try {
    using namespace saddle;
    require(count == 3, "partition", "arguments", "DATA WEIGHTS", count - 1);
    const std::string weights = arguments[2];
    std::filesystem::create_directories(weights);
    const auto mnist = load(arguments[1] + std::string("/mnist"));
    worker_pool pool(2);
    for (const std::string kind : {"natural", "madry"}) {
        const auto m = benchmarks::trained<networks::conv_small<>, shape<1, 28, 28>>(weights, "conv_small_" + kind, mnist,
                                                                                     kind == "madry" ? .1 : 0);
        for (const bool search : {false, true}) {
            const auto start = std::chrono::steady_clock::now();
            const auto ticks = std::clock();
            std::vector<std::uint8_t> falsified;
            if (search) {
                const auto attack = pgd({.epsilon = .1, .step_size = .05, .steps = 5, .early_stop = true});
                const auto found = perturb(attack, prepare(m), mnist.train.x, mnist.train.y, pool);
                falsified = falsify(m, mnist.train.x, mnist.train.y, linf_box{.1}, found.adversarial, pool);
            }
            const auto result =
                certify<deep_poly>(m, mnist.train.x, mnist.train.y, linf_box{.1}, pool, {}, {.falsified = falsified});
            const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
            std::cout << kind << (search ? ", falsified first: " : ": ") << result.count(certificate::verified) << " verified, "
                      << result.count(certificate::unverified) << " unverified, " << result.count(certificate::misclassified)
                      << " misclassified, " << seconds << " s, processor "
                      << static_cast<double>(std::clock() - ticks) / CLOCKS_PER_SEC << " s" << std::endl;
        }
    }
} catch (const std::exception& problem) {
    std::cerr << problem.what() << '\n';
    return 1;
}
