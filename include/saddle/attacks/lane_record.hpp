#pragma once
#include "saddle/attacks/block_job.hpp"
#include "saddle/attacks/rules.hpp"

#include <limits>

namespace saddle {

/// Bookkeeping of an iterative attack, lane by lane: which iterate to keep, who is done, counts, trace.
template <class T, std::size_t Lanes>
class lane_record {
public:
    alignas(lane_alignment) std::array<T, Lanes> objective{};   ///< of the iterate to be noted
    alignas(lane_alignment) std::array<T, Lanes> prediction{};  ///< its class, -1 when its logits are not finite
    alignas(lane_alignment) std::array<T, Lanes> take{};        ///< lanes whose stored result becomes that iterate

    template <class Attack>
    void begin(block_job<T, Lanes>& job, const Attack& attack) {
        job_ = &job;
        targeted_ = attack.targeted();
        early_stop_ = attack.early_stop;
        keeps_last_ = attack.keep == keep_rule::last;
        keeps_first_ = attack.keep == keep_rule::first_success;
        columns_ = attack.trace_columns();
        column_ = 0;
        success_ = usable_ = done_ = flawed_ = {};
        job.gradients = job.forwards = {};
        job.clean_prediction.fill(-1);
        job.adversarial_prediction.fill(-1);
        job.loss.fill(std::numeric_limits<T>::quiet_NaN());
        job.status.fill(attack_status::failed);
    }

    [[nodiscard]] bool all_done() const {
        if (!early_stop_) return false;
        for (std::size_t l = 0; l < job_->count; ++l)
            if (!done_[l]) return false;
        return true;
    }
    void count_forwards() {
        for (std::size_t l = 0; l < Lanes; ++l) job_->forwards[l] += !done_[l];
    }
    void count_gradients() {
        for (std::size_t l = 0; l < Lanes; ++l) job_->gradients[l] += !done_[l];
    }
    void note_flaws(const T* marks) {
        for (std::size_t l = 0; l < Lanes; ++l) flawed_[l] |= marks[l] != 0 && !done_[l];
    }

    /// The clean image: the stored result already; `candidate` says whether it competes with the iterates.
    void note_clean(bool candidate) {
        for (std::size_t l = 0; l < Lanes; ++l) {
            job_->clean_prediction[l] = static_cast<std::int32_t>(prediction[l]);
            flawed_[l] |= prediction[l] < 0;
            if (candidate && prediction[l] >= 0) store(l);
        }
    }

    /// The iterate of one column. Fills `take`; true when any lane takes it.
    bool note(std::size_t restart, std::size_t column, bool candidate, bool last) {
        bool any = false;
        for (std::size_t l = 0; l < Lanes; ++l) {
            take[l] = 0;
            if (!done_[l]) {
                flawed_[l] |= prediction[l] < 0;
                const bool valid = prediction[l] >= 0, hit = hits(l);
                const bool better =
                    valid && (!usable_[l] || hit > success_[l] || (hit == success_[l] && objective[l] > job_->loss[l]));
                bool takes = better;
                if (keeps_last_) takes = last ? restart == 0 || better : early_stop_ && hit;
                if (keeps_first_) takes = better && !success_[l];
                if (candidate && takes) {
                    store(l);
                    take[l] = 1;
                    any = true;
                }
            }
            trace(l, column, done_[l] && take[l] == 0);
        }
        column_ = column + 1;
        return any;
    }

    /// Fills what is left of the trace and writes the verdicts.
    void finish() {
        for (; column_ < columns_; ++column_)
            for (std::size_t l = 0; l < Lanes; ++l) trace(l, column_, true);
        for (std::size_t l = 0; l < Lanes; ++l)
            job_->status[l] = success_[l]  ? attack_status::succeeded
                              : flawed_[l] ? attack_status::not_finite
                                           : attack_status::failed;
    }

private:
    [[nodiscard]] bool hits(std::size_t l) const {
        if (prediction[l] < 0) return false;
        const auto found = static_cast<std::int32_t>(prediction[l]);
        return targeted_ ? found == job_->targets[l] : found != job_->labels[l];
    }
    void store(std::size_t l) {
        usable_[l] = prediction[l] >= 0;
        success_[l] = hits(l);
        job_->loss[l] = objective[l];
        job_->adversarial_prediction[l] = static_cast<std::int32_t>(prediction[l]);
        done_[l] = early_stop_ && success_[l];
    }
    /// Writes one cell; a lane that is done repeats its result.
    void trace(std::size_t l, std::size_t column, bool repeat) {
        if (l >= job_->count || !job_->trace_loss[l]) return;
        job_->trace_loss[l][column] = repeat ? job_->loss[l] : objective[l];
        job_->trace_success[l][column] = repeat ? success_[l] : hits(l);
    }

    block_job<T, Lanes>* job_ = nullptr;
    bool targeted_ = false, early_stop_ = false, keeps_last_ = true, keeps_first_ = false;
    std::size_t columns_ = 0, column_ = 0;
    std::array<bool, Lanes> success_{}, usable_{}, done_{}, flawed_{};
};

}  // namespace saddle
