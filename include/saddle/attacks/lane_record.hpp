#pragma once
#include "saddle/attacks/block_job.hpp"
#include "saddle/attacks/rules.hpp"

#include <limits>

namespace saddle {

/// Bookkeeping of an iterative attack, lane by lane: which iterate to keep, who is done, counts, trace.
///
/// A step of the attack calls `begin_step`, fills `objective` and `prediction`, and notes every running lane's iterate.
template <class T, std::size_t Lanes>
class lane_record {
public:
    alignas(lane_alignment) std::array<T, Lanes> objective{};   ///< of the iterate to be noted
    alignas(lane_alignment) std::array<T, Lanes> prediction{};  ///< its class, -1 when its logits are not finite
    alignas(lane_alignment) std::array<T, Lanes> take{};        ///< lanes whose stored result becomes that iterate

    template <class Attack>
    void begin_step(block_job<T, Lanes>& job, const Attack& attack) {
        job_ = &job;
        targeted_ = attack.targeted();
        early_stop_ = attack.early_stop;
        keep_ = attack.keep == keep_rule::last && job.settings->limited() ? keep_rule::best : attack.keep;
        columns_ = 0;
        if constexpr (requires { attack.trace_columns(); }) columns_ = attack.trace_columns();
        take.fill(T(0));
        takes_ = false;
    }
    /// A new example in lane l; its stored result is the clean image.
    void load(std::size_t l) {
        column_[l] = 0;
        success_[l] = usable_[l] = done_[l] = flawed_[l] = false;
        job_->clean_prediction[l] = job_->adversarial_prediction[l] = -1;
        job_->loss[l] = std::numeric_limits<T>::quiet_NaN();
    }

    /// True once the lane's attack stopped early.
    [[nodiscard]] bool done(std::size_t l) const { return done_[l]; }
    /// True once the lane's result is a success.
    [[nodiscard]] bool succeeded(std::size_t l) const { return success_[l]; }
    /// True when any lane takes its iterate.
    [[nodiscard]] bool any_takes() const { return takes_; }
    void note_flaw(std::size_t l) { flawed_[l] = true; }

    /// The clean image: the stored result already; `candidate` says whether it competes with the iterates.
    void note_clean(std::size_t l, bool candidate) {
        job_->clean_prediction[l] = static_cast<std::int32_t>(prediction[l]);
        flawed_[l] = flawed_[l] || prediction[l] < 0;
        if (candidate && prediction[l] >= 0) store(l);
    }

    /// The iterate of one column. Sets `take`.
    void note(std::size_t l, std::size_t restart, std::size_t column, bool candidate, bool last) {
        if (!done_[l]) {
            flawed_[l] = flawed_[l] || prediction[l] < 0;
            const bool takes = takes_iterate(keep_, {.valid = prediction[l] >= 0,
                                                     .hit = hits(l),
                                                     .higher = objective[l] > job_->loss[l],
                                                     .last = last,
                                                     .first_restart = restart == 0,
                                                     .stored = usable_[l],
                                                     .stored_hit = success_[l],
                                                     .early_stop = early_stop_});
            if (candidate && takes) {
                store(l);
                take[l] = 1;
                takes_ = true;
            }
        }
        trace(l, column, done_[l] && take[l] == 0);
        column_[l] = column + 1;
    }

    /// Fills what is left of the lane's trace and writes its verdict.
    void finish(std::size_t l) {
        for (; column_[l] < columns_; ++column_[l]) trace(l, column_[l], true);
        job_->status[l] = success_[l] ? attack_status::succeeded : flawed_[l] ? attack_status::not_finite : attack_status::failed;
    }

    /// Whether the prediction in hand is what the attack wants.
    [[nodiscard]] bool hits(std::size_t l) const {
        if (prediction[l] < 0) return false;
        const auto found = static_cast<std::int32_t>(prediction[l]);
        return targeted_ ? found == job_->targets[l] : found != job_->labels[l];
    }

private:
    void store(std::size_t l) {
        usable_[l] = prediction[l] >= 0;
        success_[l] = hits(l);
        job_->loss[l] = objective[l];
        job_->adversarial_prediction[l] = static_cast<std::int32_t>(prediction[l]);
        done_[l] = early_stop_ && success_[l];
    }
    /// Writes one cell; a lane that is done repeats its result.
    void trace(std::size_t l, std::size_t column, bool repeat) {
        if (!job_->trace_loss[l]) return;
        job_->trace_loss[l][column] = repeat ? job_->loss[l] : objective[l];
        job_->trace_success[l][column] = repeat ? success_[l] : hits(l);
    }

    block_job<T, Lanes>* job_ = nullptr;
    keep_rule keep_ = keep_rule::last;
    bool targeted_ = false, early_stop_ = false, takes_ = false;
    std::size_t columns_ = 0;
    std::array<std::size_t, Lanes> column_{};
    std::array<bool, Lanes> success_{}, usable_{}, done_{}, flawed_{};
};

}  // namespace saddle
