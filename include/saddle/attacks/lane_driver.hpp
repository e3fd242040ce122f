#pragma once
#include "saddle/attacks/example_queue.hpp"
#include "saddle/core/worker_pool.hpp"

#include <memory>

namespace saddle::detail {

/// Runs an attack on all images: every thread keeps a block of lanes busy, stores the lanes whose example is over and puts the
/// next waiting example into them. Which lane, thread and step an example meets changes none of its bits.
template <class A, class P, class T>
class lane_driver {
public:
    using session = std::remove_cvref_t<decltype(std::declval<const P&>().make_session())>;
    using runner = typename A::template runner<session>;
    static constexpr std::size_t lanes = runner::lanes;

    lane_driver(const A& attack, const P& program, const basic_images<T>& x, const labels& y, const run_settings& settings,
                attack_result<T>& result)
        : attack_(attack), program_(program), x_(x), settings_(settings), result_(result),
          queue_(x, y, settings, static_cast<double>(attack.projection.epsilon), step_size_of(attack), result) {}

    void run(worker_pool& pool) {
        pool.for_each(std::min(pool.size(), (x_.size() + lanes - 1) / lanes), [&](std::size_t, std::size_t) {
            try {
                work();
            } catch (...) {
                failed_ = true;
                throw;
            }
        });
        result_.gradient_calls = spent_since(result_.gradients, settings_.gradients_spent);
        result_.forward_calls = spent_since(result_.forwards, settings_.forwards_spent);
    }

private:
    /// Steps of an idle lane that cost as much as a refill.
    static constexpr std::size_t refill = std::max<std::size_t>(1, lanes / 8);

    static T step_size_of(const A& attack) {
        if constexpr (requires { attack.step_size; }) return static_cast<T>(attack.step_size);
        return T(0);
    }

    /// One thread's block of lanes, until no example is left.
    void work() {
        runner attack(attack_, program_.make_session(), x_.each(), program_.classes());
        lane_vector<T> clean(x_.each().size() * lanes), adversarial(clean.size());
        auto job = std::make_unique<block_job<T, lanes>>();
        job->settings = &settings_;
        job->judged = queue_.judged();
        job->x = clean.data();
        job->adversarial = adversarial.data();
        std::array<std::size_t, lanes> index{};
        for (std::size_t idle = lanes, lost = 0;;) {
            lost += idle;
            if (lost >= refill && !queue_.empty()) idle -= queue_.load(*job, index, clean.data()), lost = 0;
            if (idle == lanes) return;
            check_stop(settings_, "perturb");
            if (failed_) return;
            job->spare = queue_.empty() && settings_.max_forwards == 0 && settings_.max_gradients == 0;
            attack.step(*job);
            idle += store(attack, *job, index);
        }
    }

    /// Stores the lanes whose example, budget or time is over; returns how many.
    std::size_t store(runner& attack, block_job<T, lanes>& job, const std::array<std::size_t, lanes>& index) {
        std::size_t stored = 0;
        const bool expired = settings_.expired();
        for (std::size_t l = 0; l < lanes; ++l) {
            if (!queue_.over(job, l, expired)) continue;
            attack.finish(job, l);
            queue_.store(job, l, index[l]);
            ++stored;
        }
        if (stored > 0) queue_.report(stored);
        return stored;
    }

    const A& attack_;
    const P& program_;
    const basic_images<T>& x_;
    const run_settings& settings_;
    attack_result<T>& result_;
    example_queue<T, lanes> queue_;
    std::atomic<bool> failed_{false};
};

}  // namespace saddle::detail
