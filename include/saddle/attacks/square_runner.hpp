#pragma once
#include "saddle/attacks/lane_record.hpp"
#include "saddle/attacks/square_rule.hpp"
#include "saddle/attacks/targets.hpp"
#include "saddle/losses/loss_input.hpp"

namespace saddle {

/// Runs the Square attack on a block of lanes, each at a query and with windows of its own.
template <class Attack, class S>
class square_runner {
public:
    using V = typename S::vector;
    using T = lane_scalar<V>;
    static constexpr std::size_t lanes = lane_values<V>::size;
    using job_type = block_job<T, lanes>;

    square_runner(const Attack& attack, S session, extents image, std::size_t classes)
        : attack_(attack), session_(std::move(session)), elements_(image.size()), classes_(classes),
          sizes_(attack.window_sizes(image, rule_type::odd_sizes)), best_(elements_ * lanes), z_(best_.size()),
          proposed_(rule_type::odd_sizes ? best_.size() : 0), logits_(classes * lanes), rule_(attack.projection, image, sizes_) {}

    /// One forward pass: a query of every lane.
    void step(job_type& job) {
        job_ = &job;
        record_.begin_step(job, attack_);
        if (job.any(lane_phase::loaded)) load();
        job.forward(session_, z_.data(), logits_.data());
        evaluate();
        for (std::size_t l = 0; l < lanes; ++l)
            if (job.running(l)) note(l);
        if (record_.any_takes()) copy_lanes<V>(z_.data(), job.adversarial, elements_, record_.take.data());
        propose();
    }
    void finish(job_type&, std::size_t l) { record_.finish(l); }

private:
    using Loss = typename Attack::loss_type;
    using rule_type = square_rule<typename Attack::projection_type, V>;
    using io = lane_values<V>;

    struct lane_state {
        std::size_t query = 0, restart = 0;
        bool clean = false, started = false;
        T best = 0;
    };

    void load() {
        alignas(lane_alignment) T fresh[lanes];
        for (std::size_t l = 0; l < lanes; ++l) {
            fresh[l] = job_->phase[l] == lane_phase::loaded ? T(1) : T(0);
            if (fresh[l] == 0) continue;
            job_->phase[l] = lane_phase::running;
            record_.load(l);
            at_[l] = {};
            at_[l].clean = true;
        }
        copy_lanes<V>(job_->x, job_->adversarial, elements_, fresh);
        copy_lanes<V>(job_->x, z_.data(), elements_, fresh);
        copy_lanes<V>(job_->x, best_.data(), elements_, fresh);
        rule_.centre(job_->x, job_->epsilon.data());
    }
    void evaluate() {
        for (std::size_t l = 0; l < lanes; ++l) {
            if (!job_->running(l)) continue;
            job_->count_forwards(l);
            if (!at_[l].clean) continue;
            const random_stream draws({.seed = attack_.seed, .purpose = purpose::target, .epoch = job_->settings->epoch});
            job_->targets[l] = choose_target(attack_.targets, job_->labels[l], job_->targets[l], classes_, logits_.data() + l,
                                             lanes, draws, job_->ids[l]);
            goal_[l] = static_cast<T>(job_->targets[l]);
            truth_[l] = static_cast<T>(job_->labels[l]);
        }
        const auto top = find_top<V>(logits_.data(), classes_, lanes);
        const loss_input<T> in{logits_.data(), classes_, lanes, goal_.data(), attack_.targeted(), nullptr, truth_.data()};
        io::store(record_.objective.data(), attack_.loss.template evaluate<V>(in, static_cast<T*>(nullptr)));
        io::store(record_.prediction.data(), choose(top.valid, top.index, V(-1)));
    }
    /// The image in hand, for one lane: accepts or drops it, and ends the lane at a success.
    void note(std::size_t l) {
        auto& at = at_[l];
        if (at.clean) {
            at.clean = false;
            record_.note_clean(l, true);
        } else {
            record_.note(l, 0, 0, true, false);
            const T objective = record_.objective[l];
            const bool hit = attack_.profile == attack_profile::official && record_.hits(l);
            const bool accepted = !at.started || objective > at.best || hit;
            if (accepted) at.best = objective;
            if (accepted)
                rule_.settle(l, z_.data(), best_.data());
            else
                rule_.settle(l, best_.data(), z_.data());
            at.started = true;
            next_query(l);
        }
        if (record_.succeeded(l)) job_->phase[l] = lane_phase::ended;
    }
    void next_query(std::size_t l) {
        auto& at = at_[l];
        if (at.query++ < attack_.queries) return;
        at.query = 0;
        at.started = false;
        if (++at.restart == attack_.restarts) job_->phase[l] = lane_phase::ended;
    }
    /// What each lane asks about next.
    void propose() {
        T* const to = rule_type::odd_sizes ? proposed_.data() : z_.data();
        if (rule_type::odd_sizes) std::copy(best_.begin(), best_.end(), proposed_.begin());
        bool any = false;
        for (std::size_t l = 0; l < lanes; ++l) {
            while (job_->running(l) && !propose(l, to)) next_query(l);
            any = any || job_->running(l);
        }
        if (any) rule_.place(proposed_.data(), z_.data());
    }
    /// Lane l's image in `to`. False when it is the best one again: the answer is known, and the proposal would be dropped.
    bool propose(std::size_t l, T* to) {
        const auto& at = at_[l];
        draw_key key{.seed = attack_.seed,
                     .purpose = purpose::sample,
                     .epoch = job_->settings->epoch,
                     .restart = static_cast<std::uint32_t>(at.restart),
                     .step = static_cast<std::uint32_t>(at.query)};
        if (!at.started) key.purpose = purpose::random_start;
        square_proposal p{random_stream(key), job_->ids[l], 0, attack_.profile};
        if (!at.started) {
            rule_.start(l, p, to);
            return true;
        }
        p.size = sizes_[attack_.halvings(at.query - 1)];
        return rule_.propose(l, p, best_.data(), to) || RandomizedSession<S>;
    }

    const Attack& attack_;
    S session_;
    std::size_t elements_, classes_;
    std::vector<std::size_t> sizes_;
    lane_vector<T> best_, z_, proposed_, logits_;
    rule_type rule_;
    alignas(lane_alignment) std::array<T, lanes> goal_{}, truth_{};
    lane_record<T, lanes> record_;
    std::array<lane_state, lanes> at_{};
    job_type* job_ = nullptr;
};

}  // namespace saddle
