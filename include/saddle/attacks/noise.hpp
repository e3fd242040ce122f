#pragma once
#include "saddle/attacks/candidate_runner.hpp"
#include "saddle/losses/cross_entropy.hpp"
#include "saddle/projections/box_only.hpp"

namespace saddle {

/// What `noise` draws.
enum class noise_kind : std::uint8_t {
    gaussian,  ///< x + sigma · N(0, I)
    uniform    ///< uniform in the ball of the projection
};

/// The noise of a block of lanes.
template <class Attack, class V>
class noise_source {
public:
    using T = lane_scalar<V>;
    static constexpr std::size_t lanes = lane_values<V>::size;

    noise_source(const Attack& attack, extents image)
        : attack_(attack), elements_(image.size()), drawn_(elements_ * lanes), memory_(ball_type::memory(elements_)),
          ball_(attack.projection, elements_, std::span<T>(memory_.data(), memory_.size())) {}

    void load(const block_job<T, lanes>& job) { ball_.centre(job.x, job.epsilon.data()); }
    void place(std::size_t sample, const std::uint64_t* ids, const block_job<T, lanes>& job, T* z) {
        const random_stream draws({.seed = attack_.seed,
                                   .purpose = purpose::noise,
                                   .epoch = job.settings->epoch,
                                   .sample = static_cast<std::uint32_t>(sample)});
        if (attack_.kind == noise_kind::uniform) {
            ball_.uniform_start(draws, ids, drawn_.data());
        } else {
            fill_normal<V>(draws, ids, elements_, attack_.sigma, drawn_.data());
            for (std::size_t i = 0; i < elements_ * lanes; ++i) drawn_[i] += job.x[i];
        }
        ball_.project(drawn_.data(), z);
    }

private:
    using ball_type = typename Attack::projection_type::template ball<V>;
    const Attack& attack_;
    std::size_t elements_;
    lane_vector<T> drawn_, memory_;
    ball_type ball_;
};

/// Noise as a baseline: the strongest of `samples` draws, brought into ball and range. Black box.
///
/// Gaussian of a given sigma (in units of the image: sigma/255 in the ODE study, with box_only) or uniform in the ball, which with
/// many samples is the random search that no gradient attack may lose to. One draw and `keep` last is the plain corruption. Throws
/// invalid_argument for settings out of range.
template <class ProjectionType = box_only>
struct noise {
    using projection_type = ProjectionType;
    static constexpr bool needs_gradient = false;

    std::string_view name = "noise";
    noise_kind kind = std::is_same_v<ProjectionType, box_only> ? noise_kind::gaussian : noise_kind::uniform;
    ProjectionType projection{};
    double sigma = 50. / 255;  ///< of gaussian noise, >= 0
    std::size_t samples = 1;
    cross_entropy loss{};
    target_rule targets = target_rule::untargeted;
    keep_rule keep = keep_rule::best;
    bool early_stop = false;
    std::uint64_t seed = 0;

    template <class S>
    using runner = candidate_runner<noise, S>;
    template <class V>
    using source = noise_source<noise, V>;

    [[nodiscard]] std::size_t candidates() const { return samples; }
    [[nodiscard]] bool targeted() const { return targets != target_rule::untargeted; }
    [[nodiscard]] std::size_t trace_columns() const { return samples; }
    void validate(std::string_view where) const {
        projection.validate(where);
        require(sigma >= 0 && sigma <= 1e6, where, "sigma", "a number in [0, 1e6]", sigma);
        require(samples >= 1 && samples <= 100'000'000, where, "samples", "1 to 100000000", samples);
    }
    template <class Visit>
    void describe(Visit&& visit) const {
        visit("name", name);
        visit("kind", kind == noise_kind::gaussian ? "gaussian" : "uniform");
        visit("sigma", sigma);
        visit("samples", samples);
        visit("targets", name_of(targets));
        visit("keep", name_of(keep));
        visit("early_stop", early_stop);
        visit("seed", seed);
    }
};

}  // namespace saddle
