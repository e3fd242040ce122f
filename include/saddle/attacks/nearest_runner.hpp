#pragma once
#include "saddle/attacks/block_job.hpp"
#include "saddle/attacks/targets.hpp"
#include "saddle/losses/logit_margin.hpp"
#include "saddle/projections/wide.hpp"

namespace saddle {

/// Replaces slopes that are not finite by 0, so that no variable of a lane is lost. Returns the lanes that had any.
template <class V>
[[nodiscard]] typename lane_values<V>::mask drop_flawed_slopes(lane_scalar<V>* gradient, std::size_t elements) {
    using io = lane_values<V>;
    V flaw(0);
    for (std::size_t i = 0; i < elements * io::size; i += io::size) {
        const V slope = io::load(gradient + i);
        flaw = flaw + (slope - slope);
    }
    const auto flawed = !(flaw == V(0));
    if (any_lane(flawed))
        for (std::size_t i = 0; i < elements * io::size; i += io::size) {
            const V slope = io::load(gradient + i);
            io::store(gradient + i, choose(slope - slope == V(0), slope, V(0)));
        }
    return flawed;
}

/// What the runners of attacks share that look for the nearest adversarial image: the clean image first, which is the answer where
/// the model is wrong about it already; then the nearest success so far, judged by the largest logit; the clean image again where
/// there is none.
template <class Attack, class S>
class nearest_runner {
public:
    using V = typename S::vector;
    using T = lane_scalar<V>;
    static constexpr std::size_t lanes = lane_values<V>::size;
    using job_type = block_job<T, lanes>;

    nearest_runner(const Attack& attack, S session, extents image, std::size_t classes)
        : attack_(attack), session_(std::move(session)), image_(image), elements_(image.size()), classes_(classes),
          logits_(classes * lanes), slopes_(classes * lanes) {}

    void finish(job_type& job, std::size_t l) {
        job.status[l] = found_[l] ? attack_status::succeeded : flawed_[l] ? attack_status::not_finite : attack_status::failed;
    }

protected:
    using io = lane_values<V>;
    static constexpr double nowhere = std::numeric_limits<double>::infinity();

    /// Begins a step: lanes with a new example stand at their clean image in `z`.
    void begin_step(job_type& job, T* z) {
        job_ = &job;
        take_.fill(T(0));
        takes_ = false;
        if (!job.any(lane_phase::loaded)) return;
        for (std::size_t l = 0; l < lanes; ++l) {
            if (job.phase[l] != lane_phase::loaded) continue;
            job.phase[l] = lane_phase::running;
            take_[l] = T(1);
            clean_[l] = true;
            found_[l] = flawed_[l] = false;
            best_[l] = nowhere;
            job.clean_prediction[l] = job.adversarial_prediction[l] = -1;
            job.loss[l] = std::numeric_limits<T>::quiet_NaN();
        }
        copy_lanes<V>(job.x, job.adversarial, elements_, take_.data());
        copy_lanes<V>(job.x, z, elements_, take_.data());
        take_.fill(T(0));
    }

    /// Logits, classes and margins (>= 0: what the attack wants) of the images in `z`. Lanes at the clean image get their target.
    void judge(const T* z) {
        job_->forward(session_, z, logits_.data());
        for (std::size_t l = 0; l < lanes; ++l) {
            if (!job_->working(l)) continue;
            job_->count_forwards(l);
            if (clean_[l]) aim(l);
        }
        const auto top = find_top<V>(logits_.data(), classes_, lanes);
        io::store(prediction_.data(), choose(top.valid, top.index, V(-1)));
        const loss_input<T> in{logits_.data(), classes_, lanes, goal_.data(), attack_.targeted()};
        io::store(margin_.data(), logit_margin{}.evaluate<V>(in, static_cast<T*>(nullptr)));
        for (std::size_t l = 0; l < lanes; ++l) flawed_[l] = flawed_[l] || (job_->working(l) && prediction_[l] < 0);
    }
    /// Whether the model says of lane l what the attack wants.
    [[nodiscard]] bool hits(std::size_t l) const {
        if (prediction_[l] < 0) return false;
        const auto said = static_cast<std::int32_t>(prediction_[l]);
        return attack_.targeted() ? said == job_->targets[l] : said != job_->labels[l];
    }

    /// Lane l at its clean image. False when it is the answer, `hit`, or no attack is possible from logits that are not finite.
    bool note_clean(std::size_t l, bool hit) {
        clean_[l] = false;
        job_->clean_prediction[l] = job_->adversarial_prediction[l] = static_cast<std::int32_t>(prediction_[l]);
        if (hit) offer(l, 0, T(0));
        if (hit || prediction_[l] < 0) job_->phase[l] = lane_phase::ended;
        return job_->running(l);
    }
    /// A success of lane l at a distance: kept if it is the nearest so far.
    void offer(std::size_t l, double distance, T loss) {
        if (found_[l] && !(distance < best_[l])) return;
        found_[l] = true;
        best_[l] = distance;
        job_->loss[l] = loss;
        job_->adversarial_prediction[l] = static_cast<std::int32_t>(prediction_[l]);
        take_[l] = T(1);
        takes_ = true;
    }
    /// Copies the successes offered in this step.
    void keep(const T* z) {
        if (takes_) copy_lanes<V>(z, job_->adversarial, elements_, take_.data());
    }
    /// Asks about every working lane whether it moves on from the iterates `z`, `begin(l)` at its clean image and `note(l)` later;
    /// keeps the iterates that were taken, and sets `moves` to 1 for lanes that move on. True when any does.
    template <class Begin, class Note>
    bool decide(const T* z, std::array<T, lanes>& moves, Begin&& begin, Note&& note) {
        bool any = false;
        for (std::size_t l = 0; l < lanes; ++l) {
            const bool goes_on = job_->working(l) && (clean_[l] ? begin(l) : note(l));
            moves[l] = goes_on ? T(1) : T(0);
            any = any || goes_on;
        }
        keep(z);
        return any;
    }
    /// The gradient of the slopes in hand, elements that are not finite made 0 and noted; counted for lanes whose `moves` is not 0.
    void differentiate(T* gradient, const std::array<T, lanes>& moves) {
        last_backward(session_, slopes_.data(), gradient);
        alignas(lane_alignment) T flawed[lanes];
        io::store(flawed, choose(drop_flawed_slopes<V>(gradient, elements_), V(1), V(0)));
        for (std::size_t l = 0; l < lanes; ++l) {
            if (moves[l] == 0) continue;
            job_->count_gradients(l);
            flawed_[l] = flawed_[l] || flawed[l] != 0;
        }
    }
    /// Idle lane `helper` takes part in the attack on lane l's example, with nothing found or spent yet.
    void lend(std::size_t helper, std::size_t l) {
        job_->phase[helper] = lane_phase::helping;
        job_->ids[helper] = job_->ids[l];
        job_->labels[helper] = job_->labels[l];
        job_->targets[helper] = job_->targets[l];
        job_->forwards[helper] = job_->gradients[helper] = 0;
        goal_[helper] = goal_[l];
        clean_[helper] = found_[helper] = flawed_[helper] = false;
        best_[helper] = nowhere;
        copy_lane<lanes>(job_->x, elements_, l, helper);
    }
    /// What `helper` found and spent becomes lane l's, as if l had gone on to it; `helper` is idle again.
    void give_back(std::size_t helper, std::size_t l) {
        job_->phase[helper] = lane_phase::idle;
        job_->count_forwards(l, job_->forwards[helper]);
        job_->count_gradients(l, job_->gradients[helper]);
        flawed_[l] = flawed_[l] || flawed_[helper];
        if (!found_[helper] || (found_[l] && !(best_[helper] < best_[l]))) return;
        found_[l] = true;
        best_[l] = best_[helper];
        job_->loss[l] = job_->loss[helper];
        job_->adversarial_prediction[l] = job_->adversarial_prediction[helper];
        copy_lane<lanes>(job_->adversarial, elements_, helper, l);
    }
    template <class F>
    void each_running(F&& f) {
        for (std::size_t l = 0; l < lanes; ++l)
            if (job_->running(l)) f(l);
    }

    const Attack& attack_;
    S session_;
    extents image_;
    std::size_t elements_, classes_;
    lane_vector<T> logits_, slopes_;
    alignas(lane_alignment) std::array<T, lanes> goal_{}, prediction_{}, margin_{}, take_{};
    std::array<double, lanes> best_{};  ///< distance of the nearest success
    std::array<bool, lanes> clean_{};   ///< at the clean image
    std::array<bool, lanes> found_{};   ///< has a success
    std::array<bool, lanes> flawed_{};  ///< has seen logits or gradients that are not finite
    bool takes_ = false;
    job_type* job_ = nullptr;

private:
    void aim(std::size_t l) {
        std::uint64_t seed = 0;
        if constexpr (requires { attack_.seed; }) seed = attack_.seed;
        const random_stream draws({.seed = seed, .purpose = purpose::target, .epoch = job_->settings->epoch});
        job_->targets[l] = choose_target(attack_.targets, job_->labels[l], job_->targets[l], classes_, logits_.data() + l, lanes,
                                         draws, job_->ids[l]);
        goal_[l] = static_cast<T>(job_->targets[l]);
    }
};

}  // namespace saddle
