#pragma once
#include "saddle/core/config.hpp"

namespace saddle {

/// What a training-mode pass needs to know besides data and weights: the key of its draws (dropout) and what it may update.
struct training_settings {
    std::uint64_t seed = 0;
    std::uint32_t epoch = 0, step = 0;
    bool update_statistics = true;  ///< running mean and variance of batch norm
};

}  // namespace saddle
