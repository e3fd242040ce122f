#pragma once
#include "saddle/attacks/given_starts.hpp"
#include "saddle/attacks/nearest_runner.hpp"
#include "saddle/attacks/sample_draws.hpp"

namespace saddle {

/// Runs the boundary attack on a block of lanes, a query of each lane a step, each with a walk of its own.
template <class Attack, class S>
class boundary_runner : public nearest_runner<Attack, S> {
    using base = nearest_runner<Attack, S>;

public:
    using base::lanes;
    using typename base::job_type;
    using typename base::T;
    using typename base::V;

    boundary_runner(const Attack& attack, S session, extents image, std::size_t classes)
        : base(attack, std::move(session), image, classes), z_(image.size() * lanes), spherical_(z_.size()), noise_(z_.size()),
          drawn_(z_.size()) {
        require_fitting_starts(attack.starts, image);
    }

    void step(job_type& job) {
        this->begin_step(job, z_.data());
        this->judge(z_.data());
        for (std::size_t l = 0; l < lanes; ++l) {
            if (!job.running(l)) continue;
            if (this->clean_[l])
                begin(l);
            else
                note(l);
        }
        this->keep(z_.data());
        propose();
    }

private:
    using io = lane_values<V>;
    using W = wide<V>;
    using D = typename W::value;
    using base::attack_;

    enum class stage { start, blend, walk, sphere };

    /// The last results of one kind: how many of `size` succeeded, oldest first out.
    struct history {
        std::vector<std::uint8_t> results;
        std::size_t next = 0;
        void add(bool result, std::size_t size) {
            if (results.size() < size)
                results.push_back(result);
            else
                results[next] = result, next = (next + 1) % size;
        }
        [[nodiscard]] double share() const {
            return static_cast<double>(std::count(results.begin(), results.end(), 1)) / static_cast<double>(results.size());
        }
        void clear() { results.clear(), next = 0; }
    };
    struct lane_state {
        stage at = stage::start;
        std::size_t draws = 0, halvings = 0, steps = 0;
        double near = 0, far = 1;  ///< shares of the start in the blend: not adversarial, adversarial
        double distance = 0, spherical_step = 0, source_step = 0;
        bool accepted = false;
        history spheres, candidates;
    };

    void begin(std::size_t l) {
        if (!this->note_clean(l, this->hits(l))) return;
        auto& at = at_[l];
        at.at = stage::start;
        at.draws = at.halvings = at.steps = 0;
        at.near = 0, at.far = 1;
        at.spherical_step = attack_.spherical_step, at.source_step = attack_.source_step;
        at.spheres.clear(), at.candidates.clear();
        at.spheres.results.reserve(attack_.sphere_history), at.candidates.results.reserve(attack_.candidate_history);
    }
    void note(std::size_t l) {
        auto& at = at_[l];
        const bool hit = this->hits(l);
        switch (at.at) {
        case stage::start:
            if (hit) {
                accept(l, measured(l));
                at.at = stage::blend;
            } else if (++at.draws == attack_.start_draws + attack_.starts_given()) {
                end(l);
            }
            return;
        case stage::blend:
            (hit ? at.far : at.near) = (at.near + at.far) / 2;
            if (hit) accept(l, measured(l));
            if (++at.halvings == attack_.start_halvings) at.at = stage::walk;
            return;
        case stage::walk:
            at.accepted = hit;
            if (hit && length_[l] < at.distance) accept(l, length_[l]);
            if (at.steps % attack_.check_every == 0)
                at.at = stage::sphere;
            else
                next(l);
            return;
        case stage::sphere:
            at.at = stage::walk;
            adapt(l, hit);
            next(l);
        }
    }
    void next(std::size_t l) {
        if (++at_[l].steps == attack_.steps || at_[l].source_step < attack_.least_source_step) end(l);
    }
    void end(std::size_t l) { this->job_->phase[l] = lane_phase::ended; }
    /// The image in hand is adversarial and the nearest so far: the walk goes on from it.
    void accept(std::size_t l, double distance) {
        at_[l].distance = distance;
        this->offer(l, distance, this->margin_[l]);
    }
    [[nodiscard]] double measured(std::size_t l) const {
        double squares = 0;
        for (std::size_t i = l; i < z_.size(); i += lanes) {
            const double d = static_cast<double>(z_[i]) - static_cast<double>(this->job_->x[i]);
            squares += d * d;
        }
        return std::sqrt(squares);
    }
    /// Steps follow how often the sphere and the candidates are adversarial.
    void adapt(std::size_t l, bool sphere_hit) {
        auto& at = at_[l];
        at.spheres.add(sphere_hit, attack_.sphere_history);
        at.candidates.add(at.accepted, attack_.candidate_history);
        const auto factor = [&](history& h, std::size_t size, double high, double low) {
            if (h.results.size() < size) return 1.;
            const double share = h.share(), change = share > high  ? attack_.adaptation
                                                     : share < low ? 1 / attack_.adaptation
                                                                   : 1.;
            if (share > high || share < low) h.clear();
            return change;
        };
        const double both = factor(at.spheres, attack_.sphere_history, .5, .2);
        at.spherical_step *= both;
        at.source_step *= both * factor(at.candidates, attack_.candidate_history, .25, .1);
    }

    /// What each lane asks about next, in z.
    void propose() {
        std::array<bool, lanes> walks{};
        bool starts = false, any_walk = false;
        for (std::size_t l = 0; l < lanes; ++l) {
            if (!this->job_->running(l)) continue;
            walks[l] = at_[l].at == stage::walk;
            any_walk = any_walk || walks[l];
            starts = starts || at_[l].at == stage::start;
            if (at_[l].at == stage::blend) blend(l);
            if (at_[l].at == stage::sphere)
                for (std::size_t i = l; i < z_.size(); i += lanes) z_[i] = spherical_[i];
        }
        if (starts) draw_starts();
        if (any_walk) walk(walks);
    }
    [[nodiscard]] random_stream stream(enum purpose why) const {
        return random_stream({.seed = attack_.seed, .purpose = why, .epoch = this->job_->settings->epoch});
    }
    void draw_starts() {
        lane_samples<lanes> of;
        for (std::size_t l = 0; l < lanes; ++l) of.id[l] = this->job_->ids[l], of.sample[l] = at_[l].draws;
        fill_uniform_samples<V>(stream(purpose::random_start), of, this->elements_, noise_.data());
        for (std::size_t l = 0; l < lanes; ++l) {
            if (!this->job_->running(l) || at_[l].at != stage::start) continue;
            const bool given = at_[l].draws < attack_.starts_given();
            for (std::size_t e = 0; e < this->elements_; ++e) {
                const std::size_t i = e * lanes + l;
                z_[i] = drawn_[i] = given ? static_cast<T>((*attack_.starts)[at_[l].draws][e]) : noise_[i];
            }
        }
    }
    void blend(std::size_t l) {
        const double share = (at_[l].near + at_[l].far) / 2;
        for (std::size_t i = l; i < z_.size(); i += lanes) {
            const auto x = static_cast<double>(this->job_->x[i]);
            z_[i] = static_cast<T>(std::clamp(x + share * (static_cast<double>(drawn_[i]) - x), 0., 1.));
        }
    }

    /// A random direction across the line to x, a step along the sphere, and one towards x: spherical_ and, on the lanes that walk, z.
    void walk(const std::array<bool, lanes>& walks) {
        lane_samples<lanes> of;
        for (std::size_t l = 0; l < lanes; ++l) of.id[l] = this->job_->ids[l], of.sample[l] = at_[l].steps;
        fill_normal_samples<V>(stream(purpose::sample), of, this->elements_, noise_.data());
        const T* const x = this->job_->x;
        const T* const best = this->job_->adversarial;
        auto across = W::all(0), squares = W::all(0), to_x = W::all(0);
        typename W::buffer a, b, c;
        for (std::size_t e = 0; e < this->elements_; ++e) {
            W::widen(x + e * lanes, a);
            W::widen(best + e * lanes, b);
            W::widen(noise_.data() + e * lanes, c);
            for (std::size_t p = 0; p < W::parts; ++p) {
                const D source = W::load(a, p) - W::load(b, p), eta = W::load(c, p);
                across[p] = multiply_add(eta, source, across[p]);
                squares[p] = multiply_add(eta, eta, squares[p]);
                to_x[p] = multiply_add(source, source, to_x[p]);
            }
        }
        for (std::size_t p = 0; p < W::parts; ++p) W::store(a, p, across[p]), W::store(b, p, squares[p]), W::store(c, p, to_x[p]);
        alignas(lane_alignment) T along[lanes], size[lanes], shrink[lanes], chosen[lanes];
        for (std::size_t l = 0; l < lanes; ++l) {
            const double distance = std::max(c.at[l], 1e-300), s = at_[l].spherical_step;
            const double rest = std::sqrt(std::max(b.at[l] - a.at[l] * a.at[l] / distance, 1e-300));
            along[l] = static_cast<T>(a.at[l] / distance);
            size[l] = static_cast<T>(s * std::sqrt(distance) / rest);
            shrink[l] = static_cast<T>(1 / std::sqrt(1 + s * s));
            chosen[l] = walks[l] ? T(1) : T(0);
        }
        const V share = io::load(along), length = io::load(size), factor = io::load(shrink);
        auto distance = W::all(0);
        for (std::size_t i = 0; i < z_.size(); i += lanes) {
            const V at = io::load(x + i), source = at - io::load(best + i);
            const V tangent = length * (io::load(noise_.data() + i) - share * source);
            const V point = smaller(larger(multiply_add(factor, tangent - source, at), V(0)), V(1));
            io::store(noise_.data() + i, point);
            W::widen(noise_.data() + i, a);
            W::widen(x + i, b);
            for (std::size_t p = 0; p < W::parts; ++p) {
                const D d = W::load(b, p) - W::load(a, p);
                distance[p] = multiply_add(d, d, distance[p]);
            }
        }
        alignas(lane_alignment) T checked[lanes];
        bool any_checked = false;
        for (std::size_t l = 0; l < lanes; ++l) {
            const bool checks = walks[l] && at_[l].steps % attack_.check_every == 0;
            checked[l] = checks ? T(1) : T(0);
            any_checked = any_checked || checks;
        }
        if (any_checked) copy_lanes<V>(noise_.data(), spherical_.data(), this->elements_, checked);
        for (std::size_t p = 0; p < W::parts; ++p) W::store(c, p, distance[p]);
        for (std::size_t l = 0; l < lanes; ++l) {
            const double now = std::sqrt(c.at[l]), wanted = at_[l].source_step * at_[l].distance + now - at_[l].distance;
            const double move = now > 0 ? std::min(std::max(wanted, 0.) / now, 1.) : 0;
            size[l] = static_cast<T>(move);
            if (walks[l]) length_[l] = now * (1 - move);
        }
        const V move = io::load(size);
        for (std::size_t i = 0; i < z_.size(); i += lanes) {
            const V sphere = io::load(noise_.data() + i);
            io::store(noise_.data() + i, smaller(larger(multiply_add(move, io::load(x + i) - sphere, sphere), V(0)), V(1)));
        }
        copy_lanes<V>(noise_.data(), z_.data(), this->elements_, chosen);
    }

    lane_vector<T> z_, spherical_, noise_, drawn_;
    std::array<lane_state, lanes> at_{};
    std::array<double, lanes> length_{};  ///< distance of the candidate in hand
};

}  // namespace saddle
