#pragma once
#include "saddle/attacks/block_job.hpp"
#include "saddle/attacks/lane_groups.hpp"
#include "saddle/attacks/lane_record.hpp"
#include "saddle/attacks/targets.hpp"
#include "saddle/losses/loss_input.hpp"

namespace saddle {

/// Runs attacks that try images one after the other, whatever the model says of them: the clean image, then candidates 0, 1, ... of
/// the attack, each lane at its own. Attack: `loss`, `keep`, `early_stop`, `candidates()` and a `source<V>` with `load(job)` for new
/// images and `place(candidate, ids, job, z)` for the block of one candidate.
template <class Attack, class S>
class candidate_runner {
public:
    using V = typename S::vector;
    using T = lane_scalar<V>;
    static constexpr std::size_t lanes = lane_values<V>::size;
    using job_type = block_job<T, lanes>;

    candidate_runner(const Attack& attack, S session, extents image, std::size_t classes)
        : attack_(attack), session_(std::move(session)), elements_(image.size()), classes_(classes), z_(elements_ * lanes),
          placed_(elements_ * lanes), logits_(classes * lanes), source_(attack, image) {}

    void step(job_type& job) {
        record_.begin_step(job, attack_);
        if (job.any(lane_phase::loaded)) load(job);
        for_each_lane_group<T>(pending_, candidate_, job.ids,
                               [&](std::size_t candidate, const std::uint64_t* ids, const T* chosen) {
                                   source_.place(candidate, ids, job, placed_.data());
                                   copy_lanes<V>(placed_.data(), z_.data(), elements_, chosen);
                               });
        session_.forward(z_.data(), logits_.data());
        for (std::size_t l = 0; l < lanes; ++l)
            if (job.running(l) && clean_[l]) aim(job, l);
        const auto top = find_top<V>(logits_.data(), classes_, lanes);
        const loss_input<T> in{logits_.data(), classes_, lanes, goal_.data(), attack_.targeted()};
        io::store(record_.objective.data(), attack_.loss.template evaluate<V>(in, static_cast<T*>(nullptr)));
        io::store(record_.prediction.data(), choose(top.valid, top.index, V(-1)));
        for (std::size_t l = 0; l < lanes; ++l)
            if (job.running(l)) note(job, l);
        if (record_.any_takes()) copy_lanes<V>(z_.data(), job.adversarial, elements_, record_.take.data());
    }
    void finish(job_type&, std::size_t l) { record_.finish(l); }

private:
    using io = lane_values<V>;

    void load(job_type& job) {
        alignas(lane_alignment) T fresh[lanes];
        for (std::size_t l = 0; l < lanes; ++l) {
            fresh[l] = job.phase[l] == lane_phase::loaded ? T(1) : T(0);
            if (fresh[l] == 0) continue;
            job.phase[l] = lane_phase::running;
            record_.load(l);
            clean_[l] = true;
            pending_[l] = false;
            candidate_[l] = 0;
        }
        source_.load(job);
        copy_lanes<V>(job.x, job.adversarial, elements_, fresh);
        copy_lanes<V>(job.x, z_.data(), elements_, fresh);
    }
    void aim(job_type& job, std::size_t l) {
        const random_stream draws({.seed = attack_.seed, .purpose = purpose::target, .epoch = job.settings->epoch});
        job.targets[l] =
            choose_target(attack_.targets, job.labels[l], job.targets[l], classes_, logits_.data() + l, lanes, draws, job.ids[l]);
        goal_[l] = static_cast<T>(job.targets[l]);
    }
    void note(job_type& job, std::size_t l) {
        job.count_forwards(l);
        if (clean_[l]) {
            record_.note_clean(l, attack_.keep != keep_rule::last || attack_.early_stop);
            clean_[l] = false;
        } else {
            record_.note(l, 0, candidate_[l], true, candidate_[l] + 1 == attack_.candidates());
            ++candidate_[l];
        }
        pending_[l] = !record_.done(l) && candidate_[l] < attack_.candidates();
        if (!pending_[l]) job.phase[l] = lane_phase::ended;
    }

    const Attack& attack_;
    S session_;
    std::size_t elements_, classes_;
    lane_vector<T> z_, placed_, logits_;
    typename Attack::template source<V> source_;
    lane_record<T, lanes> record_;
    alignas(lane_alignment) std::array<T, lanes> goal_{};
    std::array<std::size_t, lanes> candidate_{};
    std::array<bool, lanes> clean_{};    ///< at the clean image
    std::array<bool, lanes> pending_{};  ///< to be put at its candidate
};

}  // namespace saddle
