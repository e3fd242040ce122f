#pragma once
#include "saddle/attacks/block_job.hpp"

#include <atomic>
#include <mutex>

namespace saddle::detail {

/// An attack's result with room for everything that the settings ask for.
template <class T>
[[nodiscard]] attack_result<T> make_result(const basic_images<T>& x, const run_settings& settings, bool targeted,
                                           std::size_t trace_columns) {
    attack_result<T> result;
    const std::size_t count = x.size();
    result.adversarial = basic_images<T>(count, x.each());
    result.gradients.assign(settings.gradients_spent.begin(), settings.gradients_spent.end());
    result.forwards.assign(settings.forwards_spent.begin(), settings.forwards_spent.end());
    result.gradients.resize(count);
    result.forwards.resize(count);
    if (targeted) result.targets.resize(count);
    if (settings.examples_only) return result;
    result.success.resize(count);
    result.status.resize(count);
    result.clean_predictions.resize(count);
    result.adversarial_predictions.resize(count);
    result.loss.resize(count);
    if (settings.trace) {
        result.trace.columns = trace_columns;
        result.trace.loss.resize(count * trace_columns);
        result.trace.success.resize(count * trace_columns);
    }
    return result;
}
template <class T, class A>
[[nodiscard]] attack_result<T> make_result(const A& attack, const basic_images<T>& x, const run_settings& settings) {
    std::size_t trace_columns = 0;
    if constexpr (requires { attack.trace_columns(); }) trace_columns = attack.trace_columns();
    return make_result(x, settings, attack.targeted(), trace_columns);
}

/// Hands the images that wait to the lanes of every thread, and takes their results; the same for every attack.
template <class T, std::size_t Lanes>
class example_queue {
public:
    using job_type = block_job<T, Lanes>;

    /// `epsilon` and `step_size` are the attack's, for images without their own.
    example_queue(const basic_images<T>& x, const labels& y, const run_settings& settings, double epsilon, T step_size,
                  attack_result<T>& result)
        : x_(x), y_(y), settings_(settings), epsilon_(epsilon), step_size_(step_size), result_(result),
          judged_(!settings.examples_only) {}

    [[nodiscard]] bool judged() const { return judged_; }
    /// Whether no example waits any more.
    [[nodiscard]] bool empty() const { return empty_; }

    /// Fills idle lanes as long as examples wait; returns how many.
    std::size_t load(job_type& job, std::array<std::size_t, Lanes>& index, T* clean) {
        std::size_t loaded = 0;
        for (std::size_t l = 0; l < Lanes; ++l) {
            if (job.phase[l] != lane_phase::idle) continue;
            std::size_t i = next_.fetch_add(1);
            for (; i < x_.size() && (settings_.expired() || spent(i)); i = next_.fetch_add(1)) leave(i);
            if (i >= x_.size()) {
                empty_ = true;
                break;
            }
            index[l] = i;
            const T* image = x_[i].data();
            for (std::size_t e = 0; e < x_.each().size(); ++e) clean[e * Lanes + l] = image[e];
            job.phase[l] = lane_phase::loaded;
            job.ids[l] = settings_.ids.empty() ? i : settings_.ids[i];
            job.labels[l] = y_[i];
            job.targets[l] = settings_.targets.empty() ? -1 : settings_.targets[i];
            job.epsilon[l] = settings_.epsilons.empty() ? epsilon_ : settings_.epsilons[i];
            job.step_size[l] = settings_.step_sizes.empty() ? step_size_ : static_cast<T>(settings_.step_sizes[i]);
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

    /// Whether a lane's example, budget or time is over.
    [[nodiscard]] static bool over(const job_type& job, std::size_t l, bool expired) {
        if (job.phase[l] == lane_phase::ended) return true;
        return job.running(l) && (expired || job.forwards_left(l) == 0 || job.gradients_left(l) == 0);
    }

    /// Stores what lane l has found for example i.
    void store(job_type& job, std::size_t l, std::size_t i) {
        job.phase[l] = lane_phase::idle;
        T* image = result_.adversarial[i].data();
        for (std::size_t e = 0; e < x_.each().size(); ++e) image[e] = job.adversarial[e * Lanes + l];
        result_.gradients[i] = job.gradients[l];
        result_.forwards[i] = job.forwards[l];
        if (!result_.targets.empty()) result_.targets[i] = job.targets[l];
        if (!judged_) return;
        result_.success[i] = job.status[l] == attack_status::succeeded;
        result_.status[i] = job.status[l];
        result_.clean_predictions[i] = job.clean_prediction[l];
        result_.adversarial_predictions[i] = job.adversarial_prediction[l];
        result_.loss[i] = job.loss[l];
    }

    /// Tells the settings' observer of so many more examples.
    void report(std::size_t more) {
        if (!settings_.progress) return;
        std::lock_guard lock(reporting_);
        done_ += more;
        settings_.progress(done_, x_.size());
    }

private:
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

    const basic_images<T>& x_;
    const labels& y_;
    const run_settings& settings_;
    double epsilon_;
    T step_size_;
    attack_result<T>& result_;
    bool judged_;
    std::atomic<std::size_t> next_{0};
    std::atomic<bool> empty_{false};
    std::mutex reporting_;
    std::size_t done_ = 0;
};

}  // namespace saddle::detail
