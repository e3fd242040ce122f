#pragma once
#include "saddle/attacks/box_descent.hpp"
#include "saddle/attacks/nearest_runner.hpp"

namespace saddle {

/// Runs `carlini_wagner_l0`: every lane has its own active pixels, c and update.
template <class Attack, class S>
class carlini_wagner_l0_runner : public nearest_runner<Attack, S> {
    using base = nearest_runner<Attack, S>;

public:
    using base::lanes;
    using typename base::job_type;
    using typename base::T;
    using typename base::V;

    carlini_wagner_l0_runner(const Attack& attack, S session, extents image, std::size_t classes)
        : base(attack, std::move(session), image, classes),
          descent_(box_treatment::change_of_variable, attack.learning_rate, image.size()), gradient_(image.size() * lanes),
          active_(image.size() * lanes), order_(image.pixels()), scores_(image.pixels()) {}

    void step(job_type& job) {
        this->begin_step(job, descent_.image());
        this->judge(descent_.image());
        const loss_input<T> in{this->logits_.data(), this->classes_, lanes, this->goal_.data(), attack_.targeted()};
        io::store(objective_.data(), attack_.loss.template evaluate<V>(in, this->slopes_.data()));
        bool moves = false;
        for (std::size_t l = 0; l < lanes; ++l) {
            const bool goes_on = job.running(l) && (this->clean_[l] ? begin(l) : checks_[l] ? check(l) : note(l));
            moves_[l] = goes_on ? T(1) : T(0);
            moves = moves || goes_on;
        }
        this->keep(descent_.image());
        if (moves) move();
        for (std::size_t l = 0; l < lanes; ++l) {
            if (begins_[l]) descent_.begin(l, job.x, descent_.image(), active_.data());
            begins_[l] = false;
        }
    }

private:
    using io = lane_values<V>;
    using base::attack_;
    static constexpr double tolerance = 1e-4;  ///< of "it worked", and of a change that counts

    bool begin(std::size_t l) {
        if (!this->note_clean(l, this->hits(l) && static_cast<double>(this->margin_[l]) >= attack_.loss.kappa)) return false;
        for (std::size_t e = 0; e < this->elements_; ++e) active_[e * lanes + l] = T(1);
        c_[l] = attack_.initial_c;
        update_[l] = 0;
        checks_[l] = false;
        begins_[l] = true;
        return false;
    }
    /// The iterate in hand. True when the lane's gradient is wanted: to go on, or to score the pixels of a solution.
    bool note(std::size_t l) {
        solved_[l] = this->hits(l) && -static_cast<double>(objective_[l]) < tolerance - attack_.loss.kappa;
        if (this->hits(l)) this->offer(l, static_cast<double>(count_changes(l, 0)), objective_[l]);
        if (!solved_[l] && ++update_[l] > attack_.steps) {
            update_[l] = 1;
            c_[l] *= attack_.factor;
            if (c_[l] >= attack_.largest_c) this->job_->phase[l] = lane_phase::ended;
        }
        return this->job_->running(l);
    }
    /// The last solution without its smallest changes: the next solve starts there.
    bool check(std::size_t l) {
        checks_[l] = false;
        if (this->hits(l)) this->offer(l, static_cast<double>(count_changes(l, 0)), objective_[l]);
        update_[l] = 0;
        begins_[l] = true;
        if (!any_active(l)) this->job_->phase[l] = lane_phase::ended;
        return false;
    }
    [[nodiscard]] bool any_active(std::size_t l) const {
        for (std::size_t e = l; e < active_.size(); e += lanes)
            if (active_[e] != 0) return true;
        return false;
    }
    void move() {
        this->differentiate(gradient_.data(), moves_);
        alignas(lane_alignment) T weight[lanes];
        for (std::size_t l = 0; l < lanes; ++l) {
            weight[l] = static_cast<T>(c_[l]);
            if (moves_[l] == 0 || !solved_[l]) continue;
            freeze(l);
            moves_[l] = T(0);
            solved_[l] = false;
        }
        descent_.step(this->job_->x, gradient_.data(), io::load(weight), squared_distance<V>{}, moves_.data(), active_.data());
    }

    [[nodiscard]] T change(std::size_t l, std::size_t e) {
        return descent_.image()[e * lanes + l] - this->job_->x[e * lanes + l];
    }
    /// Pixels of which a channel differs from x by `least` or more; by anything for 0.
    [[nodiscard]] std::size_t count_changes(std::size_t l, double least) {
        const std::size_t pixels = this->image_.pixels();
        std::size_t count = 0;
        for (std::size_t p = 0; p < pixels; ++p) {
            bool changed = false;
            for (std::size_t e = p; e < this->elements_; e += pixels) {
                const double d = std::abs(static_cast<double>(change(l, e)));
                changed = changed || (d > 0 && d >= least);
            }
            count += changed;
        }
        return count;
    }
    /// Freezes the pixels of lane l's solution that matter least and puts it back to x where it hardly changed.
    void freeze(std::size_t l) {
        const std::size_t pixels = this->image_.pixels(), changed = count_changes(l, tolerance);
        order_.clear();
        for (std::size_t p = 0; p < pixels; ++p) {
            if (active_[p * lanes + l] == 0) continue;
            double moved = 0, slope = 0;
            for (std::size_t e = p; e < this->elements_; e += pixels) {
                const double d = static_cast<double>(change(l, e)), z = static_cast<double>(descent_.image()[e * lanes + l]);
                moved += d;
                slope += std::abs((2 * d - c_[l] * static_cast<double>(gradient_[e * lanes + l])) * 2 * z * (1 - z));
            }
            scores_[p] = std::abs(moved) * slope;
            order_.push_back(static_cast<std::uint32_t>(p));
        }
        std::sort(order_.begin(), order_.end(), [&](std::uint32_t a, std::uint32_t b) {
            return scores_[a] < scores_[b] || (!(scores_[b] < scores_[a]) && a < b);
        });
        std::size_t frozen = 0;
        for (const auto p : order_) {
            for (std::size_t e = p; e < this->elements_; e += pixels) active_[e * lanes + l] = T(0);
            if (scores_[p] > .01 || static_cast<double>(++frozen) >= .3 * std::sqrt(static_cast<double>(changed))) break;
        }
        for (std::size_t p = 0; p < pixels; ++p) {
            bool kept = false;
            for (std::size_t e = p; e < this->elements_; e += pixels)
                kept = kept || std::abs(static_cast<double>(change(l, e))) >= tolerance;
            for (std::size_t e = p; e < this->elements_ && !kept; e += pixels)
                descent_.image()[e * lanes + l] = this->job_->x[e * lanes + l];
        }
        checks_[l] = true;
    }

    box_descent<V> descent_;
    lane_vector<T> gradient_, active_;  ///< active: 0 where a pixel is frozen at x
    std::vector<std::uint32_t> order_;
    std::vector<double> scores_;
    alignas(lane_alignment) std::array<T, lanes> objective_{}, moves_{};
    std::array<double, lanes> c_{};
    std::array<std::size_t, lanes> update_{};
    std::array<bool, lanes> begins_{};  ///< goes on from its image with new moments after this step
    std::array<bool, lanes> solved_{};  ///< its gradient is to score pixels
    std::array<bool, lanes> checks_{};  ///< stands at a solution without its smallest changes
};

}  // namespace saddle
