#pragma once
#include "saddle/attacks/given_starts.hpp"
#include "saddle/attacks/gradient_source.hpp"
#include "saddle/attacks/sample_draws.hpp"
#include "saddle/attacks/targets.hpp"
#include "saddle/losses/logit_margin.hpp"

namespace saddle {

/// What the runners of black-box attacks share that work on one image at a time, the lanes of the model's session being points: queries
/// within the budget, the clean image first, a start that is adversarial, the nearest adversarial image so far.
template <class Attack, class S>
class point_runner {
public:
    using V = typename S::vector;
    using T = lane_scalar<V>;
    static constexpr std::size_t lanes = 1, width = lane_values<V>::size;
    using job_type = block_job<T, 1>;

    point_runner(const Attack& attack, S session, extents image, std::size_t classes)
        : attack_(attack), session_(std::move(session)), elements_(image.size()), classes_(classes), points_(elements_ * width),
          logits_(classes * width), state_(elements_) {
        if constexpr (requires { attack.starts; }) require_fitting_starts(attack.starts, image);
    }

    void finish(job_type& job, std::size_t) {
        job.status[0] = found_ ? attack_status::succeeded : flawed_ ? attack_status::not_finite : attack_status::failed;
    }

protected:
    void end() { job_->phase[0] = lane_phase::ended; }

    /// Asks about `count` points [elements][point]; false, and the end, where the budget does not allow it.
    bool ask(std::size_t count) {
        if (job_->forwards_left(0) < count) {
            end();
            return false;
        }
        if constexpr (RandomizedSession<S>) {
            std::uint64_t ids[width], draws[width];
            for (std::size_t l = 0; l < width; ++l) ids[l] = job_->ids[0], draws[l] = job_->forwards[0] + l;
            session_.redraw(ids, draws);
        }
        session_.forward(points_.data(), logits_.data());
        job_->count_forwards(0, count);
        const attack_objective<logit_margin, T> objective{&margin_loss_, classes_, attack_.targeted(), &goal_, &goal_, nullptr};
        objective.template of_samples<V>(0, 1, logits_.data(), margins_, hits_);
        return true;
    }
    /// Asks about one image; hit() tells the answer.
    bool ask_about(const std::vector<double>& image) {
        for (std::size_t i = 0; i < points_.size(); ++i) points_[i] = static_cast<T>(image[i / width]);
        return ask(1);
    }
    [[nodiscard]] bool hit() const { return hits_[0] != 0; }
    [[nodiscard]] std::int32_t prediction() const {
        const auto top = find_top<V>(logits_.data(), classes_, width);
        alignas(lane_alignment) T classes[width];
        lane_values<V>::store(classes, choose(top.valid, top.index, V(-1)));
        return static_cast<std::int32_t>(classes[0]);
    }

    /// Looks at the clean image. True when an attack on it is to begin.
    bool begin(job_type& job) {
        job.phase[0] = lane_phase::running;
        found_ = flawed_ = false;
        best_ = std::numeric_limits<double>::infinity();
        std::copy_n(job.x, elements_, job.adversarial);
        job.loss[0] = std::numeric_limits<T>::quiet_NaN();
        job.clean_prediction[0] = job.adversarial_prediction[0] = -1;
        goal_ = static_cast<T>(job.labels[0]);
        std::copy_n(job.x, elements_, state_.begin());
        if (!ask_about(state_)) return false;
        const random_stream draws({.seed = attack_.seed, .purpose = purpose::target, .epoch = job.settings->epoch});
        job.targets[0] =
            choose_target(attack_.targets, job.labels[0], job.targets[0], classes_, logits_.data(), width, draws, job.ids[0]);
        goal_ = static_cast<T>(job.targets[0]);
        const auto said = prediction();
        job.clean_prediction[0] = job.adversarial_prediction[0] = said;
        flawed_ = said < 0;
        found_ = !flawed_ && (attack_.targeted() ? said == job.targets[0] : said != job.labels[0]);
        if (found_) job.loss[0] = margins_[0];
        if (found_ || flawed_) end();
        return job.running(0);
    }
    /// The first adversarial one of the given images, then of uniform noise, becomes the state.
    bool find_start() {
        const random_stream draws({.seed = attack_.seed, .purpose = purpose::random_start, .epoch = job_->settings->epoch});
        for (std::size_t d = 0; d < attack_.start_draws + attack_.starts_given(); ++d) {
            for (std::size_t e = 0; e < elements_; ++e)
                state_[e] = d < attack_.starts_given()
                                ? static_cast<double>((*attack_.starts)[d][e])
                                : static_cast<double>(draws.uniform(job_->ids[0], d * ((elements_ + 3) / 4 * 4) + e));
            if (!ask_about(state_)) return false;
            if (hit()) return true;
        }
        return false;
    }
    /// The state in hand is adversarial, at this distance: kept if it is the nearest. It is rounded to T.
    void keep(double distance) {
        for (std::size_t e = 0; e < elements_; ++e) state_[e] = static_cast<double>(static_cast<T>(state_[e]));
        if (!(distance < best_)) return;
        found_ = true;
        best_ = distance;
        for (std::size_t e = 0; e < elements_; ++e) job_->adversarial[e] = static_cast<T>(state_[e]);
        job_->loss[0] = margins_[0];
        job_->adversarial_prediction[0] = prediction();
    }

    const Attack& attack_;
    S session_;
    std::size_t elements_, classes_;
    lane_vector<T> points_, logits_;
    std::vector<double> state_;  ///< where the attack stands
    alignas(lane_alignment) T margins_[width]{}, hits_[width]{};
    logit_margin margin_loss_{};
    T goal_ = 0;
    double best_ = 0;  ///< distance of the nearest adversarial image
    bool found_ = false, flawed_ = false;
    job_type* job_ = nullptr;
};

}  // namespace saddle
