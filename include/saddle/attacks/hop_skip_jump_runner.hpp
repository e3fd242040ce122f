#pragma once
#include "saddle/attacks/gradient_source.hpp"
#include "saddle/attacks/sample_draws.hpp"
#include "saddle/attacks/targets.hpp"
#include "saddle/losses/logit_margin.hpp"
#include "saddle/projections/linf.hpp"

namespace saddle {

/// Runs HopSkipJump on one image at a time: the lanes of the model's session are points around it. A step is one iteration.
template <class Attack, class S>
class hop_skip_jump_runner {
public:
    using V = typename S::vector;
    using T = lane_scalar<V>;
    static constexpr std::size_t lanes = 1, width = lane_values<V>::size;
    using job_type = block_job<T, 1>;

    hop_skip_jump_runner(const Attack& attack, S session, extents image, std::size_t classes)
        : attack_(attack), session_(std::move(session)), elements_(image.size()), classes_(classes), points_(elements_ * width),
          noise_(points_.size()), logits_(classes * width), state_(elements_), point_(elements_), far_(elements_),
          direction_(elements_) {}

    void step(job_type& job) {
        job_ = &job;
        if (job.phase[0] == lane_phase::loaded)
            begin();
        else if (job.running(0))
            iterate();
    }
    void finish(job_type& job, std::size_t) {
        job.status[0] = found_ ? attack_status::succeeded : flawed_ ? attack_status::not_finite : attack_status::failed;
    }

private:
    static constexpr bool is_linf = std::is_same_v<typename Attack::norm_type, linf>;

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

    void begin() {
        auto& job = *job_;
        job.phase[0] = lane_phase::running;
        found_ = flawed_ = false;
        best_ = std::numeric_limits<double>::infinity();
        iteration_ = 0;
        std::copy_n(job.x, elements_, job.adversarial);
        job.loss[0] = std::numeric_limits<T>::quiet_NaN();
        job.clean_prediction[0] = job.adversarial_prediction[0] = -1;
        goal_ = static_cast<T>(job.labels[0]);
        std::copy_n(job.x, elements_, state_.begin());
        if (!ask_about(state_)) return;
        const random_stream draws({.seed = attack_.seed, .purpose = purpose::target, .epoch = job.settings->epoch});
        job.targets[0] =
            choose_target(attack_.targets, job.labels[0], job.targets[0], classes_, logits_.data(), width, draws, job.ids[0]);
        goal_ = static_cast<T>(job.targets[0]);
        job.clean_prediction[0] = job.adversarial_prediction[0] = prediction();
        flawed_ = job.clean_prediction[0] < 0;
        const bool done =
            attack_.targeted() ? job.clean_prediction[0] == job.targets[0] : job.clean_prediction[0] != job.labels[0];
        if (flawed_) return end();
        if (done) {
            found_ = true;
            job.loss[0] = margins_[0];
            return end();
        }
        if (!find_start() || !to_boundary()) return end();
        distance_ = distance(state_);
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
            if (!hit()) continue;
            keep();
            return true;
        }
        return false;
    }
    /// The state in hand is adversarial: kept if it is the nearest.
    void keep() {
        for (std::size_t e = 0; e < elements_; ++e) state_[e] = static_cast<double>(static_cast<T>(state_[e]));
        const double now = distance(state_);
        if (!(now < best_)) return;
        found_ = true;
        best_ = now;
        for (std::size_t e = 0; e < elements_; ++e) job_->adversarial[e] = static_cast<T>(state_[e]);
        job_->loss[0] = margins_[0];
        job_->adversarial_prediction[0] = prediction();
    }
    [[nodiscard]] double distance(const std::vector<double>& z) const {
        double sum = 0;
        for (std::size_t e = 0; e < elements_; ++e) {
            const double d = std::abs(z[e] - static_cast<double>(job_->x[e]));
            sum = is_linf ? std::max(sum, d) : sum + d * d;
        }
        return is_linf ? sum : std::sqrt(sum);
    }
    [[nodiscard]] double theta() const {
        const auto d = static_cast<double>(elements_);
        return attack_.gamma / (is_linf ? d * d : std::sqrt(d) * d);
    }

    /// Bisection of the line (Linf: of the box) between x and the state down to theta; the state becomes its adversarial end.
    bool to_boundary() {
        before_ = distance(state_);
        far_ = state_;
        double low = 0, high = is_linf ? before_ : 1;
        const double least = is_linf ? std::min(before_ * theta(), theta()) : theta();
        while (high - low > least) {
            const double middle = (low + high) / 2;
            if (middle == low || middle == high) break;
            for (std::size_t e = 0; e < elements_; ++e) {
                const auto x = static_cast<double>(job_->x[e]);
                point_[e] = is_linf ? std::clamp(far_[e], x - middle, x + middle) : (1 - middle) * x + middle * far_[e];
            }
            if (!ask_about(point_)) return false;
            if (hit()) {
                high = middle;
                state_ = point_;
                keep();
            } else {
                low = middle;
            }
        }
        return true;
    }

    /// Gradient direction at the boundary from labels, a step along it that stays adversarial, and back to the boundary.
    void iterate() {
        const std::size_t t = ++iteration_;
        const auto d = static_cast<double>(elements_), root = std::sqrt(static_cast<double>(t));
        const double radius = t == 1 ? .1 : (is_linf ? d : std::sqrt(d)) * theta() * before_;
        const auto evaluations =
            std::min(static_cast<double>(attack_.first_evaluations) * root, static_cast<double>(attack_.most_evaluations));
        if (!estimate(static_cast<std::size_t>(evaluations), radius)) return end();
        bool goes = false;
        double length = distance_ / root;
        for (int halving = 0; halving < 60 && !goes; ++halving, length /= 2) {
            for (std::size_t e = 0; e < elements_; ++e) point_[e] = std::clamp(state_[e] + length * direction_[e], 0., 1.);
            if (!ask_about(point_)) return;
            goes = hit();
        }
        if (goes) {
            state_ = point_;
            keep();
            if (!to_boundary()) return end();
            distance_ = distance(state_);
        }
        if (iteration_ == attack_.steps) end();
    }
    /// direction_ <- estimated gradient of the margin at the state: mean of answer times direction over points at `radius`.
    bool estimate(std::size_t count, double radius) {
        const random_stream draws({.seed = attack_.seed,
                                   .purpose = purpose::sample,
                                   .epoch = job_->settings->epoch,
                                   .step = static_cast<std::uint32_t>(iteration_)});
        mean_.assign(elements_, 0.);
        direction_.assign(elements_, 0.);
        double answers = 0;
        for (std::size_t first = 0; first < count; first += width) {
            const std::size_t here = std::min(width, count - first);
            place_points(draws, first, radius);
            if (!ask(here)) return false;
            for (std::size_t l = 0; l < here; ++l) {
                const double answer = hits_[l] != 0 ? 1 : -1;
                answers += answer;
                for (std::size_t e = 0; e < elements_; ++e) {
                    const double moved = (static_cast<double>(points_[e * width + l]) - state_[e]) / radius;
                    mean_[e] += moved;
                    direction_[e] += answer * moved;
                }
            }
        }
        const double share = answers / static_cast<double>(count);  // the baseline that reduces the variance
        double squares = 0;
        for (std::size_t e = 0; e < elements_; ++e) {
            if (share > -1 && share < 1) direction_[e] -= share * mean_[e];
            squares += direction_[e] * direction_[e];
        }
        if (!(squares > 0)) return false;
        for (double& v : direction_) v = is_linf ? (v > 0 ? 1. : v < 0 ? -1. : 0.) : v / std::sqrt(squares);
        return true;
    }
    /// Points at `radius` from the state in random directions of length 1, cut to the range.
    void place_points(const random_stream& draws, std::size_t first, double radius) {
        const auto of = lane_samples<width>::of_one(job_->ids[0], first);
        if (is_linf) {
            fill_uniform_samples<V>(draws, of, elements_, noise_.data());
            for (auto& v : noise_) v = 2 * v - 1;
        } else {
            fill_normal_samples<V>(draws, of, elements_, noise_.data());
        }
        const auto squares = squared_norm<V>(noise_.data(), elements_, V(1));
        double scale[width];
        for (std::size_t l = 0; l < width; ++l) scale[l] = radius / std::max(std::sqrt(squares.at[l]), 1e-30);
        for (std::size_t e = 0; e < elements_; ++e)
            for (std::size_t l = 0; l < width; ++l)
                points_[e * width + l] =
                    static_cast<T>(std::clamp(state_[e] + scale[l] * static_cast<double>(noise_[e * width + l]), 0., 1.));
    }

    const Attack& attack_;
    S session_;
    std::size_t elements_, classes_;
    lane_vector<T> points_, noise_, logits_;
    std::vector<double> state_, point_, far_, direction_, mean_;
    alignas(lane_alignment) T margins_[width]{}, hits_[width]{};
    logit_margin margin_loss_{};
    T goal_ = 0;
    double best_ = 0, distance_ = 0, before_ = 0;  ///< of the nearest, of the state, of the state before its last bisection
    std::size_t iteration_ = 0;
    bool found_ = false, flawed_ = false;
    job_type* job_ = nullptr;
};

}  // namespace saddle
