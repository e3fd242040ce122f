#pragma once
#include "saddle/attacks/box_descent.hpp"
#include "saddle/attacks/nearest_runner.hpp"

#include <utility>

namespace saddle {

/// Runs `carlini_wagner_l2`: every lane has its own c, binary search step and update.
///
/// While no example waits, idle lanes run ahead of the working ones: each begins the next search of one, on a guess whether the
/// present one works. A lane takes over what the helper that guessed right has done since; a wrong guess is dropped and not counted.
/// So one example's searches run side by side, and every result and count is what it would be without help.
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
          gradient_(image.size() * lanes) {
        helper_.fill({nobody, nobody});
    }

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
            while (search_[l].over && job.working(l)) go_on(l);
        if constexpr (!RandomizedSession<S>)
            if (job.spare) help();
        for (std::size_t l = 0; l < lanes; ++l)
            if (begins_[l]) begins_[l] = false, descent_.begin(l, job.x, job.x);
    }
    void finish(job_type& job, std::size_t l) {
        drop_helpers(l, false);
        drop_helpers(l, true);
        base::finish(job, l);
    }

private:
    using io = lane_values<V>;
    using base::attack_;
    static constexpr std::size_t nobody = lanes;

    /// Where a lane stands in its binary search for c.
    struct search_state {
        double c = 0, lower = 0, upper = 0, previous = 0;
        std::size_t number = 0, update = 0;
        bool worked = false;  ///< has had a success with this c
        bool over = false;    ///< this c is done with
    };

    [[nodiscard]] bool succeeds(std::size_t l) const {
        return this->hits(l) && static_cast<double>(this->margin_[l]) >= attack_.loss.kappa;
    }
    /// Lane l at the clean image: the search begins unless that is the answer.
    bool begin(std::size_t l) {
        if (!this->note_clean(l, succeeds(l))) return false;
        search_[l] = search_state{};
        search_[l].c = attack_.initial_c;
        search_[l].upper = attack_.largest_c;
        begin_search(l);
        return false;
    }
    void begin_search(std::size_t l) {
        auto& s = search_[l];
        s.update = 0;
        s.previous = std::numeric_limits<double>::infinity();
        s.worked = s.over = false;
        begins_[l] = true;
        if (attack_.binary_steps >= 10 && s.number + 1 == attack_.binary_steps) s.c = s.upper;
    }
    /// The iterate in hand. True when the lane goes on from it.
    bool note(std::size_t l) {
        auto& s = search_[l];
        const double distance = static_cast<double>(distance_[l]), f = -static_cast<double>(objective_[l]);
        if (succeeds(l)) {
            if (!s.worked) drop_helpers(l, true);
            s.worked = true;
            this->offer(l, distance, objective_[l]);
        }
        const std::size_t tenth = std::max<std::size_t>(1, attack_.steps / 10);
        if (attack_.abort_early && s.update % tenth == 0) {
            const double loss = distance + s.c * f;
            s.over = loss > s.previous * .9999;
            if (s.over) return false;
            s.previous = loss;
        }
        s.over = ++s.update == attack_.steps;
        return !s.over;
    }
    /// Whether some c has worked: 1e9 of 1e10 in the authors' code.
    [[nodiscard]] bool has_worked(const search_state& s) const { return s.upper < .1 * attack_.largest_c; }
    /// The next c after a search that worked or did not.
    void choose_next(search_state& s) const {
        if (s.worked)
            s.upper = std::min(s.upper, s.c);
        else
            s.lower = std::max(s.lower, s.c);
        if (has_worked(s))
            s.c = (s.lower + s.upper) / 2;
        else if (!s.worked)
            s.c = std::min(s.c * 10, attack_.largest_c);
        ++s.number;
    }
    /// From a search that is over to the next, which a helper may have begun or finished.
    void go_on(std::size_t l) {
        auto& s = search_[l];
        drop_helpers(l, s.worked);
        if (const std::size_t helper = helper_[l][s.worked]; helper != nobody) {
            s = search_[helper];
            helper_[l] = std::exchange(helper_[helper], {nobody, nobody});
            descent_.copy(helper, l);
            begins_[l] = std::exchange(begins_[helper], false);
            this->give_back(helper, l);
        } else {
            choose_next(s);
            if (s.number < attack_.binary_steps) begin_search(l);
        }
        auto& phase = this->job_->phase[l];
        if (s.number == attack_.binary_steps) phase = phase == lane_phase::running ? lane_phase::ended : lane_phase::waiting;
    }
    /// A search that could be begun: the one after lane l's, if that works or does not.
    struct guess {
        std::size_t lane = nobody;
        bool works = false;
        double odds = 0;
    };
    /// The likeliest guess after lane l's search and those of its helpers; `odds` that these are right so far.
    void find_guess(std::size_t l, double odds, guess& best) const {
        const auto& s = search_[l];
        if (s.number + 1 >= attack_.binary_steps) return;
        constexpr double first_success = .2, next_success = .5;
        const double success = s.worked ? 1 : has_worked(s) ? next_success : first_success;
        for (const bool works : {false, true}) {
            const double now = odds * (works ? success : 1 - success);
            if (helper_[l][works] != nobody)
                find_guess(helper_[l][works], now, best);
            else if (now > best.odds)
                best = {l, works, now};
        }
    }
    /// Idle lanes begin the likeliest searches ahead.
    void help() {
        for (std::size_t helper = 0; helper < lanes; ++helper) {
            if (this->job_->phase[helper] != lane_phase::idle) continue;
            guess best;
            for (std::size_t l = 0; l < lanes; ++l)
                if (this->job_->running(l)) find_guess(l, 1, best);
            if (best.lane == nobody) return;
            helper_[best.lane][best.works] = helper;
            this->lend(helper, best.lane);
            search_[helper] = search_[best.lane];
            search_[helper].worked = best.works;
            choose_next(search_[helper]);
            begin_search(helper);
        }
    }
    /// Frees the helpers of lane l that have guessed wrong if its search works, or does not.
    void drop_helpers(std::size_t l, bool works) {
        const std::size_t helper = std::exchange(helper_[l][!works], nobody);
        if (helper == nobody) return;
        drop_helpers(helper, false);
        drop_helpers(helper, true);
        this->job_->phase[helper] = lane_phase::idle;
        begins_[helper] = false;
    }
    void move() {
        this->differentiate(gradient_.data(), moves_);
        alignas(lane_alignment) T weight[lanes];
        for (std::size_t l = 0; l < lanes; ++l) weight[l] = static_cast<T>(search_[l].c);
        descent_.step(this->job_->x, gradient_.data(), io::load(weight), squared_distance<V>{}, moves_.data());
    }

    box_descent<V> descent_;
    lane_vector<T> gradient_;
    alignas(lane_alignment) std::array<T, lanes> objective_{}, distance_{}, moves_{};
    std::array<search_state, lanes> search_{};
    std::array<std::array<std::size_t, 2>, lanes>
        helper_{};                      ///< the lane that runs ahead if the search does not work, and if it does
    std::array<bool, lanes> begins_{};  ///< put at the start of a search after this step
};

}  // namespace saddle
