#pragma once
#include "saddle/attacks/lane_groups.hpp"
#include "saddle/attacks/nearest_runner.hpp"
#include "saddle/attacks/target_ranking.hpp"
#include "saddle/projections/hyperplane.hpp"
#include "saddle/projections/verify.hpp"

namespace saddle {

/// Runs FAB on a block of lanes, each in a run (target and restart) and at an iterate of its own.
template <class Attack, class S>
class fab_runner : public nearest_runner<Attack, S> {
    using base = nearest_runner<Attack, S>;

public:
    using base::lanes;
    using typename base::job_type;
    using typename base::T;
    using typename base::V;

    fab_runner(const Attack& attack, S session, extents image, std::size_t classes)
        : base(attack, std::move(session), image, classes),
          runs_(attack.restarts * (attack.target_classes == 0 ? 1 : std::min(attack.target_classes, classes - 1))),
          z_(image.size() * lanes), gradient_(z_.size()), nearest_(z_.size()), from_here_(z_.size()), from_x_(z_.size()),
          steps_(image.size()), ranking_(attack.target_classes > 0 ? classes : 0) {}

    /// A forward pass, one more if a lane is set back, and the gradients at what is in hand then.
    void step(job_type& job) {
        this->begin_step(job, z_.data());
        this->judge(z_.data());
        bool again = false;
        for (std::size_t l = 0; l < lanes; ++l) {
            moves_[l] = again_[l] = false;
            if (!job.running(l)) continue;
            if (this->clean_[l])
                begin(l);
            else
                note(l);
            moves_[l] = job.running(l);
            again = again || again_[l];
        }
        this->keep(z_.data());
        set_back();
        if (again) look_again();
        find_hyperplanes();
        move();
    }

private:
    using io = lane_values<V>;
    using W = wide<V>;
    using Norm = typename Attack::projection_type;
    using base::attack_;

    void begin(std::size_t l) {
        if (!this->note_clean(l, this->hits(l))) return;
        ranking_.rank(l, this->logits_.data() + l, lanes, this->job_->labels[l]);
        run_[l] = iterate_[l] = 0;
    }
    /// The iterate in hand of lane l: kept if it is a success in the ball, set back towards x if it is misclassified.
    void note(std::size_t l) {
        if (iterate_[l] > 0 && this->hits(l)) {
            if (const double distance = distance_in_ball(l); distance >= 0) {
                this->offer(l, distance, this->margin_[l]);
                if (attack_.early_stop) return end(l);
            }
            beta_[l] = static_cast<T>(attack_.beta);
            again_[l] = true;
        }
        if (iterate_[l] < attack_.steps) return;
        if (++run_[l] == runs_ || this->found_[l]) return end(l);
        iterate_[l] = 0;
        beta_[l] = T(0);
        again_[l] = true;
        draws_[l] = run_[l] % attack_.restarts > 0;
    }
    void end(std::size_t l) {
        this->job_->phase[l] = lane_phase::ended;
        again_[l] = false;
    }
    /// Distance of lane l from x if it lies in the ball in real arithmetic, else -1.
    [[nodiscard]] double distance_in_ball(std::size_t l) {
        image_.clear();
        clean_image_.clear();
        for (std::size_t i = l; i < z_.size(); i += lanes) {
            image_.push_back(z_[i]);
            clean_image_.push_back(this->job_->x[i]);
        }
        const std::span<const T> x(clean_image_), z(image_);
        const double distance = detail::distance(attack_.projection, x, z);
        return detail::within(attack_.projection, x, z, this->job_->epsilon[l], distance) ? distance : -1;
    }

    /// Lanes that are misclassified go back to x + beta (z - x), those that begin a run to its start.
    void set_back() {
        alignas(lane_alignment) T factor[lanes];
        bool any = false;
        for (std::size_t l = 0; l < lanes; ++l) {
            factor[l] = again_[l] ? beta_[l] : T(1);
            any = any || again_[l];
        }
        if (!any) return;
        const V share = io::load(factor);
        for (std::size_t i = 0; i < z_.size(); i += lanes) {
            const V x = io::load(this->job_->x + i), z = io::load(z_.data() + i);
            io::store(z_.data() + i, choose(share < V(1), multiply_add(share, z - x, x), z));
        }
        for_each_lane_group<T>(draws_, run_, this->job_->ids, [&](std::size_t run, const std::uint64_t* ids, const T* chosen) {
            draw_starts(run, ids, chosen);
        });
    }
    /// x + half of epsilon times a random direction of norm 1, cut to the range.
    void draw_starts(std::size_t run, const std::uint64_t* ids, const T* chosen) {
        const random_stream draws({.seed = attack_.seed,
                                   .purpose = purpose::random_start,
                                   .epoch = this->job_->settings->epoch,
                                   .restart = static_cast<std::uint32_t>(run)});
        auto& v = gradient_;
        if constexpr (std::is_same_v<Norm, linf>) {
            std::fill(v.begin(), v.end(), T(0));
            alignas(lane_alignment) T one[lanes];
            std::fill_n(one, lanes, T(1));
            add_uniform<V>(draws, ids, this->elements_, v.data(), one, v.data());
        } else {
            fill_normal<V>(draws, ids, this->elements_, 1, v.data());
        }
        const auto norm = norm_of(v.data());
        alignas(lane_alignment) T scale[lanes];
        for (std::size_t l = 0; l < lanes; ++l)
            scale[l] = static_cast<T>(std::min(this->job_->epsilon[l], 1e10) / 2 / std::max(norm.at[l], 1e-30));
        const V factor = io::load(scale);
        for (std::size_t i = 0; i < v.size(); i += lanes) {
            const V at = multiply_add(factor, io::load(v.data() + i), io::load(this->job_->x + i));
            io::store(v.data() + i, smaller(larger(at, V(0)), V(1)));
        }
        copy_lanes<V>(v.data(), z_.data(), this->elements_, chosen);
    }
    [[nodiscard]] typename W::buffer norm_of(const T* v) const {
        typename W::buffer norm;
        for (double& n : norm.at) n = 0;
        for (std::size_t i = 0; i < z_.size(); ++i) {
            const double a = std::abs(static_cast<double>(v[i]));
            double& n = norm.at[i % lanes];
            n = std::is_same_v<Norm, linf> ? std::max(n, a) : n + (std::is_same_v<Norm, l2> ? a * a : a);
        }
        if (std::is_same_v<Norm, l2>)
            for (double& n : norm.at) n = std::sqrt(n);
        return norm;
    }

    /// The logits at what is in hand now; only lanes that were set back pay for it.
    void look_again() {
        for (std::size_t l = 0; l < lanes; ++l) {
            if (!again_[l]) continue;
            if (this->job_->forwards_left(l) == 0)
                end(l), moves_[l] = false;
            else
                this->job_->count_forwards(l);
        }
        this->job_->forward(this->session_, z_.data(), this->logits_.data());
    }

    /// For each lane the nearest of the linearised boundaries between the label and another class (FAB-T: the target).
    void find_hyperplanes() {
        const std::size_t needed = attack_.target_classes > 0 ? 1 : this->classes_ - 1;
        bool any = false;
        for (std::size_t l = 0; l < lanes; ++l) {
            if (moves_[l] && this->job_->gradients_left(l) < needed) end(l), moves_[l] = false;
            if (moves_[l]) this->job_->count_gradients(l, needed);
            reach_[l] = std::numeric_limits<double>::infinity();
            gap_[l] = 0;
            any = any || moves_[l];
        }
        any_moves_ = any;
        if (!any) return;
        std::fill(nearest_.begin(), nearest_.end(), T(0));
        for (std::size_t pass = 0; pass < (attack_.target_classes > 0 ? 1 : this->classes_); ++pass) {
            std::fill(this->slopes_.begin(), this->slopes_.end(), T(0));
            std::array<std::size_t, lanes> other{};
            for (std::size_t l = 0; l < lanes; ++l) {
                if (!moves_[l]) continue;
                const auto y = static_cast<std::size_t>(this->job_->labels[l]);
                other[l] =
                    attack_.target_classes > 0 ? static_cast<std::size_t>(ranking_.at(l, run_[l] / attack_.restarts)) : pass;
                if (other[l] == y) continue;
                this->slopes_[other[l] * lanes + l] = T(1);
                this->slopes_[y * lanes + l] = T(-1);
            }
            this->session_.backward(this->slopes_.data(), gradient_.data());
            consider(other);
        }
    }
    /// Keeps the gradient in hand where its boundary is nearer than those before.
    void consider(const std::array<std::size_t, lanes>& other) {
        alignas(lane_alignment) T usable[lanes], nearer[lanes];
        io::store(usable, choose(summarize_gradient<V>(gradient_.data(), this->elements_).finite, V(1), V(0)));
        const auto norm = steps_.dual_norm(gradient_.data());
        bool any = false;
        for (std::size_t l = 0; l < lanes; ++l) {
            nearer[l] = T(0);
            const auto y = static_cast<std::size_t>(this->job_->labels[l]);
            if (!moves_[l] || other[l] == y) continue;
            const double gap =
                static_cast<double>(this->logits_[other[l] * lanes + l]) - static_cast<double>(this->logits_[y * lanes + l]);
            if (usable[l] == 0 || !std::isfinite(gap)) {
                this->flawed_[l] = true;
                continue;
            }
            const double reach = std::abs(gap) / (1e-12 + norm.at[l]);
            if (!(reach < reach_[l])) continue;
            reach_[l] = reach;
            gap_[l] = gap;
            nearer[l] = T(1);
            any = true;
        }
        if (any) copy_lanes<V>(gradient_.data(), nearest_.data(), this->elements_, nearer);
    }

    /// z <- (1 - a)(z + eta d_z) + a (x + eta d_x), d the steps to the hyperplane from z and from x, a by their lengths.
    void move() {
        if (!any_moves_) return;
        typename W::buffer here, there;
        for (std::size_t l = 0; l < lanes; ++l) here.at[l] = there.at[l] = gap_[l];
        auto difference = W::all(0);
        typename W::buffer z, x, w;
        for (std::size_t e = 0; e < this->elements_; ++e) {
            W::widen(z_.data() + e * lanes, z);
            W::widen(this->job_->x + e * lanes, x);
            W::widen(nearest_.data() + e * lanes, w);
            for (std::size_t p = 0; p < W::parts; ++p)
                difference[p] = multiply_add(W::load(w, p), W::load(x, p) - W::load(z, p), difference[p]);
        }
        for (std::size_t p = 0; p < W::parts; ++p) W::store(there, p, W::load(there, p) + difference[p]);
        const auto length_here = steps_.find(z_.data(), nearest_.data(), here, from_here_.data());
        const auto length_there = steps_.find(this->job_->x, nearest_.data(), there, from_x_.data());
        alignas(lane_alignment) T share[lanes], moving[lanes];
        for (std::size_t l = 0; l < lanes; ++l) {
            const double a = std::max(length_here.at[l], 1e-8), b = std::max(length_there.at[l], 1e-8);
            share[l] = static_cast<T>(std::min(a / (a + b), attack_.alpha_max));
            moving[l] = moves_[l] ? T(1) : T(0);
            if (moves_[l]) ++iterate_[l];
        }
        const V alpha = io::load(share), rest = V(1) - alpha, eta(static_cast<T>(attack_.eta));
        const auto goes = io::load(moving) > V(0);
        for (std::size_t i = 0; i < z_.size(); i += lanes) {
            const V at = io::load(z_.data() + i);
            const V one = multiply_add(eta, io::load(from_here_.data() + i), at);
            const V other = multiply_add(eta, io::load(from_x_.data() + i), io::load(this->job_->x + i));
            const V next = smaller(larger(multiply_add(one, rest, other * alpha), V(0)), V(1));
            io::store(z_.data() + i, choose(goes, next, at));
        }
    }

    std::size_t runs_;
    lane_vector<T> z_, gradient_, nearest_, from_here_, from_x_;
    hyperplane_step<Norm, V> steps_;
    target_ranking<T, lanes> ranking_;
    std::vector<T> image_, clean_image_;
    std::array<std::size_t, lanes> run_{}, iterate_{};
    std::array<double, lanes> reach_{}, gap_{};  ///< distance of the nearest boundary seen, and its difference of logits
    std::array<T, lanes> beta_{};
    std::array<bool, lanes> moves_{}, again_{}, draws_{};
    bool any_moves_ = false;
};

}  // namespace saddle
