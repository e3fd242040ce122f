#pragma once
#include "saddle/attacks/point_runner.hpp"
#include "saddle/projections/linf.hpp"
#include "saddle/projections/slopes.hpp"

namespace saddle {

/// Runs HopSkipJump on one image at a time. A step is one iteration.
template <class Attack, class S>
class hop_skip_jump_runner : public point_runner<Attack, S> {
    using base = point_runner<Attack, S>;

public:
    using base::width;
    using typename base::job_type;
    using typename base::T;
    using typename base::V;

    hop_skip_jump_runner(const Attack& attack, S session, extents image, std::size_t classes)
        : base(attack, std::move(session), image, classes), noise_(elements_ * width), point_(elements_), far_(elements_),
          direction_(elements_) {}

    void step(job_type& job) {
        job_ = &job;
        if (job.phase[0] == lane_phase::loaded) {
            iteration_ = 0;
            if (!base::begin(job)) return;
            if (!base::find_start()) return end();
            keep();
            if (!to_boundary()) return end();
            distance_ = distance(state_);
        } else if (job.running(0)) {
            iterate();
        }
    }

private:
    using base::ask, base::ask_about, base::attack_, base::elements_, base::end, base::hit, base::hits_, base::job_,
        base::points_, base::state_;
    static constexpr bool is_linf = std::is_same_v<typename Attack::norm_type, linf>;

    void keep() { base::keep(distance(state_)); }
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

    lane_vector<T> noise_;
    std::vector<double> point_, far_, direction_, mean_;
    double distance_ = 0, before_ = 0;  ///< of the state, and of the state before its last bisection
    std::size_t iteration_ = 0;
};

}  // namespace saddle
