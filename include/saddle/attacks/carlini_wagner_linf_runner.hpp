#pragma once
#include "saddle/attacks/box_descent.hpp"
#include "saddle/attacks/nearest_runner.hpp"

namespace saddle {

/// Runs `carlini_wagner_linf`: every lane has its own tau, c and update.
template <class Attack, class S>
class carlini_wagner_linf_runner : public nearest_runner<Attack, S> {
    using base = nearest_runner<Attack, S>;

public:
    using base::lanes;
    using typename base::job_type;
    using typename base::T;
    using typename base::V;

    carlini_wagner_linf_runner(const Attack& attack, S session, extents image, std::size_t classes)
        : base(attack, std::move(session), image, classes), descent_(attack.box, attack.learning_rate, image.size()),
          gradient_(image.size() * lanes) {
        tau_.fill(T(1));
    }

    void step(job_type& job) {
        this->begin_step(job, descent_.image());
        this->judge(descent_.image());
        const loss_input<T> in{this->logits_.data(), this->classes_, lanes, this->goal_.data(), attack_.targeted()};
        io::store(objective_.data(), attack_.loss.template evaluate<V>(in, this->slopes_.data()));
        io::store(excess_.data(), descent_.measure(job.x, excess_distance<V>{io::load(tau_.data())}));
        io::store(change_.data(), descent_.largest_change(job.x));
        if (this->decide(
                descent_.image(), moves_, [&](std::size_t l) { return begin(l); }, [&](std::size_t l) { return note(l); }))
            move();
        for (std::size_t l = 0; l < lanes; ++l) {
            if (begins_[l]) descent_.begin(l, job.x, descent_.image());
            begins_[l] = false;
        }
    }

private:
    using io = lane_values<V>;
    using base::attack_;

    bool begin(std::size_t l) {
        if (!this->note_clean(l, this->hits(l))) return false;
        tau_[l] = T(1);
        c_[l] = attack_.initial_c;
        begin_descent(l);
        return false;
    }
    void begin_descent(std::size_t l) {
        update_[l] = 0;
        begins_[l] = true;
    }
    /// The iterate in hand. True when the lane goes on from it.
    bool note(std::size_t l) {
        const bool hit = this->hits(l);
        if (hit) this->offer(l, static_cast<double>(change_[l]), objective_[l]);
        const double loss = static_cast<double>(excess_[l]) - c_[l] * static_cast<double>(objective_[l]);
        if (hit && loss < 1e-4 * c_[l]) {
            tau_[l] = std::min(tau_[l], change_[l]) * static_cast<T>(attack_.decrease);
            if (static_cast<double>(tau_[l]) > attack_.smallest_tau)
                begin_descent(l);
            else
                this->job_->phase[l] = lane_phase::ended;
            return false;
        }
        if (++update_[l] > attack_.steps) {
            update_[l] = 1;
            c_[l] *= attack_.factor;
            if (c_[l] >= attack_.largest_c) this->job_->phase[l] = lane_phase::ended;
        }
        return this->job_->running(l);
    }
    void move() {
        this->differentiate(gradient_.data(), moves_);
        alignas(lane_alignment) T weight[lanes];
        for (std::size_t l = 0; l < lanes; ++l) weight[l] = static_cast<T>(c_[l]);
        descent_.step(this->job_->x, gradient_.data(), io::load(weight), excess_distance<V>{io::load(tau_.data())},
                      moves_.data());
    }

    box_descent<V> descent_;
    lane_vector<T> gradient_;
    alignas(lane_alignment) std::array<T, lanes> objective_{}, excess_{}, change_{}, moves_{}, tau_{};
    std::array<double, lanes> c_{};
    std::array<std::size_t, lanes> update_{};
    std::array<bool, lanes> begins_{};  ///< goes on from its image with new moments after this step
};

}  // namespace saddle
