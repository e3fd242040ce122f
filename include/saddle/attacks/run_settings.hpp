#pragma once
#include "saddle/core/images.hpp"

#include <atomic>
#include <chrono>
#include <functional>
#include <optional>

namespace saddle {

/// How an attack is run, apart from what it does. Spans are empty or have one entry per image.
struct run_settings {
    std::size_t threads = 0;                  ///< of the pool made when none is passed; 0: one per hardware thread
    std::span<const std::uint64_t> ids{};     ///< identity of each image for random draws; 0 .. N-1 by default
    std::span<const std::int32_t> targets{};  ///< for target_rule::given
    std::span<const double> epsilons{};       ///< radius of each image instead of the projection's
    std::span<const double> step_sizes{};     ///< step of each image instead of the attack's
    std::uint32_t draw = 0;                   ///< which draw of a model's own randomness `predict` sees
    std::uint32_t epoch = 0;                  ///< part of the key of random draws: training sees new starts every epoch
    bool examples_only = false;               ///< return adversarial images alone and skip forward passes that only judge them
    bool trace = false;                       ///< also record loss and success of every iterate
    bool verify = true;                       ///< check every judged result apart from its attack, with one more forward pass
    std::uint64_t max_forwards = 0;           ///< hard budget of forward passes (queries) per image; 0: no limit
    std::uint64_t max_gradients = 0;          ///< hard budget of gradients per image; 0: no limit
    std::span<const std::uint64_t> forwards_spent{}, gradients_spent{};  ///< of the budgets, before this run; counts begin there
    /// When it is over, every attack ends with the best it has, and images not yet begun stay as they are.
    std::optional<std::chrono::steady_clock::time_point> deadline{};
    std::function<void(std::size_t done, std::size_t total)> progress{};  ///< as images end, from one thread at a time
    const std::atomic<bool>* stop = nullptr;  ///< when it becomes true, the attack ends with `interrupted`

    /// True when an attack may be cut short: the best iterate is kept then, whatever its keep_rule.
    [[nodiscard]] bool limited() const { return max_forwards > 0 || max_gradients > 0 || deadline.has_value(); }
    [[nodiscard]] bool expired() const { return deadline && std::chrono::steady_clock::now() >= *deadline; }
};

/// Throws `interrupted` when the user asked for the end.
inline void check_stop(const run_settings& settings, std::string_view where) {
    if (settings.stop && settings.stop->load(std::memory_order_relaxed)) throw interrupted(text(where, ": stopped on request"));
}

}  // namespace saddle
