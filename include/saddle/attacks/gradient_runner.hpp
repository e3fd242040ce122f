#pragma once
#include "saddle/attacks/block_job.hpp"
#include "saddle/attacks/gradient_source.hpp"
#include "saddle/attacks/lane_record.hpp"
#include "saddle/attacks/targets.hpp"
#include "saddle/losses/loss_input.hpp"
#include "saddle/projections/draws.hpp"
#include "saddle/projections/slopes.hpp"

namespace saddle {

/// State of one gradient attack in one thread: a block of lanes, each with its own restart and step. All memory is reserved by
/// the constructor. Every lane's arithmetic is independent of what the other lanes hold.
template <class Attack, class S>
class gradient_runner {
public:
    using V = typename S::vector;
    using T = lane_scalar<V>;
    static constexpr std::size_t lanes = lane_values<V>::size;
    using job_type = block_job<T, lanes>;

    gradient_runner(const Attack& attack, S session, extents image, std::size_t classes)
        : attack_(attack), session_(std::move(session)), elements_(image.size()), classes_(classes),
          memory_(bytes(attack, image.size(), classes)), z_(memory_.take<T>(elements_ * lanes)),
          gradient_(memory_.take<T>(elements_ * lanes)), velocity_(memory_.take<T>(attack.momentum > 0 ? elements_ * lanes : 0)),
          logits_(memory_.take<T>(classes * lanes)), slopes_(memory_.take<T>(classes * lanes)),
          state_(memory_.take<T>(state_rows<Loss>(classes) * lanes)), fresh_state_(memory_.take<T>(state_.size())),
          spare_(memory_.take<T>(attack.start != start_rule::none ? elements_ * lanes : 0)),
          ball_(attack.projection, elements_, memory_.take<T>(ball_type::memory(elements_))) {
        std::fill(z_.begin(), z_.end(), T(0));
    }

    /// One forward pass, and one backward pass if any lane is to move.
    void step(job_type& job) {
        job_ = &job;
        record_.begin_step(job, attack_);
        judges_all_ = attack_.keep != keep_rule::last || attack_.early_stop || job.settings->limited();
        if (job.any(lane_phase::loaded)) load();
        job.forward(session_, z_.data(), logits_.data());
        each([&](std::size_t l) { job.count_forwards(l); });
        if (any_clean_) note_clean_logits();
        evaluate();
        bool moves = false, all_move = true;
        for (std::size_t l = 0; l < lanes; ++l) {
            moves_[l] = job.running(l) && note(l);
            moves = moves || moves_[l];
            all_move = all_move && moves_[l];
        }
        if (record_.any_takes()) copy_lanes<V>(z_.data(), job.adversarial, elements_, record_.take.data());
        if (moves) move(all_move);
        if (any_start_) place_starts();
    }
    void finish(job_type&, std::size_t l) { record_.finish(l); }

private:
    using Loss = typename Attack::loss_type;
    using ball_type = typename Attack::projection_type::template ball<V>;
    using io = lane_values<V>;

    static std::size_t bytes(const Attack& attack, std::size_t elements, std::size_t classes) {
        const std::size_t image = arena::room<T>(elements * lanes), row = arena::room<T>(lanes);
        const std::size_t images = 2u + (attack.momentum > 0) + (attack.start != start_rule::none);
        return images * image + 2 * (classes + state_rows<Loss>(classes)) * row + arena::room<T>(ball_type::memory(elements));
    }
    template <class F>
    void each(F&& f) {
        for (std::size_t l = 0; l < lanes; ++l)
            if (job_->running(l)) f(l);
    }
    [[nodiscard]] bool starts_at_clean() const { return attack_.start == start_rule::none; }
    [[nodiscard]] bool clean_first() const {
        return job_->judged || judges_all_ || needs_clean_logits(attack_.targets) || keeps_state<Loss>;
    }
    [[nodiscard]] bool judges_last() const { return judges_all_ || job_->judged || attack_.restarts > 1; }

    /// Begins the examples that were put in: at the clean image if it must be looked at first, else at the start.
    void load() {
        ball_.centre(job_->x, job_->epsilon.data());
        alignas(lane_alignment) T fresh[lanes];
        for (std::size_t l = 0; l < lanes; ++l) {
            fresh[l] = job_->phase[l] == lane_phase::loaded ? T(1) : T(0);
            if (fresh[l] == 0) continue;
            job_->phase[l] = lane_phase::running;
            record_.load(l);
            restart_[l] = step_[l] = 0;
            clean_[l] = clean_first();
            if (clean_[l])
                any_clean_ = true;
            else
                begin_restart(l);
            if (!clean_[l]) aim(l);
        }
        copy_lanes<V>(job_->x, job_->adversarial, elements_, fresh);
        copy_lanes<V>(job_->x, z_.data(), elements_, fresh);
        if (any_start_) place_starts();
    }

    /// Lanes at the clean image: its logits decide the target and what the loss keeps.
    void note_clean_logits() {
        for (std::size_t l = 0; l < lanes; ++l)
            if (clean_[l]) aim(l);
        any_clean_ = false;
        if constexpr (keeps_state<Loss>) {
            attack_.loss.template prepare<V>(logits_.data(), classes_, lanes, fresh_state_.data());
            for (std::size_t i = 0; i < state_.size(); ++i)
                if (clean_[i % lanes]) state_[i] = fresh_state_[i];
        }
    }
    void aim(std::size_t l) {
        const random_stream draws({.seed = attack_.seed, .purpose = purpose::target, .epoch = job_->settings->epoch});
        job_->targets[l] = choose_target(attack_.targets, job_->labels[l], job_->targets[l], classes_, logits_.data() + l, lanes,
                                         draws, job_->ids[l]);
        goal_[l] = static_cast<T>(job_->targets[l]);
        truth_[l] = static_cast<T>(job_->labels[l]);
    }

    /// Objective, prediction and validity of every lane, from the logits.
    void evaluate() {
        const auto top = find_top<V>(logits_.data(), classes_, lanes);
        const V objective = attack_.loss.template evaluate<V>(
            loss_input<T>{logits_.data(), classes_, lanes, goal_.data(), attack_.targeted(), state_.data(), truth_.data()},
            slopes_.data());
        io::store(record_.objective.data(), objective);
        io::store(record_.prediction.data(), choose(top.valid, top.index, V(-1)));
    }

    /// The iterate in hand, for one lane. True when it moves on along its gradient.
    bool note(std::size_t l) {
        if (clean_[l]) {
            clean_[l] = false;
            record_.note_clean(l, judges_all_);
            if (record_.done(l)) return end(l);
            begin_restart(l);
            if (!starts_at_clean()) return false;
        }
        const bool last = step_[l] == attack_.steps, candidate = step_[l] > 0 || starts_at_clean() || attack_.project_start;
        record_.note(l, restart_[l], restart_[l] * (attack_.steps + 1) + step_[l], candidate, last);
        if (record_.done(l)) return end(l);
        if (!last) return affords_gradient(l) || end(l);
        return end_restart(l);
    }
    /// Whether lane l's budget has the passes that a gradient costs.
    [[nodiscard]] bool affords_gradient(std::size_t l) const {
        if constexpr (makes_gradients<S>)
            return job_->forwards_left(l) >= session_.passes() &&
                   (!S::counts_gradients || job_->gradients_left(l) >= session_.passes());
        else
            return true;
    }
    bool end(std::size_t l) {
        job_->phase[l] = lane_phase::ended;
        return false;
    }
    bool end_restart(std::size_t l) {
        step_[l] = 0;
        if (++restart_[l] == attack_.restarts) return end(l);
        begin_restart(l);
        return false;
    }
    void begin_restart(std::size_t l) {
        if (attack_.momentum > 0)
            for (std::size_t e = 0; e < elements_; ++e) velocity_[e * lanes + l] = T(0);
        starts_[l] = !starts_at_clean();
        any_start_ = any_start_ || starts_[l];
    }

    /// One step of the lanes that move; the others may move too, where nobody reads it.
    void move(bool all) {
        differentiate(all);
        if (attack_.momentum > 0) accumulate();
        const auto flawed = ball_.step(z_.data(), gradient_.data(), job_->step_size.data());
        if (any_lane(flawed)) {
            alignas(lane_alignment) T marks[lanes];
            io::store(marks, choose(flawed, V(1), V(0)));
            note_flaws(marks);
        }
        record_.take.fill(T(0));
        bool unjudged = false;
        for (std::size_t l = 0; l < lanes; ++l) {
            if (!moves_[l]) continue;
            if (!makes_gradients<S>) job_->count_gradients(l);
            if (++step_[l] < attack_.steps || judges_last()) continue;
            record_.take[l] = T(1);
            unjudged = true;
            end_restart(l);
        }
        if (unjudged) copy_lanes<V>(z_.data(), job_->adversarial, elements_, record_.take.data());
    }
    void differentiate(bool all) {
        if constexpr (makes_gradients<S>) {
            const attack_objective<Loss, T> objective{&attack_.loss, classes_,      attack_.targeted(),
                                                      goal_.data(),  truth_.data(), state_.data()};
            session_.estimate(*job_, {attack_.seed, restart_.data(), step_.data(), moves_.data()}, z_.data(), gradient_.data(),
                              objective);
        } else {
            if (!all)
                for (std::size_t i = 0; i < classes_ * lanes; ++i)
                    if (!moves_[i % lanes]) slopes_[i] = T(0);
            last_backward(session_, slopes_.data(), gradient_.data());
        }
    }
    void note_flaws(const T* marks) {
        for (std::size_t l = 0; l < lanes; ++l)
            if (moves_[l] && marks[l] != 0) record_.note_flaw(l);
    }

    /// Puts the lanes that begin a restart at their starts. Lanes that begin the same restart draw together.
    void place_starts() {
        any_start_ = false;
        for (std::size_t first = 0; first < lanes; ++first) {
            if (!starts_[first]) continue;
            const std::size_t restart = restart_[first];
            std::array<std::uint64_t, lanes> ids;
            alignas(lane_alignment) T chosen[lanes];
            for (std::size_t l = 0; l < lanes; ++l) {
                const bool here = starts_[l] && restart_[l] == restart;
                ids[l] = here ? job_->ids[l] : l == 0 ? job_->ids[first] : ids[l - 1];  // equal ids share their draws' work
                chosen[l] = here ? T(1) : T(0);
                starts_[l] = starts_[l] && !here;
            }
            place(restart, ids.data(), chosen);
        }
    }
    void place(std::size_t restart, const std::uint64_t* ids, const T* chosen) {
        const random_stream draws({.seed = attack_.seed,
                                   .purpose = purpose::random_start,
                                   .epoch = job_->settings->epoch,
                                   .restart = static_cast<std::uint32_t>(restart)});
        T* const drawn = gradient_.data();
        const T scale = static_cast<T>(attack_.start_scale);
        switch (attack_.start) {
        case start_rule::none:
            return;
        case start_rule::uniform:
            ball_.uniform_start(draws, ids, drawn);
            break;
        case start_rule::random_sign:
            add_random_sign<V>(draws, ids, elements_, job_->x, scale, drawn);
            break;
        case start_rule::gaussian:
            fill_normal<V>(draws, ids, elements_, attack_.start_scale, drawn);
            for (std::size_t e = 0; e < elements_ * lanes; ++e) drawn[e] += job_->x[e];
            break;
        }
        const T* from = drawn;
        if (attack_.project_start) {
            ball_.project(drawn, spare_.data());
            from = spare_.data();
        }
        copy_lanes<V>(from, z_.data(), elements_, chosen);
    }

    /// velocity <- momentum · velocity + gradient / ‖gradient‖1 (Dong et al. 2018, eq. 6), also as the next step's gradient. A
    /// zero gradient or one that is not finite adds nothing.
    void accumulate() {
        using W = wide<V>;
        alignas(lane_alignment) T flaw[lanes];
        io::store(flaw, choose(summarize_gradient<V>(gradient_.data(), elements_).finite, V(0), V(1)));
        typename W::buffer values, inverse;
        auto sum = W::all(0);
        for (std::size_t e = 0; e < elements_; ++e) {
            W::widen(gradient_.data() + e * lanes, values);
            for (std::size_t p = 0; p < W::parts; ++p) sum[p] = sum[p] + magnitude(W::load(values, p));
        }
        for (std::size_t p = 0; p < W::parts; ++p) W::store(inverse, p, sum[p]);
        for (std::size_t l = 0; l < lanes; ++l) inverse.at[l] = flaw[l] == 0 && inverse.at[l] > 0 ? 1 / inverse.at[l] : 0;
        const T decay = static_cast<T>(attack_.momentum);
        for (std::size_t e = 0; e < elements_; ++e)
            for (std::size_t l = 0; l < lanes; ++l) {
                T& v = velocity_[e * lanes + l];
                T& g = gradient_[e * lanes + l];
                v = decay * v + (inverse.at[l] > 0 ? static_cast<T>(static_cast<double>(g) * inverse.at[l]) : T(0));
                g = v;
            }
        note_flaws(flaw);
    }

    const Attack& attack_;
    S session_;
    std::size_t elements_, classes_;
    arena memory_;
    std::span<T> z_, gradient_, velocity_, logits_, slopes_, state_, fresh_state_, spare_;
    ball_type ball_;
    alignas(lane_alignment) std::array<T, lanes> goal_{}, truth_{};  ///< the class the loss compares with, and the label
    lane_record<T, lanes> record_;
    std::array<std::size_t, lanes> restart_{}, step_{};
    std::array<bool, lanes> clean_{};   ///< at the clean image
    std::array<bool, lanes> starts_{};  ///< to be put at the start of its restart
    std::array<bool, lanes> moves_{};   ///< goes on along its gradient
    bool judges_all_ = false, any_clean_ = false, any_start_ = false;
    job_type* job_ = nullptr;
};

}  // namespace saddle
