#pragma once
#include "saddle/attacks/nearest_runner.hpp"
#include "saddle/projections/slopes.hpp"

namespace saddle {

/// Runs `deepfool`: every lane has its own step and its own candidate classes.
template <class Attack, class S>
class deepfool_runner : public nearest_runner<Attack, S> {
    using base = nearest_runner<Attack, S>;

public:
    using base::lanes;
    using typename base::job_type;
    using typename base::T;
    using typename base::V;

    deepfool_runner(const Attack& attack, S session, extents image, std::size_t classes)
        : base(attack, std::move(session), image, classes),
          others_((attack.candidates == 0 ? classes : std::min(attack.candidates, classes)) - 1), image_(image.size() * lanes),
          total_(image.size() * lanes), gradient_(image.size() * lanes), nearest_(image.size() * lanes),
          candidate_(others_ * lanes) {}

    void step(job_type& job) {
        this->begin_step(job, image_.data());
        this->judge(image_.data());
        if (this->decide(
                image_.data(), moves_, [&](std::size_t l) { return begin(l); }, [&](std::size_t l) { return note(l); }))
            move();
    }

private:
    using io = lane_values<V>;
    using base::attack_;
    static constexpr bool in_linf = Attack::norm == "linf";

    bool begin(std::size_t l) {
        if (!this->note_clean(l, this->hits(l))) return false;
        step_[l] = 0;
        for (std::size_t e = l; e < total_.size(); e += lanes) total_[e] = T(0);
        std::vector<std::int32_t>& order = order_;
        order.clear();
        for (std::size_t k = 0; k < this->classes_; ++k)
            if (static_cast<std::int32_t>(k) != this->job_->labels[l]) order.push_back(static_cast<std::int32_t>(k));
        const auto logit = [&](std::int32_t k) { return this->logits_[static_cast<std::size_t>(k) * lanes + l]; };
        std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) { return logit(a) > logit(b); });
        for (std::size_t i = 0; i < others_; ++i) candidate_[i * lanes + l] = order[i];
        return affords(l);
    }
    bool note(std::size_t l) {
        if (this->hits(l)) this->offer(l, 0, this->margin_[l]);
        if (this->hits(l) || this->prediction_[l] < 0 || step_[l] == attack_.steps) this->job_->phase[l] = lane_phase::ended;
        return this->job_->running(l) && affords(l);
    }
    /// Whether the budget has a gradient for every candidate; the lane ends otherwise.
    bool affords(std::size_t l) {
        if (this->job_->gradients_left(l) < others_) this->job_->phase[l] = lane_phase::ended;
        return this->job_->running(l);
    }

    /// One gradient for every candidate; the lanes keep that of their nearest boundary, then step over it.
    void move() {
        std::array<double, lanes> distance;
        distance.fill(this->nowhere);
        std::array<double, lanes> length{};  ///< of the step in multiples of the direction, `margin` included
        for (std::size_t i = 0; i < others_; ++i) {
            aim_at(i);
            this->session_.backward(this->slopes_.data(), gradient_.data());
            const auto summary = summarize_gradient<V>(gradient_.data(), this->elements_);
            const V scale = safe_scale(summary.peak);
            const auto norms = dual_norms(scale);
            alignas(lane_alignment) T finite[lanes], scales[lanes], closer[lanes];
            io::store(finite, choose(summary.finite, V(1), V(0)));
            io::store(scales, scale);
            bool any = false;
            for (std::size_t l = 0; l < lanes; ++l) {
                closer[l] = T(0);
                if (moves_[l] == 0) continue;
                this->job_->count_gradients(l);
                this->flawed_[l] = this->flawed_[l] || finite[l] == 0;
                const double norm = norms.at[l] / static_cast<double>(scales[l]), gap = this->gap(l, i);
                if (finite[l] == 0 || !(norms.at[l] > 0) || !(gap / norm < distance[l])) continue;
                distance[l] = gap / norm;
                length[l] = in_linf ? distance[l] + attack_.margin : (distance[l] + attack_.margin) / norm;
                closer[l] = T(1);
                any = true;
            }
            if (any) copy_lanes<V>(gradient_.data(), nearest_.data(), this->elements_, closer);
        }
        alignas(lane_alignment) T size[lanes];
        for (std::size_t l = 0; l < lanes; ++l) {
            size[l] = T(0);
            if (moves_[l] == 0) continue;
            ++step_[l];
            if (std::isfinite(distance[l]))
                size[l] = static_cast<T>(length[l]);
            else
                this->job_->phase[l] = lane_phase::ended;  // no class has a gradient to follow
        }
        advance(io::load(size));
    }
    /// Slopes of z_k - z_label, k the i-th candidate of each lane.
    void aim_at(std::size_t i) {
        std::fill(this->slopes_.begin(), this->slopes_.end(), T(0));
        for (std::size_t l = 0; l < lanes; ++l) {
            if (moves_[l] == 0) continue;
            this->slopes_[static_cast<std::size_t>(candidate_[i * lanes + l]) * lanes + l] = T(1);
            this->slopes_[static_cast<std::size_t>(this->job_->labels[l]) * lanes + l] = T(-1);
        }
    }
    /// |z_k - z_label| of the i-th candidate.
    [[nodiscard]] double gap(std::size_t l, std::size_t i) const {
        const auto logit = [&](std::int32_t k) {
            return static_cast<double>(this->logits_[static_cast<std::size_t>(k) * lanes + l]);
        };
        return std::abs(logit(candidate_[i * lanes + l]) - logit(this->job_->labels[l]));
    }
    /// L2 norm (Norm linf: L1 norm) of scale · gradient, in double.
    [[nodiscard]] typename wide<V>::buffer dual_norms(const V& scale) const {
        using W = wide<V>;
        typename W::buffer norms;
        if constexpr (in_linf) {
            alignas(lane_alignment) T scaled[lanes];
            typename W::buffer values;
            auto sum = W::all(0);
            for (std::size_t e = 0; e < this->elements_; ++e) {
                io::store(scaled, magnitude(scale * io::load(gradient_.data() + e * lanes)));
                W::widen(scaled, values);
                for (std::size_t p = 0; p < W::parts; ++p) sum[p] = sum[p] + W::load(values, p);
            }
            for (std::size_t p = 0; p < W::parts; ++p) W::store(norms, p, sum[p]);
        } else {
            norms = squared_norm<V>(gradient_.data(), this->elements_, scale);
            for (auto& n : norms.at) n = std::sqrt(n);
        }
        return norms;
    }
    /// Adds size · direction to the total of each lane; the image is clip(x + (1 + overshoot) · total).
    void advance(const V& size) {
        const V stretch(static_cast<T>(1 + attack_.overshoot));
        const auto moving = io::load(moves_.data()) != V(0);
        for (std::size_t i = 0; i < this->elements_ * lanes; i += lanes) {
            const V w = io::load(nearest_.data() + i), before = io::load(total_.data() + i);
            const V direction = in_linf ? choose(w > V(0), V(1), choose(w < V(0), V(-1), V(0))) : w;
            const V total = choose(moving && size > V(0), multiply_add(size, direction, before), before);
            const V at = multiply_add(stretch, total, io::load(this->job_->x + i));
            io::store(total_.data() + i, total);
            io::store(image_.data() + i, choose(moving, smaller(larger(at, V(0)), V(1)), io::load(image_.data() + i)));
        }
    }

    std::size_t others_;                                 ///< candidates but the image's own class
    lane_vector<T> image_, total_, gradient_, nearest_;  ///< total: sum of the steps; nearest: w of the boundary chosen
    std::vector<std::int32_t> candidate_;                ///< [others][lane]
    std::vector<std::int32_t> order_;
    alignas(lane_alignment) std::array<T, lanes> moves_{};
    std::array<std::size_t, lanes> step_{};
};

}  // namespace saddle
