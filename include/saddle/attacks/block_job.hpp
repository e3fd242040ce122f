#pragma once
#include "saddle/attacks/attack_result.hpp"
#include "saddle/attacks/run_settings.hpp"
#include "saddle/core/arena.hpp"
#include "saddle/losses/lane_values.hpp"

#include <array>

namespace saddle {

/// One block of lanes on its way through an attack: what the attack reads, and what it must write for every lane.
///
/// Lanes >= count repeat lane count - 1 in every respect; nobody reads their results.
template <class T, std::size_t Lanes>
struct block_job {
    const run_settings* settings = nullptr;
    std::size_t count = 0;
    const T* x = nullptr;  ///< [C,H,W][lane], clean
    std::array<std::uint64_t, Lanes> ids{};
    std::array<std::int32_t, Lanes> labels{};
    alignas(lane_alignment) std::array<double, Lanes> epsilon{};
    alignas(lane_alignment) std::array<T, Lanes> step_size{};
    bool judged = true;  ///< false: only `adversarial` is wanted

    T* adversarial = nullptr;                   ///< [C,H,W][lane], result
    std::array<std::int32_t, Lanes> targets{};  ///< in: the given ones; out: those used
    std::array<attack_status, Lanes> status{};
    std::array<std::int32_t, Lanes> clean_prediction{}, adversarial_prediction{};
    std::array<T, Lanes> loss{};
    std::array<std::uint32_t, Lanes> gradients{}, forwards{};
    std::array<T*, Lanes> trace_loss{};  ///< the image's row of the trace, or null
    std::array<std::uint8_t*, Lanes> trace_success{};
};

/// Copies the lanes of `from` whose entry of `take` is not 0. [elements][lane]; take [lane]
template <class V, class T>
void copy_lanes(const T* from, T* to, std::size_t elements, const T* take) {
    using io = lane_values<V>;
    const auto chosen = io::load(take) != V(0);
    for (std::size_t e = 0; e < elements * io::size; e += io::size)
        io::store(to + e, choose(chosen, io::load(from + e), io::load(to + e)));
}

}  // namespace saddle
