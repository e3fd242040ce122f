#pragma once
#include "saddle/attacks/apgd_rule.hpp"
#include "saddle/attacks/apgd_schedule.hpp"
#include "saddle/attacks/lane_groups.hpp"
#include "saddle/attacks/lane_record.hpp"
#include "saddle/attacks/target_ranking.hpp"
#include "saddle/attacks/targets.hpp"
#include "saddle/losses/loss_input.hpp"

namespace saddle {

/// One stage of an APGD run: how many steps at which multiple of epsilon.
struct apgd_stage {
    double epsilon = 1;
    std::size_t steps = 0;
};

/// Runs APGD on a block of lanes, each with its own run (target and restart), stage (epsilon), step, checkpoint and step size.
template <class Attack, class S>
class apgd_runner {
public:
    using V = typename S::vector;
    using T = lane_scalar<V>;
    static constexpr std::size_t lanes = lane_values<V>::size;
    using job_type = block_job<T, lanes>;

    apgd_runner(const Attack& attack, S session, extents image, std::size_t classes)
        : attack_(attack), session_(std::move(session)), elements_(image.size()), classes_(classes),
          runs_(attack.restarts * (attack.target_classes == 0 ? 1 : std::min(attack.target_classes, classes - 1))),
          stages_(attack.stages()), memory_(bytes(image.size(), classes)), z_(take_image()), old_(take_image()),
          best_(take_image()), gradient_(take_image()), best_gradient_(take_image()), moved_(take_image()), spare_(take_image()),
          logits_(memory_.take<T>(classes * lanes)), slopes_(memory_.take<T>(classes * lanes)),
          state_(memory_.take<T>(state_rows<Loss>(classes) * lanes)), fresh_state_(memory_.take<T>(state_.size())),
          ball_(attack.projection, elements_, memory_.take<T>(ball_type::memory(elements_))), rule_(elements_),
          ranking_(attack.target_classes > 0 ? classes : 0) {}

    /// One forward pass, and one backward pass if any lane is to move; with samples > 1, so many of both.
    void step(job_type& job) {
        job_ = &job;
        record_.begin_step(job, attack_);
        if (job.any(lane_phase::loaded)) load();
        look();
        bool any = false, all = true;
        for (std::size_t l = 0; l < lanes; ++l) {
            moves_[l] = job.running(l) && note(l);
            any = any || moves_[l];
            all = all && moves_[l];
        }
        if (record_.any_takes()) copy_lanes<V>(z_.data(), job.adversarial, elements_, record_.take.data());
        if (any) {
            if (attack_.samples == 1) differentiate(all);
            move();
        }
        place_starts();
    }
    void finish(job_type&, std::size_t l) { record_.finish(l); }

private:
    using Loss = typename Attack::loss_type;
    using rule_type = apgd_rule<typename Attack::projection_type, V>;
    using ball_type = typename rule_type::ball_type;
    using io = lane_values<V>;

    /// What a lane remembers between steps, besides its images.
    struct lane_state {
        std::size_t run = 0, stage = 0, step = 0;
        bool clean = false;
        T best_loss = 0;
        apgd_schedule<rule_type::momentum, T> schedule;
    };

    static std::size_t bytes(std::size_t elements, std::size_t classes) {
        return 7 * arena::room<T>(elements * lanes) + 2 * (classes + state_rows<Loss>(classes)) * arena::room<T>(lanes) +
               arena::room<T>(ball_type::memory(elements));
    }
    std::span<T> take_image() {
        const auto part = memory_.take<T>(elements_ * lanes);
        std::fill(part.begin(), part.end(), T(0));
        return part;
    }

    /// Begins the examples that were put in: they are looked at first, since only what is classified correctly is attacked.
    void load() {
        alignas(lane_alignment) T fresh[lanes];
        for (std::size_t l = 0; l < lanes; ++l) {
            fresh[l] = job_->phase[l] == lane_phase::loaded ? T(1) : T(0);
            if (fresh[l] == 0) continue;
            job_->phase[l] = lane_phase::running;
            record_.load(l);
            at_[l] = {};
            at_[l].clean = any_clean_ = true;
            epsilon_[l] = job_->epsilon[l];
        }
        copy_lanes<V>(job_->x, job_->adversarial, elements_, fresh);
        copy_lanes<V>(job_->x, z_.data(), elements_, fresh);
        ball_.centre(job_->x, epsilon_.data());
    }
    /// Logits of the iterates and slopes of their loss; with samples > 1 the mean gradient over so many draws of the model's randomness,
    /// loss and class being those of the last draw, as in the reference.
    void look() {
        for (std::size_t s = 0; s < attack_.samples; ++s) {
            job_->forward(session_, z_.data(), logits_.data());
            for (std::size_t l = 0; l < lanes; ++l)
                if (job_->running(l) && (s == 0 || !at_[l].clean)) job_->count_forwards(l);
            if (s == 0) note_clean_logits();
            evaluate();
            if (attack_.samples == 1) return;
            last_backward(session_, slopes_.data(), spare_.data());
            for (std::size_t i = 0; i < gradient_.size(); i += lanes) {
                const V one = io::load(spare_.data() + i);
                io::store(gradient_.data() + i, s == 0 ? one : io::load(gradient_.data() + i) + one);
            }
        }
        const V share(T(1) / static_cast<T>(attack_.samples));
        for (std::size_t i = 0; i < gradient_.size(); i += lanes)
            io::store(gradient_.data() + i, share * io::load(gradient_.data() + i));
    }
    void note_clean_logits() {
        if (!any_clean_) return;
        any_clean_ = false;
        for (std::size_t l = 0; l < lanes; ++l) {
            if (!at_[l].clean) continue;
            const random_stream draws({.seed = attack_.seed, .purpose = purpose::target, .epoch = job_->settings->epoch});
            job_->targets[l] = choose_target(attack_.targets, job_->labels[l], job_->targets[l], classes_, logits_.data() + l,
                                             lanes, draws, job_->ids[l]);
            goal_[l] = static_cast<T>(job_->targets[l]);
            truth_[l] = static_cast<T>(job_->labels[l]);
            ranking_.rank(l, logits_.data() + l, lanes, job_->labels[l]);
        }
        if constexpr (keeps_state<Loss>) {
            attack_.loss.template prepare<V>(logits_.data(), classes_, lanes, fresh_state_.data());
            for (std::size_t i = 0; i < state_.size(); ++i)
                if (at_[i % lanes].clean) state_[i] = fresh_state_[i];
        }
    }
    void evaluate() {
        const auto top = find_top<V>(logits_.data(), classes_, lanes);
        const bool targeted = attack_.targeted() || attack_.target_classes > 0;
        io::store(record_.objective.data(),
                  attack_.loss.template evaluate<V>(
                      loss_input<T>{logits_.data(), classes_, lanes, goal_.data(), targeted, state_.data(), truth_.data()},
                      slopes_.data()));
        io::store(record_.prediction.data(), choose(top.valid, top.index, V(-1)));
    }

    /// The iterate in hand, for one lane. True when it moves on along its gradient.
    bool note(std::size_t l) {
        auto& at = at_[l];
        if (at.clean) {
            at.clean = false;
            record_.note_clean(l, true);
            if (record_.succeeded(l) || !affords(l)) return end(l);
            begin_run(l);
            return false;
        }
        const auto& stage = stages_[at.stage];
        const bool last_stage = at.stage + 1 == stages_.size();
        if (last_stage) record_.note(l, at.run, at.run * (stage.steps + 1) + at.step, true, at.step == stage.steps);
        if (record_.done(l) || !affords(l)) return end(l);
        if (at.step < stage.steps) return true;
        if (!last_stage) {
            note_best(l, false);
            begin_stage(l, at.stage + 1);
        } else if (++at.run == runs_ || (record_.succeeded(l) && attack_.keep != keep_rule::best)) {
            return end(l);
        } else {
            begin_run(l);
        }
        return false;
    }
    /// Whether lane l has enough of its budgets left for another step.
    [[nodiscard]] bool affords(std::size_t l) const {
        return job_->forwards_left(l) >= attack_.samples && job_->gradients_left(l) >= attack_.samples;
    }
    bool end(std::size_t l) {
        job_->phase[l] = lane_phase::ended;
        return false;
    }
    void begin_run(std::size_t l) {
        if (attack_.target_classes > 0) goal_[l] = static_cast<T>(ranking_.at(l, at_[l].run / attack_.restarts));
        begin_stage(l, 0);
        draws_[l] = starts_[l] = any_start_ = true;
    }
    void begin_stage(std::size_t l, std::size_t stage) {
        auto& at = at_[l];
        at.stage = stage;
        at.step = 0;
        epsilon_[l] = job_->epsilon[l] * stages_[stage].epsilon;
        starts_[l] = any_start_ = true;
    }

    /// Remembers the iterate in hand if its loss is the largest of this stage; with its gradient, unless it is the stage's last.
    bool note_best(std::size_t l, bool copies_later) {
        const bool better = at_[l].step == 0 || record_.objective[l] > at_[l].best_loss;
        if (!better) return false;
        at_[l].best_loss = record_.objective[l];
        if (!copies_later)
            for (std::size_t e = 0; e < elements_; ++e) best_[e * lanes + l] = z_[e * lanes + l];
        return true;
    }

    void differentiate(bool all) {
        if (!all)
            for (std::size_t i = 0; i < classes_ * lanes; ++i)
                if (!moves_[i % lanes]) slopes_[i] = T(0);
        last_backward(session_, slopes_.data(), gradient_.data());
    }
    /// One step of the lanes that move; the others may move too, where nobody reads it.
    void move() {
        alignas(lane_alignment) T better[lanes], jumps[lanes], first[lanes], moving[lanes];
        for (std::size_t l = 0; l < lanes; ++l) {
            moving[l] = moves_[l] ? T(1) : T(0);
            better[l] = moves_[l] && note_best(l, true) ? T(1) : T(0);
            if (moves_[l]) job_->count_gradients(l, attack_.samples);
        }
        copy_lanes<V>(z_.data(), best_.data(), elements_, better);
        copy_lanes<V>(gradient_.data(), best_gradient_.data(), elements_, better);
        bool jump = false;
        for (std::size_t l = 0; l < lanes; ++l) {
            jumps[l] = moves_[l] && check(l) ? T(1) : T(0);
            jump = jump || jumps[l] != 0;
            first[l] = at_[l].step == 0 ? T(1) : T(0);
            step_size_[l] = at_[l].schedule.step_size;
            share_[l] = at_[l].schedule.share;
            if (moves_[l]) ++at_[l].step;
        }
        if (jump) {
            copy_lanes<V>(best_.data(), z_.data(), elements_, jumps);
            copy_lanes<V>(best_gradient_.data(), gradient_.data(), elements_, jumps);
        }
        note_flaws(rule_.ascend(z_.data(), gradient_.data(), step_size_.data(), share_.data(), moved_.data()));
        rule_.place(ball_, job_->x, epsilon_.data(), moved_.data(), spare_.data());
        if constexpr (rule_type::momentum) {
            const V weight = choose(io::load(first) > V(0), V(1), V(T(.75))), rest = V(1) - weight;
            for (std::size_t e = 0; e < elements_ * lanes; e += lanes) {
                const V z = io::load(z_.data() + e), ahead = io::load(spare_.data() + e) - z,
                        drift = z - io::load(old_.data() + e);
                io::store(moved_.data() + e, multiply_add(rest, drift, multiply_add(weight, ahead, z)));
            }
            std::copy(z_.begin(), z_.end(), old_.begin());  // before a jump too: the reference keeps what was there
            rule_.place(ball_, job_->x, epsilon_.data(), moved_.data(), spare_.data());
        }
        copy_lanes<V>(spare_.data(), z_.data(), elements_, moving);
    }

    /// What the schedule makes of the loss in hand. True when the lane goes back to its best iterate.
    bool check(std::size_t l) {
        auto& at = at_[l];
        const T loss = record_.objective[l];
        const auto size = static_cast<double>(elements_);
        if (at.step > 0)
            return at.schedule.check(attack_, loss, at.best_loss, epsilon_[l], size, [&] { return changed(best_.data(), l); });
        const double first = !rule_type::momentum && attack_.larger_epsilons ? changed(z_.data(), l) : size;
        at.schedule.begin(attack_, loss, epsilon_[l], size, first, stages_[at.stage].steps);
        return false;
    }
    [[nodiscard]] double changed(const T* z, std::size_t l) const {
        std::size_t count = 0;
        for (std::size_t e = l; e < elements_ * lanes; e += lanes) count += z[e] != job_->x[e];
        return static_cast<double>(count);
    }
    void note_flaws(const typename io::mask& flawed) {
        if (!any_lane(flawed)) return;
        alignas(lane_alignment) T marks[lanes];
        io::store(marks, choose(flawed, V(1), V(0)));
        for (std::size_t l = 0; l < lanes; ++l)
            if (moves_[l] && marks[l] != 0) record_.note_flaw(l);
    }

    /// Puts the lanes that begin a run at its random start, and those that begin a later stage at their best iterate, cut to its ball.
    void place_starts() {
        if (!any_start_) return;
        any_start_ = false;
        ball_.centre(job_->x, epsilon_.data());
        std::array<std::size_t, lanes> runs{};
        alignas(lane_alignment) T chosen[lanes];
        for (std::size_t l = 0; l < lanes; ++l) {
            runs[l] = at_[l].run;
            chosen[l] = starts_[l] ? T(1) : T(0);
            starts_[l] = false;
        }
        copy_lanes<V>(best_.data(), moved_.data(), elements_, chosen);
        for_each_lane_group<T>(draws_, runs, job_->ids, [&](std::size_t run, const std::uint64_t* ids, const T* here) {
            const random_stream draws({.seed = attack_.seed,
                                       .purpose = purpose::random_start,
                                       .epoch = job_->settings->epoch,
                                       .restart = static_cast<std::uint32_t>(run)});
            rule_.draw(draws, ids, job_->x, epsilon_.data(), spare_.data());
            copy_lanes<V>(spare_.data(), moved_.data(), elements_, here);
        });
        rule_.place(ball_, job_->x, epsilon_.data(), moved_.data(), spare_.data());
        copy_lanes<V>(spare_.data(), z_.data(), elements_, chosen);
        copy_lanes<V>(spare_.data(), old_.data(), elements_, chosen);
    }

    const Attack& attack_;
    S session_;
    std::size_t elements_, classes_, runs_;
    std::vector<apgd_stage> stages_;
    arena memory_;
    std::span<T> z_, old_, best_, gradient_, best_gradient_, moved_, spare_, logits_, slopes_, state_, fresh_state_;
    ball_type ball_;
    rule_type rule_;
    target_ranking<T, lanes> ranking_;
    lane_record<T, lanes> record_;
    std::array<lane_state, lanes> at_{};
    alignas(lane_alignment) std::array<T, lanes> goal_{}, truth_{}, step_size_{};
    alignas(lane_alignment) std::array<double, lanes> epsilon_{}, share_{};
    std::array<bool, lanes> starts_{}, draws_{}, moves_{};
    bool any_clean_ = false, any_start_ = false;
    job_type* job_ = nullptr;
};

}  // namespace saddle
