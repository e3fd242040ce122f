#pragma once
#include "saddle/attacks/attack_result.hpp"
#include "saddle/attacks/concepts.hpp"
#include "saddle/attacks/run_settings.hpp"
#include "saddle/core/arena.hpp"
#include "saddle/losses/lane_values.hpp"

#include <array>

namespace saddle {

/// What a lane is doing. The driver loads idle lanes and stores ended ones; the runner moves a lane from loaded to running to ended,
/// and may let idle ones help while no example waits.
enum class lane_phase : std::uint8_t {
    idle,     ///< nothing: its data are finite leftovers, nobody reads its results
    loaded,   ///< a new example has been put in; the next step begins with it
    running,  ///< somewhere in its attack, at an iterate of its own
    helping,  ///< the same, ahead of the lane whose example it shares; idle to the driver
    waiting,  ///< has helped to the end and keeps what it found for that lane
    ended     ///< the attack on its example is over; `finish` gives the verdict
};

/// One block of lanes at work: what the attack reads of every lane, and what it must write. A lane's example changes when it is
/// over, at any step, so every lane has its own iteration counter, and nothing may depend on what the other lanes hold.
template <class T, std::size_t Lanes>
struct block_job {
    const run_settings* settings = nullptr;
    bool judged = true;  ///< false: only `adversarial` is wanted
    bool spare = false;  ///< no example waits and none has a budget: idle lanes may help
    T* x = nullptr;      ///< [C,H,W][lane], clean
    std::array<lane_phase, Lanes> phase{};
    std::array<std::uint64_t, Lanes> ids{};
    std::array<std::int32_t, Lanes> labels{};
    alignas(lane_alignment) std::array<double, Lanes> epsilon{};
    alignas(lane_alignment) std::array<T, Lanes> step_size{};

    T* adversarial = nullptr;                   ///< [C,H,W][lane], result
    std::array<std::int32_t, Lanes> targets{};  ///< in: the given ones; out: those used
    std::array<attack_status, Lanes> status{};
    std::array<std::int32_t, Lanes> clean_prediction{}, adversarial_prediction{};
    std::array<T, Lanes> loss{};
    std::array<std::uint64_t, Lanes> gradients{}, forwards{};
    std::array<T*, Lanes> trace_loss{};  ///< the image's row of the trace, or null
    std::array<std::uint8_t*, Lanes> trace_success{};

    /// A forward pass of all lanes; a model with randomness of its own draws anew, by each lane's id and the passes spent on it.
    template <class S>
    void forward(S& session, const T* images, T* logits) const {
        if constexpr (RandomizedSession<S>) session.redraw(ids.data(), forwards.data());
        session.forward(images, logits);
    }
    [[nodiscard]] bool any(lane_phase p) const { return std::find(phase.begin(), phase.end(), p) != phase.end(); }
    [[nodiscard]] bool running(std::size_t l) const { return phase[l] == lane_phase::running; }
    /// Running, or ahead of a lane that is.
    [[nodiscard]] bool working(std::size_t l) const { return running(l) || phase[l] == lane_phase::helping; }

    /// Where queries are counted: `n` forward passes, or gradients, spent on the example of lane l.
    void count_forwards(std::size_t l, std::uint64_t n = 1) { forwards[l] += n; }
    void count_gradients(std::size_t l, std::uint64_t n = 1) { gradients[l] += n; }
    /// How many more the budget allows. A step that needs more than one pass per lane asks before it spends them.
    [[nodiscard]] std::uint64_t forwards_left(std::size_t l) const { return left(settings->max_forwards, forwards[l]); }
    [[nodiscard]] std::uint64_t gradients_left(std::size_t l) const { return left(settings->max_gradients, gradients[l]); }

private:
    static std::uint64_t left(std::uint64_t allowed, std::uint64_t spent) {
        if (allowed == 0) return std::numeric_limits<std::uint64_t>::max();
        return allowed > spent ? allowed - spent : 0;
    }
};

/// Copies the lanes of `from` whose entry of `take` is not 0. [elements][lane]; take [lane]
template <class V, class T>
void copy_lanes(const T* from, T* to, std::size_t elements, const T* take) {
    using io = lane_values<V>;
    const auto chosen = io::load(take) != V(0);
    for (std::size_t e = 0; e < elements * io::size; e += io::size)
        io::store(to + e, choose(chosen, io::load(from + e), io::load(to + e)));
}

/// Copies one lane to another. values [elements][Lanes]
template <std::size_t Lanes, class T>
void copy_lane(T* values, std::size_t elements, std::size_t from, std::size_t to) {
    for (std::size_t e = 0; e < elements * Lanes; e += Lanes) values[e + to] = values[e + from];
}

}  // namespace saddle
