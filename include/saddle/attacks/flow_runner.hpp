#pragma once
#include "saddle/attacks/box_descent.hpp"
#include "saddle/attacks/flow_field.hpp"
#include "saddle/attacks/lbfgs.hpp"
#include "saddle/attacks/nearest_runner.hpp"

namespace saddle {

/// Runs `flow`: every lane has its own flow and search.
template <class Attack, class S>
class flow_runner : public nearest_runner<Attack, S> {
    using base = nearest_runner<Attack, S>;

public:
    using base::lanes;
    using typename base::job_type;
    using typename base::T;
    using typename base::V;

    flow_runner(const Attack& attack, S session, extents image, std::size_t classes)
        : base(attack, std::move(session), image, classes), z_(image.size() * lanes), gradient_(image.size() * lanes),
          slope_(2 * image.pixels()), search_(lanes, lbfgs(2 * image.pixels())) {}

    void step(job_type& job) {
        this->begin_step(job, z_.data());
        this->judge(z_.data());
        const loss_input<T> in{this->logits_.data(), this->classes_, lanes, this->goal_.data(), attack_.targeted()};
        io::store(objective_.data(), attack_.loss.template evaluate<V>(in, this->slopes_.data()));
        if (this->decide(
                z_.data(), moves_, [&](std::size_t l) { return begin(l); }, [&](std::size_t l) { return note(l); }))
            move();
    }

private:
    using io = lane_values<V>;
    using base::attack_;

    [[nodiscard]] bool succeeds(std::size_t l) const {
        return this->hits(l) && static_cast<double>(this->margin_[l]) >= attack_.loss.kappa;
    }
    bool begin(std::size_t l) {
        if (!this->note_clean(l, succeeds(l))) return false;
        search_[l].begin();
        evaluation_[l] = 0;
        return true;
    }
    bool note(std::size_t l) {
        if (succeeds(l)) this->offer(l, roughness(l, 0), objective_[l]);
        if (this->prediction_[l] < 0 || ++evaluation_[l] == attack_.steps) this->job_->phase[l] = lane_phase::ended;
        return this->job_->running(l);
    }
    [[nodiscard]] double roughness(std::size_t l, double weight) {
        return flow_roughness(search_[l].point(), this->image_, weight, slope_);
    }
    void move() {
        this->differentiate(gradient_.data(), moves_);
        for (std::size_t l = 0; l < lanes; ++l) {
            if (moves_[l] == 0) continue;
            std::fill(slope_.begin(), slope_.end(), 0.);
            flow_slope(this->job_->x, gradient_.data(), l, lanes, search_[l].point(), this->image_, std::span<double>(slope_));
            for (double& s : slope_) s = -s;  // the objective is minus what is minimised
            const double smooth = attack_.smoothness * roughness(l, attack_.smoothness);
            if (search_[l].tell(smooth - static_cast<double>(objective_[l]), slope_))
                apply_flow(this->job_->x, z_.data(), l, lanes, std::span<const double>(search_[l].point()), this->image_);
            else
                this->job_->phase[l] = lane_phase::ended;
        }
    }

    lane_vector<T> z_, gradient_;
    std::vector<double> slope_;
    std::vector<lbfgs> search_;
    alignas(lane_alignment) std::array<T, lanes> objective_{};
    alignas(lane_alignment) std::array<T, lanes> moves_{};
    std::array<std::size_t, lanes> evaluation_{};
};

}  // namespace saddle
