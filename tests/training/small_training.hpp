#pragma once
#include "saddle/backend/reference/reference.hpp"
#include "saddle/losses/cross_entropy.hpp"
#include "saddle/nn/activations.hpp"
#include "saddle/nn/linear.hpp"
#include "saddle/nn/normalization.hpp"
#include "saddle/nn/pooling.hpp"
#include "saddle/nn/sequential.hpp"
#include "saddle/training/objectives/natural.hpp"
#include "saddle/training/sgd.hpp"
#include "saddle/training/trainer.hpp"

namespace small_training {

/// Three classes of 3×3 images: a bright row each, under noise; 37 of them, so that the last batch is never whole.
inline saddle::dataset data(std::size_t count = 37, std::uint64_t seed = 5) {
    saddle::dataset d{"rows", saddle::images(count, {1, 3, 3}), saddle::labels(count), 3, {}};
    const saddle::random_stream draws({.seed = seed, .purpose = saddle::purpose::generated_data});
    for (std::size_t i = 0; i < count; ++i) {
        d.y[i] = static_cast<std::int32_t>(i % 3);
        for (std::size_t j = 0; j < 9; ++j) d.x[i][j] = (j / 3 == i % 3 ? .5f : 0.f) + .5f * draws.uniform(i, j);
    }
    return d;
}

inline const saddle::dataset all_data = data();

using network =
    saddle::sequential<saddle::flatten, saddle::linear<24>, saddle::batch_norm, saddle::relu, saddle::dropout, saddle::linear<3>>;
using model = saddle::model<network, saddle::shape<1, 3, 3>, saddle::backend::reference>;

/// Weights and running statistics, to be compared bit for bit.
inline std::vector<float> bits(const model& m) {
    std::vector<float> all(m.parameters().begin(), m.parameters().end());
    all.insert(all.end(), m.buffers().begin(), m.buffers().end());
    return all;
}

using natural = saddle::objectives::natural<saddle::cross_entropy>;
inline const saddle::sgd momentum{.learning_rate = .05, .momentum = .9, .weight_decay = 1e-4};
inline const saddle::trainer_settings settings{.epochs = 4, .batch_size = 8, .seed = 11, .threads = 1};

/// Ends training after this many steps.
struct stop_after {
    std::size_t steps;
    saddle::training_action step_end(const saddle::step_record& r) const {
        return r.position.steps() + 1 == steps ? saddle::training_action::stop : saddle::training_action::go_on;
    }
};

}  // namespace small_training
