#pragma once
#include "saddle/attacks/gradient_source.hpp"

namespace saddle {

/// Session of `expectation`: the same lanes, gradients averaged.
template <class S, class Source>
class expectation_session {
public:
    using vector = typename S::vector;
    using value_type = lane_scalar<vector>;
    using T = value_type;
    static constexpr std::size_t lanes = lane_values<vector>::size;
    static constexpr bool counts_gradients = true;

    expectation_session(const Source& source, S session, extents image, std::size_t classes)
        : samples_(source.samples), session_(std::move(session)), one_(image.size() * lanes), logits_(classes * lanes),
          slopes_(classes * lanes) {}

    void forward(const T* x, T* logits) { session_.forward(x, logits); }
    void redraw(const std::uint64_t* ids, const std::uint64_t* draws) requires RandomizedSession<S> {
        session_.redraw(ids, draws);
    }
    [[nodiscard]] std::size_t passes() const { return samples_; }

    template <class Objective>
    void estimate(block_job<T, lanes>& job, const gradient_request& request, const T* z, T* gradient,
                  const Objective& objective) {
        using io = lane_values<vector>;
        std::fill_n(gradient, one_.size(), T(0));
        for (std::size_t s = 0; s < samples_; ++s) {
            job.forward(session_, z, logits_.data());
            (void)objective.template of_lanes<vector>(logits_.data(), slopes_.data());
            last_backward(session_, slopes_.data(), one_.data());
            for (std::size_t i = 0; i < one_.size(); i += lanes)
                io::store(gradient + i, io::load(gradient + i) + io::load(one_.data() + i));
            for (std::size_t l = 0; l < lanes; ++l) {
                if (!request.wanted[l]) continue;
                job.count_forwards(l);
                job.count_gradients(l);
            }
        }
        const vector share(T(1) / static_cast<T>(samples_));
        for (std::size_t i = 0; i < one_.size(); i += lanes) io::store(gradient + i, share * io::load(gradient + i));
    }

private:
    std::size_t samples_;
    S session_;
    lane_vector<T> one_, logits_, slopes_;
};

/// Expectation over the model's randomness (EOT, Athalye et al. 2018): the gradient is the mean of `samples` gradients, each with new
/// draws. A source for `with_source`. Draws belong to the example and the number of passes spent on it (docs/models.md, redraw); a
/// model whose randomness is its own is simply asked so often.
struct expectation {
    static constexpr bool needs_gradient = true;
    static constexpr std::string_view name = "EOT";
    std::size_t samples = 10;

    template <class S>
    using session = expectation_session<S, expectation>;
    template <class Visit>
    void describe(Visit&& visit) const {
        visit("samples", samples);
    }
    void validate(std::string_view where) const {
        require(samples >= 1 && samples <= 1'000'000, where, "EOT samples", "1 to 1000000", samples);
    }
};

}  // namespace saddle
