#pragma once
#include "saddle/attacks/block_job.hpp"
#include "saddle/core/worker_pool.hpp"

#include <memory>
#include <mutex>

namespace saddle::detail {

/// An attack's result with room for everything that the settings ask for.
template <class T, class A>
[[nodiscard]] attack_result<T> make_result(const A& attack, const basic_images<T>& x, const run_settings& settings) {
    attack_result<T> result;
    const std::size_t count = x.size();
    result.adversarial = basic_images<T>(count, x.each());
    result.gradients.assign(settings.gradients_spent.begin(), settings.gradients_spent.end());
    result.forwards.assign(settings.forwards_spent.begin(), settings.forwards_spent.end());
    result.gradients.resize(count);
    result.forwards.resize(count);
    if (attack.targeted()) result.targets.resize(count);
    if (settings.examples_only) return result;
    result.success.resize(count);
    result.status.resize(count);
    result.clean_predictions.resize(count);
    result.adversarial_predictions.resize(count);
    result.loss.resize(count);
    if constexpr (requires { attack.trace_columns(); })
        if (settings.trace) {
            result.trace.columns = attack.trace_columns();
            result.trace.loss.resize(count * result.trace.columns);
            result.trace.success.resize(count * result.trace.columns);
        }
    return result;
}

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
        : attack_(attack), program_(program), x_(x), y_(y), settings_(settings), result_(result),
          judged_(!settings.examples_only) {}

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
    static constexpr std::size_t refill = std::max<std::size_t>(1, lanes / 8);  ///< idle lanes that are worth a refill

    /// One thread's block of lanes, until no example is left.
    void work() {
        runner attack(attack_, program_.make_session(), x_.each(), program_.classes());
        lane_vector<T> clean(x_.each().size() * lanes), adversarial(clean.size());
        auto job = std::make_unique<block_job<T, lanes>>();
        job->settings = &settings_;
        job->judged = judged_;
        job->x = clean.data();
        job->adversarial = adversarial.data();
        std::array<std::size_t, lanes> index{};
        for (std::size_t idle = lanes;;) {
            if (idle == lanes || (idle >= refill && !empty_)) idle -= load(*job, index, clean);
            if (idle == lanes) return;
            check_stop(settings_, "perturb");
            if (failed_) return;
            attack.step(*job);
            idle += store(attack, *job, index);
        }
    }

    /// Fills idle lanes as long as examples wait; returns how many.
    std::size_t load(block_job<T, lanes>& job, std::array<std::size_t, lanes>& index, lane_vector<T>& clean) {
        std::size_t loaded = 0;
        for (std::size_t l = 0; l < lanes; ++l) {
            if (job.phase[l] != lane_phase::idle) continue;
            std::size_t i = next_.fetch_add(1);
            for (; i < x_.size() && (settings_.expired() || spent(i)); i = next_.fetch_add(1)) leave(i);
            if (i >= x_.size()) {
                empty_ = true;
                break;
            }
            index[l] = i;
            const T* image = x_[i].data();
            for (std::size_t e = 0; e < x_.each().size(); ++e) clean[e * lanes + l] = image[e];
            job.phase[l] = lane_phase::loaded;
            job.ids[l] = settings_.ids.empty() ? i : settings_.ids[i];
            job.labels[l] = y_[i];
            job.targets[l] = settings_.targets.empty() ? -1 : settings_.targets[i];
            job.epsilon[l] = settings_.epsilons.empty() ? static_cast<double>(attack_.projection.epsilon) : settings_.epsilons[i];
            if constexpr (requires { attack_.step_size; }) job.step_size[l] = static_cast<T>(attack_.step_size);
            if (!settings_.step_sizes.empty()) job.step_size[l] = static_cast<T>(settings_.step_sizes[i]);
            job.forwards[l] = result_.forwards[i];
            job.gradients[l] = result_.gradients[i];
            if (result_.trace.columns > 0) {
                job.trace_loss[l] = result_.trace.loss.data() + i * result_.trace.columns;
                job.trace_success[l] = result_.trace.success.data() + i * result_.trace.columns;
            }
            ++loaded;
        }
        return loaded;
    }

    /// Stores the lanes whose example, budget or time is over; returns how many.
    std::size_t store(runner& attack, block_job<T, lanes>& job, const std::array<std::size_t, lanes>& index) {
        std::size_t stored = 0;
        const bool expired = settings_.expired();
        for (std::size_t l = 0; l < lanes; ++l) {
            const bool ended = job.phase[l] == lane_phase::ended;
            if (!ended && !job.running(l)) continue;
            if (!ended && !expired && job.forwards_left(l) > 0 && job.gradients_left(l) > 0) continue;
            attack.finish(job, l);
            job.phase[l] = lane_phase::idle;
            ++stored;
            const std::size_t i = index[l];
            T* image = result_.adversarial[i].data();
            for (std::size_t e = 0; e < x_.each().size(); ++e) image[e] = job.adversarial[e * lanes + l];
            result_.gradients[i] = job.gradients[l];
            result_.forwards[i] = job.forwards[l];
            if (!result_.targets.empty()) result_.targets[i] = job.targets[l];
            if (!judged_) continue;
            result_.success[i] = job.status[l] == attack_status::succeeded;
            result_.status[i] = job.status[l];
            result_.clean_predictions[i] = job.clean_prediction[l];
            result_.adversarial_predictions[i] = job.adversarial_prediction[l];
            result_.loss[i] = job.loss[l];
        }
        if (stored > 0) report(stored);
        return stored;
    }

    /// Whether earlier runs have used up an example's budget.
    [[nodiscard]] bool spent(std::size_t i) const {
        const auto over = [i](std::uint64_t allowed, std::span<const std::uint64_t> before) {
            return allowed > 0 && !before.empty() && before[i] >= allowed;
        };
        return over(settings_.max_forwards, settings_.forwards_spent) || over(settings_.max_gradients, settings_.gradients_spent);
    }
    /// An example that the deadline or its budget leaves as it is.
    void leave(std::size_t i) {
        if (!settings_.forwards_spent.empty()) result_.forwards[i] = settings_.forwards_spent[i];
        if (!settings_.gradients_spent.empty()) result_.gradients[i] = settings_.gradients_spent[i];
        std::copy_n(x_[i].data(), x_.each().size(), result_.adversarial[i].data());
        if (!result_.targets.empty()) result_.targets[i] = settings_.targets.empty() ? -1 : settings_.targets[i];
        if (judged_) {
            result_.status[i] = attack_status::not_begun;
            result_.clean_predictions[i] = result_.adversarial_predictions[i] = -1;
            result_.loss[i] = std::numeric_limits<T>::quiet_NaN();
        }
        report(1);
    }

    void report(std::size_t more) {
        if (!settings_.progress) return;
        std::lock_guard lock(reporting_);
        done_ += more;
        settings_.progress(done_, x_.size());
    }

    const A& attack_;
    const P& program_;
    const basic_images<T>& x_;
    const labels& y_;
    const run_settings& settings_;
    attack_result<T>& result_;
    bool judged_;
    std::atomic<std::size_t> next_{0};
    std::atomic<bool> empty_{false}, failed_{false};
    std::mutex reporting_;
    std::size_t done_ = 0;
};

}  // namespace saddle::detail
