#pragma once
#include "saddle/projections/perturbation_size.hpp"

namespace saddle {

/// How an attack on one image ended.
enum class attack_status : std::uint8_t {
    failed,      ///< every judged iterate kept the label (targeted: missed the target)
    succeeded,   ///< the returned image is misclassified (targeted: classified as the target)
    not_finite,  ///< no success, and the model gave NaN or infinite logits or gradients at some iterate
    rejected,    ///< the result did not pass the check apart from the attack; the clean image is returned
    not_begun    ///< the deadline, or the end of its budget, came first; the clean image is returned
};

/// Loss and success of every iterate, image by image: entry (i, c) stands at i * columns + c.
///
/// Iterate s of restart r is column r * (steps + 1) + s; s = 0 is the start. Columns after an early stop repeat the last one.
template <class T>
struct attack_trace {
    std::size_t columns = 0;
    std::vector<T> loss;
    std::vector<std::uint8_t> success;

    /// Share of images that are attacked successfully at column `c`, in [0,1].
    [[nodiscard]] double success_rate(std::size_t c) const {
        require(c < columns, "attack_trace::success_rate", "column", text("below ", columns), c);
        std::size_t count = 0;
        for (std::size_t i = c; i < success.size(); i += columns) count += success[i];
        return success.empty()
                   ? 0
                   : static_cast<double>(count) / (static_cast<double>(success.size()) / static_cast<double>(columns));
    }
};

/// Sum of what was spent on all images beyond what had been before; `before` may be empty.
[[nodiscard]] inline std::uint64_t spent_since(std::span<const std::uint64_t> now, std::span<const std::uint64_t> before) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < now.size(); ++i) sum += now[i] - (before.empty() ? 0 : before[i]);
    return sum;
}

/// One part of an attack that is made of others, and what is left after it.
struct attack_stage {
    std::string name;
    std::size_t attacked = 0, successes = 0;  ///< images that it was given, and those of them that it fooled
    std::size_t left = 0;                     ///< images that neither it nor a part before has fooled
    std::uint64_t gradient_calls = 0, forward_calls = 0;
    double seconds = 0;
};

/// What an attack returns for N images. With examples_only, all but `adversarial` and the counts is empty.
template <class T>
struct attack_result {
    /// [N,C,H,W], in ball and range. Failed ones: the best or last iterate of an attack inside a ball, the clean image of an
    /// attack that looks for the nearest one.
    basic_images<T> adversarial;
    std::vector<std::uint8_t> success;  ///< 1: misclassified, or classified as the target
    std::vector<attack_status> status;
    labels clean_predictions, adversarial_predictions;    ///< -1: the logits were not finite
    std::vector<T> loss;                                  ///< objective of the returned image, as the loss' `evaluate` defines it
    labels targets;                                       ///< of targeted attacks
    std::vector<perturbation_size> distances;             ///< of the returned images from the clean ones
    std::vector<std::uint64_t> gradients, forwards;       ///< spent on each image; a forward pass is a query
    std::uint64_t gradient_calls = 0, forward_calls = 0;  ///< sums over the images
    std::size_t rejected = 0;                             ///< images whose status is `rejected`
    std::string rejection;                                ///< why the first of them was
    attack_trace<T> trace;                                ///< with run_settings::trace
    std::vector<attack_stage> stages;                     ///< of attacks that are made of others

    /// Share of images attacked successfully, in [0,1].
    [[nodiscard]] double success_rate() const {
        std::size_t count = 0;
        for (const auto s : success) count += s;
        return success.empty() ? 0 : static_cast<double>(count) / static_cast<double>(success.size());
    }
};

}  // namespace saddle
