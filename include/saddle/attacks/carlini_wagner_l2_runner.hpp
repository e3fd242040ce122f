#pragma once
#include "saddle/attacks/box_descent.hpp"
#include "saddle/attacks/nearest_runner.hpp"

namespace saddle {

/// Runs `carlini_wagner_l2`: every lane has its own c, binary search step and update.
template <class Attack, class S>
class carlini_wagner_l2_runner : public nearest_runner<Attack, S> {
    using base = nearest_runner<Attack, S>;

public:
    using base::lanes;
    using typename base::job_type;
    using typename base::T;
    using typename base::V;

    carlini_wagner_l2_runner(const Attack& attack, S session, extents image, std::size_t classes)
        : base(attack, std::move(session), image, classes), descent_(attack.box, attack.learning_rate, image.size()),
          gradient_(image.size() * lanes) {}

    void step(job_type& job) {
        this->begin_step(job, descent_.image());
        this->judge(descent_.image());
        const loss_input<T> in{this->logits_.data(), this->classes_, lanes, this->goal_.data(), attack_.targeted()};
        io::store(objective_.data(), attack_.loss.template evaluate<V>(in, this->slopes_.data()));
        io::store(distance_.data(), descent_.measure(job.x, squared_distance<V>{}));
        if (this->decide(
                descent_.image(), moves_, [&](std::size_t l) { return begin(l); }, [&](std::size_t l) { return note(l); }))
            move();
        for (std::size_t l = 0; l < lanes; ++l)
            if (begins_[l]) begins_[l] = false, descent_.begin(l, job.x, job.x);
    }

private:
    using io = lane_values<V>;
    using base::attack_;

    [[nodiscard]] bool succeeds(std::size_t l) const {
        return this->hits(l) && static_cast<double>(this->margin_[l]) >= attack_.loss.kappa;
    }
    /// Lane l at the clean image: the search begins unless that is the answer.
    bool begin(std::size_t l) {
        if (!this->note_clean(l, succeeds(l))) return false;
        lower_[l] = 0, upper_[l] = attack_.largest_c, search_[l] = 0;
        c_[l] = attack_.initial_c;
        begin_search(l);
        return false;
    }
    void begin_search(std::size_t l) {
        update_[l] = 0;
        previous_[l] = std::numeric_limits<double>::infinity();
        worked_[l] = false;
        begins_[l] = true;
        if (attack_.binary_steps >= 10 && search_[l] + 1 == attack_.binary_steps) c_[l] = upper_[l];
    }
    /// The iterate in hand. True when the lane goes on from it.
    bool note(std::size_t l) {
        const double distance = static_cast<double>(distance_[l]), f = -static_cast<double>(objective_[l]);
        if (succeeds(l)) {
            worked_[l] = true;
            this->offer(l, distance, objective_[l]);
        }
        const std::size_t tenth = std::max<std::size_t>(1, attack_.steps / 10);
        if (attack_.abort_early && update_[l] % tenth == 0) {
            const double loss = distance + c_[l] * f;
            if (loss > previous_[l] * .9999) return end_search(l);
            previous_[l] = loss;
        }
        return ++update_[l] < attack_.steps || end_search(l);
    }
    bool end_search(std::size_t l) {
        constexpr double success_seen = .1;  // of the largest c: 1e9 of 1e10 in the authors' code
        if (worked_[l])
            upper_[l] = std::min(upper_[l], c_[l]);
        else
            lower_[l] = std::max(lower_[l], c_[l]);
        if (upper_[l] < success_seen * attack_.largest_c)
            c_[l] = (lower_[l] + upper_[l]) / 2;
        else if (!worked_[l])
            c_[l] = std::min(c_[l] * 10, attack_.largest_c);
        if (++search_[l] == attack_.binary_steps)
            this->job_->phase[l] = lane_phase::ended;
        else
            begin_search(l);
        return false;
    }
    void move() {
        this->differentiate(gradient_.data(), moves_);
        alignas(lane_alignment) T weight[lanes];
        for (std::size_t l = 0; l < lanes; ++l) weight[l] = static_cast<T>(c_[l]);
        descent_.step(this->job_->x, gradient_.data(), io::load(weight), squared_distance<V>{}, moves_.data());
    }

    box_descent<V> descent_;
    lane_vector<T> gradient_;
    alignas(lane_alignment) std::array<T, lanes> objective_{}, distance_{}, moves_{};
    std::array<double, lanes> c_{}, lower_{}, upper_{}, previous_{};
    std::array<std::size_t, lanes> search_{}, update_{};
    std::array<bool, lanes> worked_{};  ///< this search has had a success
    std::array<bool, lanes> begins_{};  ///< put at the start of a search after this step
};

}  // namespace saddle
