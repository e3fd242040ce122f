#pragma once
#include "backend.hpp"
#include "options.hpp"
#include "saddle/attacks/pgd.hpp"
#include "saddle/data/dataset.hpp"
#include "saddle/evaluation/report.hpp"
#include "saddle/nn/model.hpp"

/// A network as data, so that nothing below is compiled once per network.
using network = saddle::weighted_plan<backend_type, float>;

struct trained_model {
    std::string name;
    network weights;
    saddle::model_summary summary;
};

/// PGD at an epsilon, its step in proportion.
inline auto pgd_at(const options& o, double epsilon) {
    return saddle::pgd(
        saddle::pgd_settings{.epsilon = epsilon, .step_size = o.step_size * epsilon / o.epsilon, .steps = o.steps});
}

/// Trains naturally, or by Madry's recipe; goes on from a checkpoint in the output folder and leaves weights there. train.cpp
trained_model train(const options& o, const saddle::dataset& data, const saddle::plan& structure, bool adversarial);

struct epochs_to_do {
    std::size_t natural, madry;
};
/// The epochs that are left of each training, counting from the checkpoints in the output folder. train.cpp
epochs_to_do epochs_left(const options& o);

/// Seconds that one image takes forward and backward on all threads. attack.cpp
double seconds_per_image(const options& o, const saddle::dataset& data, const saddle::plan& structure);

/// Attacks the models with FGSM, BIM and PGD over a range of epsilon; adds rows, pictures and comparisons to the report. attack.cpp
void attack(const options& o, const saddle::dataset& data, const trained_model& natural, const trained_model& madry,
            saddle::report& r);
