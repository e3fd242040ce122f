#pragma once
#include "saddle/attacks/gradient_source.hpp"
#include "saddle/attacks/sample_draws.hpp"

namespace saddle {

/// A session of one example whose gradients are made of function values at random points around it: the lanes of the model's own session
/// are samples. `Source` draws the directions and weighs the values:
///   directions<V>(stream, id, first sample, elements, v);  radius;  samples (directions of a gradient);
///   antithetic: both ends of each direction;  value(objective, hit): what counts;  momentum.
/// The gradient is the mean of value times direction over all points, divided by the radius, and smoothed by m <- momentum · m +
/// (1 - momentum) · g over the steps of a restart.
template <class S, class Source>
class sampling_session {
public:
    using inner_vector = typename S::vector;
    using value_type = lane_scalar<inner_vector>;
    using T = value_type;
    using vector = T;
    static constexpr std::size_t width = lane_values<inner_vector>::size;
    static constexpr bool counts_gradients = false;

    sampling_session(const Source& source, S session, extents image, std::size_t classes)
        : source_(source), session_(std::move(session)), elements_(image.size()), classes_(classes), points_(elements_ * width),
          directions_(elements_ * width), logits_(classes * width), sum_(elements_), velocity_(elements_) {}

    /// Logits of one image; a block of copies, of which the first counts.
    void forward(const T* x, T* logits) {
        for (std::size_t i = 0; i < points_.size(); ++i) points_[i] = x[i / width];
        session_.forward(points_.data(), logits_.data());
        for (std::size_t k = 0; k < classes_; ++k) logits[k] = logits_[k * width];
    }
    void redraw(const std::uint64_t* ids, const std::uint64_t* draws) requires RandomizedSession<S> {
        std::uint64_t all_ids[width], all_draws[width];
        std::fill_n(all_ids, width, ids[0]);
        std::fill_n(all_draws, width, draws[0]);
        session_.redraw(all_ids, all_draws);
    }
    /// Forward passes that a gradient costs.
    [[nodiscard]] std::size_t passes() const { return source_.samples * (source_.antithetic ? 2 : 1); }

    template <class Objective>
    void estimate(block_job<T, 1>& job, const gradient_request& request, const T* z, T* gradient, const Objective& objective) {
        if (request.step[0] == 0) std::fill(velocity_.begin(), velocity_.end(), 0.);
        std::fill(sum_.begin(), sum_.end(), 0.);
        const random_stream stream(request.key(0, job.settings->epoch, 0));
        for (std::size_t first = 0; first < source_.samples; first += width) {
            const std::size_t count = std::min(width, source_.samples - first);
            source_.template directions<inner_vector>(stream, job.ids[0], first, elements_, directions_.data());
            add_points(job, z, count, 1, objective);
            if (source_.antithetic) add_points(job, z, count, -1, objective);
        }
        const double scale = 1 / (source_.radius * static_cast<double>(passes())), rest = 1 - source_.momentum;
        bool flat = true;
        for (std::size_t e = 0; e < elements_; ++e) {
            velocity_[e] = source_.momentum * velocity_[e] + rest * (scale * sum_[e]);
            gradient[e] = static_cast<T>(velocity_[e]);
            flat = flat && velocity_[e] == 0;
        }
        if (flat && source_.random_when_flat)
            source_.template directions<T>(stream, job.ids[0], source_.samples, elements_, gradient);
    }

private:
    /// Evaluates `count` directions at one end and adds what they are worth to the sum.
    template <class Objective>
    void add_points(block_job<T, 1>& job, const T* z, std::size_t count, int end, const Objective& objective) {
        alignas(lane_alignment) T values[width], hits[width];
        const T radius = static_cast<T>(end * source_.radius);
        for (std::size_t e = 0; e < elements_; ++e)
            for (std::size_t l = 0; l < width; ++l) points_[e * width + l] = z[e] + radius * directions_[e * width + l];
        if constexpr (RandomizedSession<S>) {
            std::uint64_t ids[width], draws[width];
            for (std::size_t l = 0; l < width; ++l) ids[l] = job.ids[0], draws[l] = job.forwards[0] + l;
            session_.redraw(ids, draws);
        }
        session_.forward(points_.data(), logits_.data());
        job.count_forwards(0, count);
        objective.template of_samples<inner_vector>(0, 1, logits_.data(), values, hits);
        for (std::size_t l = 0; l < count; ++l) {
            const double worth = end * source_.value(static_cast<double>(values[l]), hits[l] != 0);
            if (!std::isfinite(worth) || worth == 0) continue;
            for (std::size_t e = 0; e < elements_; ++e) sum_[e] += worth * static_cast<double>(directions_[e * width + l]);
        }
    }

    Source source_;
    S session_;
    std::size_t elements_, classes_;
    lane_vector<T> points_, directions_, logits_;
    std::vector<double> sum_, velocity_;
};

}  // namespace saddle
