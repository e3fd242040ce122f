#pragma once
#include "saddle/core/images.hpp"

#include <atomic>
#include <functional>

namespace saddle {

/// How an attack is run, apart from what it does. Spans are empty or have one entry per image.
struct run_settings {
    std::size_t threads = 0;                  ///< of the pool made when none is passed; 0: one per hardware thread
    std::span<const std::uint64_t> ids{};     ///< identity of each image for random draws; 0 .. N-1 by default
    std::span<const std::int32_t> targets{};  ///< for target_rule::given
    std::span<const double> epsilons{};       ///< radius of each image instead of the projection's
    std::span<const double> step_sizes{};     ///< step of each image instead of the attack's
    std::uint32_t epoch = 0;                  ///< part of the key of random draws: training sees new starts every epoch
    bool examples_only = false;               ///< return adversarial images alone and skip forward passes that only judge them
    bool trace = false;                       ///< also record loss and success of every iterate
    std::function<void(std::size_t done, std::size_t total)> progress{};  ///< after every block, from one thread at a time
    const std::atomic<bool>* stop = nullptr;  ///< when it becomes true, the attack ends with `interrupted`
};

/// Throws `interrupted` when the user asked for the end.
inline void check_stop(const run_settings& settings, std::string_view where) {
    if (settings.stop && settings.stop->load(std::memory_order_relaxed)) throw interrupted(text(where, ": stopped on request"));
}

}  // namespace saddle
