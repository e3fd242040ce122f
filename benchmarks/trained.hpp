#pragma once
#include "saddle/attacks/pgd.hpp"
#include "saddle/backend/cpu/cpu.hpp"
#include "saddle/data/load.hpp"
#include "saddle/io/weights.hpp"
#include "saddle/nn/networks/conv_small.hpp"
#include "saddle/nn/residual.hpp"
#include "saddle/training/objectives/adversarial.hpp"
#include "saddle/training/objectives/ibp.hpp"
#include "saddle/training/objectives/natural.hpp"
#include "saddle/training/optimizers.hpp"
#include "saddle/training/schedules.hpp"
#include "saddle/training/trainer.hpp"

#include <filesystem>

/// Networks that the certification programs share, and their weights.
namespace benchmarks {

using namespace saddle;

using dense_6x100 = sequential<flatten, linear<100>, relu, linear<100>, relu, linear<100>, relu, linear<100>, relu, linear<100>,
                               relu, linear<100>, relu, linear<10>>;
/// Two residual blocks on CIFAR shapes: 14,436 neurons.
using two_blocks = sequential<
    conv2d<16, 3, stride<2>, padding<1>>, relu, residual<sequential<conv2d<16, 3, padding<1>>, relu, conv2d<16, 3, padding<1>>>>,
    relu, residual<sequential<conv2d<16, 3, stride<2>, padding<1>>, relu, conv2d<16, 3, padding<1>>>, conv2d<16, 1, stride<2>>>,
    relu, flatten, linear<100>, relu, linear<10>>;

/// A network of one name: from the folder of weights, or what `train(model)` makes of new ones, which are kept there.
template <class Network, class Shape, class Train>
model<Network, Shape, backend::cpu> kept(const std::string& folder, const std::string& name, Train&& train) {
    model<Network, Shape, backend::cpu> m(1);
    const std::string path = folder + '/' + name + ".safetensors";
    if (std::filesystem::exists(path)) {
        load_weights(m, path);
    } else {
        train(m);
        save_weights(m, path);
    }
    return m;
}

/// The same, trained naturally or by Madry at `epsilon`.
template <class Network, class Shape>
model<Network, Shape, backend::cpu> trained(const std::string& folder, const std::string& name, const split_dataset& data,
                                            double epsilon, std::size_t images = all_examples) {
    return kept<Network, Shape>(folder, name, [&](auto& m) {
        const auto fit = [&](const auto& objective) {
            trainer t(m, objective, adam{.learning_rate = 1e-3}, schedules::constant{},
                      {.epochs = 2, .batch_size = 128, .seed = 1});
            (void)t.fit(first(data.train, std::min(images, data.train.size())));
        };
        if (epsilon > 0)
            fit(objectives::adversarial(pgd({.epsilon = epsilon, .step_size = epsilon / 4, .steps = 7})));
        else
            fit(objectives::natural{});
    });
}

/// The same, trained by intervals (IBP) at `epsilon`.
template <class Network, class Shape>
model<Network, Shape, backend::cpu> trained_by_intervals(const std::string& folder, const std::string& name,
                                                         const split_dataset& data, double epsilon) {
    return kept<Network, Shape>(folder, name, [&](auto& m) {
        trainer t(m, objectives::ibp({.epsilon = epsilon, .warm_up = 200, .ramp = 800}), adam{.learning_rate = 1e-3},
                  schedules::step{{9}}, {.epochs = 12, .batch_size = 100, .seed = 1});
        (void)t.fit(first(data.train, 20'000));
    });
}

}  // namespace benchmarks
