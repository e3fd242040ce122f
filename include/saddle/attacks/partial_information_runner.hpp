#pragma once
#include "saddle/attacks/nes.hpp"
#include "saddle/attacks/point_runner.hpp"
#include "saddle/projections/linf.hpp"

namespace saddle {

/// Runs the partial-information attack on one image at a time. A step is one gradient estimate and the search that follows.
template <class Attack, class S>
class partial_information_runner : public point_runner<Attack, S> {
    using base = point_runner<Attack, S>;

public:
    using base::width;
    using typename base::job_type;
    using typename base::T;
    using typename base::V;

    partial_information_runner(const Attack& attack, S session, extents image, std::size_t classes)
        : base(attack, std::move(session), image, classes), noise_(elements_ * width), shaken_(elements_ * width),
          memory_(linf::ball<T>::memory(elements_)), placed_(elements_), wanted_(elements_), gradient_(elements_),
          point_(elements_), ball_(attack.projection, elements_, std::span<T>(memory_)) {}

    void step(job_type& job) {
        job_ = &job;
        if (job.phase[0] == lane_phase::loaded) {
            if (!base::begin(job)) return;
            if (!find_start()) return end();
            radius_ = 1;
            shrink_ = attack_.first_shrink;
            iteration_ = 0;
            std::fill(gradient_.begin(), gradient_.end(), 0.);
        } else if (job.running(0)) {
            iterate();
        }
    }

private:
    using base::ask, base::ask_about, base::attack_, base::classes_, base::elements_, base::end, base::hits_, base::job_,
        base::logits_, base::points_, base::state_;

    /// Rank of the target among the logits of point l, 0 for the largest.
    [[nodiscard]] std::size_t rank(std::size_t l) const {
        const auto t = static_cast<std::size_t>(job_->targets[0]);
        const T own = logits_[t * width + l];
        std::size_t above = 0;
        for (std::size_t k = 0; k < classes_; ++k) {
            const T z = logits_[k * width + l];
            above += !(z <= own) || (z == own && k < t);
        }
        return above;
    }
    [[nodiscard]] bool in_top(std::size_t l) const { return rank(l) < attack_.top; }

    bool find_start() {
        for (std::size_t d = 0; d < attack_.starts_given(); ++d) {
            for (std::size_t e = 0; e < elements_; ++e) state_[e] = static_cast<double>((*attack_.starts)[d][e]);
            if (!ask_about(state_)) return false;
            if (in_top(0)) return true;
        }
        return false;
    }
    void iterate() {
        if (!estimate()) return end();
        double step = attack_.step_size, propose = radius_ > goal() ? shrink_ : 0;
        for (;;) {
            const double radius = std::max(radius_ - propose, goal());
            place(radius, step);
            if (!ask_about(point_)) return;
            if (in_top(0)) {
                if (propose > 0) shrink_ = std::max(propose, attack_.least_shrink);
                state_ = point_;
                radius_ = radius;
                break;
            }
            if (step >= 2 * attack_.least_step) {
                step /= 2;
            } else {
                if (propose == 0) return end();  // not even the ball it stands in has a step that keeps the target
                propose = propose / 2 < 2e-3 ? 0 : propose / 2;
                step = attack_.step_size;
            }
        }
        if (!(radius_ > goal()) && rank(0) == 0) {
            base::keep(0);
            return end();
        }
        if (++iteration_ == attack_.steps) end();
    }
    [[nodiscard]] double goal() const { return job_->epsilon[0]; }
    /// point_ = the state moved by `step` along the signs of the gradient, in the ball of this radius, exactly.
    void place(double radius, double step) {
        for (std::size_t e = 0; e < elements_; ++e) {
            const double sign = gradient_[e] > 0 ? 1 : gradient_[e] < 0 ? -1 : 0;
            wanted_[e] = static_cast<T>(state_[e] + step * sign);
        }
        ball_.centre(job_->x, &radius);
        ball_.project(wanted_.data(), placed_.data());
        for (std::size_t e = 0; e < elements_; ++e) point_[e] = static_cast<double>(placed_[e]);
    }
    /// gradient_ <- momentum · gradient_ + (1 - momentum) · NES estimate of the target's score at the state.
    bool estimate() {
        const random_stream draws({.seed = attack_.seed,
                                   .purpose = purpose::sample,
                                   .epoch = job_->settings->epoch,
                                   .step = static_cast<std::uint32_t>(iteration_)});
        sum_.assign(elements_, 0.);
        const std::size_t pairs = attack_.samples;
        for (std::size_t first = 0; first < pairs; first += width) {
            const std::size_t here = std::min(width, pairs - first);
            fill_normal_samples<V>(draws, lane_samples<width>::of_one(job_->ids[0], first), elements_, noise_.data());
            for (const int end : {1, -1}) {
                double scores[width] = {};
                if (!score(draws, end, first, here, scores)) return false;
                for (std::size_t l = 0; l < here; ++l) {
                    if (scores[l] == 0) continue;
                    for (std::size_t e = 0; e < elements_; ++e)
                        sum_[e] += end * scores[l] * static_cast<double>(noise_[e * width + l]);
                }
            }
        }
        for (std::size_t e = 0; e < elements_; ++e)
            gradient_[e] = attack_.momentum * gradient_[e] + (1 - attack_.momentum) * sum_[e] / static_cast<double>(2 * pairs);
        return true;
    }
    /// With scores: log p_t of points whose top classes contain the target, 0 elsewhere. With labels: the mean over random shakes of
    /// how far up among the top the target stands.
    bool score(const random_stream& draws, int end, std::size_t first, std::size_t count, double* scores) {
        const bool labels_only = attack_.feedback == query_feedback::labels;
        const std::size_t shakes = labels_only ? attack_.shakes : 1;
        const T radius = static_cast<T>(end * attack_.radius), shake = static_cast<T>(2 * attack_.shake_radius);
        for (std::size_t s = 0; s < shakes; ++s) {
            if (labels_only)  // numbers after those of the directions
                fill_uniform_samples<V>(
                    draws,
                    lane_samples<width>::of_one(job_->ids[0],
                                                (std::uint64_t{1} << 40) + ((first * 2 + (end < 0)) * shakes + s) * width),
                    elements_, shaken_.data());
            for (std::size_t e = 0; e < elements_; ++e)
                for (std::size_t l = 0; l < width; ++l) {
                    const std::size_t i = e * width + l;
                    points_[i] = static_cast<T>(state_[e]) + radius * noise_[i];
                    if (labels_only) points_[i] += shake * (shaken_[i] - T(.5));
                }
            if (!ask(count)) return false;
            for (std::size_t l = 0; l < count; ++l) {
                if (labels_only)
                    scores[l] += static_cast<double>(attack_.top - std::min(attack_.top, rank(l))) / static_cast<double>(shakes);
                else if (in_top(l))
                    scores[l] = log_probability(l);
            }
        }
        return true;
    }
    [[nodiscard]] double log_probability(std::size_t l) const {
        const auto z = [&](std::size_t k) { return static_cast<double>(logits_[k * width + l]); };
        double largest = z(0), sum = 0;
        for (std::size_t k = 1; k < classes_; ++k) largest = std::max(largest, z(k));
        for (std::size_t k = 0; k < classes_; ++k) sum += std::exp(z(k) - largest);
        const double value = z(static_cast<std::size_t>(job_->targets[0])) - largest - std::log(sum);
        return std::isfinite(value) ? value : 0;
    }

    lane_vector<T> noise_, shaken_;
    lane_vector<T> memory_, placed_, wanted_;
    std::vector<double> gradient_, point_, sum_;
    linf::ball<T> ball_;
    double radius_ = 1, shrink_ = 0;
    std::size_t iteration_ = 0;
};

}  // namespace saddle
