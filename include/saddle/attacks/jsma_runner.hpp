#pragma once
#include "saddle/attacks/nearest_runner.hpp"
#include "saddle/attacks/pair_search.hpp"
#include "saddle/losses/softmax.hpp"
#include "saddle/projections/slopes.hpp"

namespace saddle {

/// Runs `jsma`: every lane has its own search domain and count of pairs.
template <class Attack, class S>
class jsma_runner : public nearest_runner<Attack, S> {
    using base = nearest_runner<Attack, S>;

public:
    using base::lanes;
    using typename base::job_type;
    using typename base::T;
    using typename base::V;

    jsma_runner(const Attack& attack, S session, extents image, std::size_t classes)
        : base(attack, std::move(session), image, classes),
          rounds_(static_cast<std::size_t>(attack.gamma * static_cast<double>(image.size()) / 2)), image_(image.size() * lanes),
          domain_(image.size() * lanes), of_target_(image.size() * lanes), of_others_(image.size() * lanes),
          search_(image.size()) {}

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

    [[nodiscard]] bool by_logits() const { return attack_.kind == decltype(attack_.kind)::logits; }

    [[nodiscard]] std::uint64_t gradients() const { return by_logits() ? 2 : 1; }  ///< of one step

    bool begin(std::size_t l) {
        if (!this->note_clean(l, this->hits(l))) return false;
        round_[l] = 0;
        for (std::size_t i = l; i < domain_.size(); i += lanes) {
            const double x = static_cast<double>(this->job_->x[i]);
            domain_[i] = attack_.theta > 0 ? x < 1 - attack_.saturation : x > attack_.saturation;
        }
        return goes_on(l);
    }
    bool note(std::size_t l) {
        if (this->hits(l)) this->offer(l, 0, this->margin_[l]);
        if (this->hits(l) || this->prediction_[l] < 0) this->job_->phase[l] = lane_phase::ended;
        return this->job_->running(l) && goes_on(l);
    }
    bool goes_on(std::size_t l) {
        if (round_[l]++ == rounds_ || this->job_->gradients_left(l) < gradients()) this->job_->phase[l] = lane_phase::ended;
        return this->job_->running(l);
    }

    /// The saliency of every element, and the best pair of every lane, set to its new value.
    void move() {
        const std::size_t n = this->elements_ * lanes;
        if (by_logits()) {
            fill_slopes([&](std::size_t, bool target) { return target ? V(1) : V(0); });
            this->session_.backward(this->slopes_.data(), of_target_.data());
            fill_slopes([&](std::size_t, bool target) { return target ? V(0) : V(1); });
            this->session_.backward(this->slopes_.data(), of_others_.data());
        } else {
            const auto terms = softmax_of<V>(this->logits_.data(), this->classes_, lanes, this->slopes_.data());
            const V total = terms.total();
            fill_slopes([&](std::size_t k, bool target) {
                return V(target ? 1 : 0) - io::load(this->slopes_.data() + k * lanes) / total;
            });
            this->session_.backward(this->slopes_.data(), of_target_.data());
            for (std::size_t i = 0; i < n; ++i) of_others_[i] = -of_target_[i];
        }
        alignas(lane_alignment) T flawed[lanes];
        io::store(flawed, choose(summarize_gradient<V>(of_target_.data(), this->elements_).finite &&
                                     summarize_gradient<V>(of_others_.data(), this->elements_).finite,
                                 V(0), V(1)));
        for (std::size_t l = 0; l < lanes; ++l) {
            if (moves_[l] == 0) continue;
            this->job_->count_gradients(l, gradients());
            if (flawed[l] == 0) continue;
            this->flawed_[l] = true;
            this->job_->phase[l] = lane_phase::ended;
            moves_[l] = T(0);
        }
        // Both factors of the saliency, as numbers that are to be large.
        const T up = attack_.theta > 0 ? T(1) : T(-1);
        for (std::size_t i = 0; i < n; ++i) of_target_[i] *= up, of_others_[i] *= -up;
        search_.find(of_target_.data(), of_others_.data(), domain_.data(), moves_.data(), pairs_.data());
        for (std::size_t l = 0; l < lanes; ++l) {
            if (moves_[l] == 0) continue;
            if (!pairs_[l].found) {
                this->job_->phase[l] = lane_phase::ended;
                continue;
            }
            for (const std::size_t f : {pairs_[l].first, pairs_[l].second}) {
                const std::size_t i = f * lanes + l;
                image_[i] = static_cast<T>(std::clamp(static_cast<double>(this->job_->x[i]) + attack_.theta, 0., 1.));
                domain_[i] = T(0);
            }
        }
    }
    /// slope(class, whether it is the target) for every class of every lane.
    template <class F>
    void fill_slopes(F&& slope) {
        const V goal = io::load(this->goal_.data());
        for (std::size_t k = 0; k < this->classes_; ++k)
            io::store(this->slopes_.data() + k * lanes, choose(goal == V(static_cast<T>(k)), slope(k, true), slope(k, false)));
    }

    std::size_t rounds_;
    lane_vector<T> image_, domain_, of_target_, of_others_;
    pair_search<V> search_;
    std::array<typename pair_search<V>::pair, lanes> pairs_{};
    alignas(lane_alignment) std::array<T, lanes> moves_{};
    std::array<std::size_t, lanes> round_{};
};

}  // namespace saddle
