#pragma once
#include "saddle/core/images.hpp"

namespace saddle {

/// How an attack on one image ended.
enum class attack_status : std::uint8_t {
    failed,     ///< every judged iterate kept the label (targeted: missed the target)
    succeeded,  ///< the returned image is misclassified (targeted: classified as the target)
    not_finite  ///< no success, and the model gave NaN or infinite logits or gradients at some iterate
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

/// What an attack returns for N images. With examples_only, all but `adversarial` and the counts is empty.
template <class T>
struct attack_result {
    basic_images<T> adversarial;        ///< [N,C,H,W], in ball and range; failed ones too (their best or last iterate)
    std::vector<std::uint8_t> success;  ///< 1: misclassified, or classified as the target
    std::vector<attack_status> status;
    labels clean_predictions, adversarial_predictions;    ///< -1: the logits were not finite
    std::vector<T> loss;                                  ///< objective of the returned image, as the loss' `evaluate` defines it
    labels targets;                                       ///< of targeted attacks
    std::vector<std::uint32_t> gradients;                 ///< gradients spent on each image
    std::uint64_t gradient_calls = 0, forward_calls = 0;  ///< sums over the images
    attack_trace<T> trace;                                ///< with run_settings::trace

    /// Share of images attacked successfully, in [0,1].
    [[nodiscard]] double success_rate() const {
        std::size_t count = 0;
        for (const auto s : success) count += s;
        return success.empty() ? 0 : static_cast<double>(count) / static_cast<double>(success.size());
    }
};

}  // namespace saddle
