#include "job.hpp"
#include "saddle/io/weights.hpp"
#include "saddle/training/objectives/natural.hpp"
#include "saddle/training/optimizers.hpp"
#include "saddle/training/progress_bar.hpp"
#include "saddle/training/schedules.hpp"
#include "saddle/training/trainer.hpp"

#include <filesystem>

using namespace saddle;

// SGD .01 with Nesterov momentum .9, batch 128, dropout .5.
network_type trained_network(const options& o, const split_dataset& data) {
    network_type network(1);
    const std::string& path = o.text_of("weights");
    if (std::filesystem::exists(path)) {
        load_weights(network, path);
        return network;
    }
    dataset train = data.train;
    train.x = train.x.slice(0, std::min(o.number("train"), train.size()));
    train.y.resize(train.x.size());
    trainer fit(network, objectives::natural{}, sgd{.learning_rate = .01, .momentum = .9, .nesterov = true},
                schedules::constant{}, {.epochs = o.number("epochs"), .batch_size = 128, .seed = 1}, progress_bar{});
    (void)fit.fit(train);
    save_weights(network, path);
    return network;
}
