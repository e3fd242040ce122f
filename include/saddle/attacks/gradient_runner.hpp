#pragma once
#include "saddle/attacks/block_job.hpp"
#include "saddle/attacks/lane_record.hpp"
#include "saddle/attacks/targets.hpp"
#include "saddle/losses/loss_input.hpp"
#include "saddle/projections/draws.hpp"
#include "saddle/projections/slopes.hpp"

namespace saddle {

/// State of one gradient attack in one thread: runs whole attacks on one block of lanes after another. All memory is reserved
/// by the constructor. Every lane's arithmetic is independent of what the other lanes hold.
template <class Attack, class S>
class gradient_runner {
public:
    using V = typename S::vector;
    using T = lane_scalar<V>;
    static constexpr std::size_t lanes = lane_values<V>::size;
    using job_type = block_job<T, lanes>;

    gradient_runner(const Attack& attack, S session, std::size_t elements, std::size_t classes)
        : attack_(attack), session_(std::move(session)), elements_(elements), classes_(classes),
          memory_(bytes(attack, elements, classes)), z_(memory_.take<T>(elements * lanes)),
          gradient_(memory_.take<T>(elements * lanes)), velocity_(memory_.take<T>(attack.momentum > 0 ? elements * lanes : 0)),
          logits_(memory_.take<T>(classes * lanes)), slopes_(memory_.take<T>(classes * lanes)),
          state_(memory_.take<T>(state_rows<Loss>(classes) * lanes)),
          ball_(attack.projection, elements, memory_.take<T>(ball_type::memory(elements))) {}

    /// The whole attack on one block.
    void run(job_type& job) {
        job_ = &job;
        record_.begin(job, attack_);
        ball_.centre(job.x, job.epsilon.data());
        std::copy_n(job.x, elements_ * lanes, job.adversarial);

        const bool judges_all = attack_.keep != keep_rule::last || attack_.early_stop;
        const bool clean_first = job.judged || judges_all || needs_clean_logits(attack_.targets) || keeps_state<Loss>;
        if (clean_first) forward(job.x);
        choose_targets();
        if (clean_first) {
            if constexpr (keeps_state<Loss>) attack_.loss.template prepare<V>(logits_.data(), classes_, lanes, state_.data());
            evaluate(nullptr);
            record_.note_clean(judges_all);
        }
        for (std::size_t restart = 0; restart < attack_.restarts && !record_.all_done(); ++restart)
            run_once(restart, clean_first && starts_at_clean(), judges_all || job.judged || attack_.restarts > 1);
        record_.finish();
    }

private:
    using Loss = typename Attack::loss_type;
    using ball_type = typename Attack::projection_type::template ball<V>;
    using io = lane_values<V>;

    static std::size_t bytes(const Attack& attack, std::size_t elements, std::size_t classes) {
        const std::size_t image = arena::room<T>(elements * lanes), row = arena::room<T>(lanes);
        return (attack.momentum > 0 ? 3 : 2) * image + (2 * classes + state_rows<Loss>(classes)) * row +
               arena::room<T>(ball_type::memory(elements));
    }
    [[nodiscard]] bool starts_at_clean() const { return attack_.start == start_rule::none; }

    /// One start and its steps. `fresh`: the logits are those of the start already.
    void run_once(std::size_t restart, bool fresh, bool judges_last) {
        place_start(restart);
        std::fill(velocity_.begin(), velocity_.end(), T(0));
        for (std::size_t step = 0; step < attack_.steps; ++step) {
            check_stop(*job_->settings, "perturb");
            if (!fresh) forward(z_.data());
            fresh = false;
            evaluate(slopes_.data());
            const bool candidate = step > 0 || starts_at_clean() || attack_.project_start;
            note(restart, step, candidate, false);
            if (record_.all_done()) return;
            session_.backward(slopes_.data(), gradient_.data());
            record_.count_gradients();
            if (attack_.momentum > 0) accumulate();
            const auto flawed = ball_.step(z_.data(), gradient_.data(), job_->step_size.data());
            if (any_lane(flawed)) {
                alignas(lane_alignment) T marks[lanes];
                io::store(marks, choose(flawed, V(1), V(0)));
                record_.note_flaws(marks);
            }
        }
        if (judges_last) {
            forward(z_.data());
            evaluate(nullptr);
            note(restart, attack_.steps, true, true);
        } else {
            std::copy_n(z_.data(), elements_ * lanes, job_->adversarial);
        }
    }

    void place_start(std::size_t restart) {
        const random_stream draws({.seed = attack_.seed,
                                   .purpose = purpose::random_start,
                                   .epoch = job_->settings->epoch,
                                   .restart = static_cast<std::uint32_t>(restart)});
        const std::uint64_t* ids = job_->ids.data();
        const T scale = static_cast<T>(attack_.start_scale);
        switch (attack_.start) {
        case start_rule::none:
            std::copy_n(job_->x, elements_ * lanes, z_.data());
            return;
        case start_rule::uniform:
            ball_.uniform_start(draws, ids, gradient_.data());
            break;
        case start_rule::random_sign:
            add_random_sign<V>(draws, ids, elements_, job_->x, scale, gradient_.data());
            break;
        case start_rule::gaussian:
            fill_normal<V>(draws, ids, elements_, attack_.start_scale, gradient_.data());
            for (std::size_t e = 0; e < elements_ * lanes; ++e) gradient_[e] += job_->x[e];
            break;
        }
        if (attack_.project_start)
            ball_.project(gradient_.data(), z_.data());
        else
            std::copy_n(gradient_.data(), elements_ * lanes, z_.data());
    }

    void forward(const T* x) {
        session_.forward(x, logits_.data());
        record_.count_forwards();
    }

    /// Objective, prediction and validity of every lane, from the logits; `slopes` may be null.
    void evaluate(T* slopes) {
        const auto top = find_top<V>(logits_.data(), classes_, lanes);
        const V objective = attack_.loss.template evaluate<V>(
            loss_input<T>{logits_.data(), classes_, lanes, goal_.data(), attack_.targeted(), state_.data()}, slopes);
        io::store(record_.objective.data(), objective);
        io::store(record_.prediction.data(), choose(top.valid, top.index, V(-1)));
    }

    void note(std::size_t restart, std::size_t step, bool candidate, bool last) {
        if (record_.note(restart, restart * (attack_.steps + 1) + step, candidate, last))
            copy_lanes<V>(z_.data(), job_->adversarial, elements_, record_.take.data());
    }

    void choose_targets() {
        const random_stream draws({.seed = attack_.seed, .purpose = purpose::target, .epoch = job_->settings->epoch});
        for (std::size_t l = 0; l < lanes; ++l) {
            job_->targets[l] = choose_target(attack_.targets, job_->labels[l], job_->targets[l], classes_, logits_.data() + l,
                                             lanes, draws, job_->ids[l]);
            goal_[l] = static_cast<T>(job_->targets[l]);
        }
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
        record_.note_flaws(flaw);
    }

    const Attack& attack_;
    S session_;
    std::size_t elements_, classes_;
    arena memory_;
    std::span<T> z_, gradient_, velocity_, logits_, slopes_, state_;
    ball_type ball_;
    alignas(lane_alignment) std::array<T, lanes> goal_{};  ///< the class the loss compares with
    lane_record<T, lanes> record_;
    job_type* job_ = nullptr;
};

}  // namespace saddle
