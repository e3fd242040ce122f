#pragma once
#include "saddle/attacks/gradient_attack.hpp"
#include "saddle/attacks/perturb.hpp"
#include "saddle/core/random.hpp"
#include "saddle/projections/l2.hpp"

namespace saddle {

/// Settings of `universal_perturbation`.
template <class Projection = linf>
struct universal_settings {
    Projection projection{};       ///< of the perturbation; the images are cut with the range
    double step_size = 1. / 255;   ///< in (0, 1e6]
    std::size_t passes = 10;       ///< over the images
    std::size_t batch_size = 128;  ///< images whose gradients make one step
    double loss_bound = 9;         ///< images of a larger loss add nothing; > 0
    std::uint64_t seed = 0;        ///< of the order of the images
};

/// One perturbation for all images.
template <class T>
struct universal_result {
    basic_images<T> perturbation;  ///< [1,C,H,W], values may be negative
    std::vector<double> fooled;    ///< share of the images fooled after each pass, in [0,1]
    std::uint64_t gradient_calls = 0;

    /// clip(x + perturbation) for every image.
    [[nodiscard]] basic_images<T> applied_to(const basic_images<T>& x) const {
        require<shape_error>(x.each() == perturbation.each(), "universal_result::applied_to", "extents of the images",
                             perturbation.each(), x.each());
        auto z = x;
        for (std::size_t i = 0; i < x.size(); ++i)
            for (std::size_t e = 0; e < x.each().size(); ++e) z[i][e] = std::clamp(x[i][e] + perturbation[0][e], T(0), T(1));
        return z;
    }
};

/// One perturbation that changes the class of as many images as possible (Moosavi-Dezfooli et al. 2017), by stochastic gradient ascent
/// on the loss cut at `loss_bound` (Shafahi et al. 2020, algorithm 2): v <- P(v + step · direction(sum of the batch's gradients)),
/// direction the sign for linf and the unit vector for l2.
///
/// Batches follow a random order keyed by the seed and the pass; gradients are summed in that order in double, so the bits are the same
/// for any number of threads. The gradient is taken at clip(x + v), without the clip in it. Throws like `perturb`, and
/// invalid_argument for settings out of range.
template <class Loss = cross_entropy, class Projection = linf, class M, class T>
[[nodiscard]] universal_result<T> universal_perturbation(const M& model, const basic_images<T>& x, const labels& y,
                                                         worker_pool& pool, const universal_settings<Projection>& s = {},
                                                         const Loss& loss = {}, const run_settings& settings = {}) {
    static_assert(std::is_same_v<Projection, linf> || std::is_same_v<Projection, l2>,
                  "saddle: universal_perturbation is for linf and l2 (docs/attacks.md)");
    constexpr std::string_view where = "universal_perturbation";
    s.projection.validate(where);
    loss.validate(where);
    require(s.step_size > 0 && s.step_size <= 1e6, where, "step_size", "a number in (0, 1e6]", s.step_size);
    require(s.passes >= 1 && s.passes <= 1'000'000, where, "passes", "1 to 1000000", s.passes);
    require(s.batch_size >= 1, where, "batch_size", "at least 1", s.batch_size);
    require(s.loss_bound > 0, where, "loss_bound", "a number > 0", s.loss_bound);
    require<data_error>(!x.empty(), where, "number of images", "at least 1", x.size());
    require_valid_images(x, where);
    return with_program(model, [&](const auto& program) {
        using session = std::remove_cvref_t<decltype(program.make_session())>;
        using V = typename session::vector;
        using io = lane_values<V>;
        constexpr std::size_t lanes = io::size;
        const std::size_t elements = x.each().size(), classes = program.classes();
        require_fitting_images(program, x, where);
        require_valid_labels(y, x.size(), classes, where);
        struct worker_state {
            session network;
            lane_vector<T> z, logits, slopes, gradient;
        };
        std::vector<std::unique_ptr<worker_state>> workers(pool.size());
        universal_result<T> result{basic_images<T>(1, x.each()), {}, 0};
        const auto v = result.perturbation[0];
        const std::size_t most = std::min(s.batch_size, x.size()), blocks = (most + lanes - 1) / lanes;
        std::vector<double> sums(blocks * elements);

        for (std::size_t pass = 0; pass < s.passes; ++pass) {
            const auto order = permutation(
                x.size(),
                random_stream({.seed = s.seed, .purpose = purpose::shuffle, .epoch = static_cast<std::uint32_t>(pass)}));
            for (std::size_t first = 0; first < x.size(); first += s.batch_size) {
                check_stop(settings, where);
                const std::size_t count = std::min(s.batch_size, x.size() - first);
                pool.for_each((count + lanes - 1) / lanes, [&](std::size_t block, std::size_t worker) {
                    auto& state = workers[worker];
                    if (!state)
                        state.reset(new worker_state{program.make_session(), lane_vector<T>(elements * lanes),
                                                     lane_vector<T>(classes * lanes), lane_vector<T>(classes * lanes),
                                                     lane_vector<T>(elements * lanes)});
                    alignas(lane_alignment) T label[lanes], value[lanes];
                    const std::size_t valid = std::min(lanes, count - block * lanes);
                    for (std::size_t l = 0; l < lanes; ++l) {
                        const std::size_t i = order[first + block * lanes + std::min(l, valid - 1)];
                        label[l] = static_cast<T>(y[i]);
                        for (std::size_t e = 0; e < elements; ++e)
                            state->z[e * lanes + l] = std::clamp(x[i][e] + v[e], T(0), T(1));
                    }
                    state->network.forward(state->z.data(), state->logits.data());
                    const loss_input<T> in{state->logits.data(), classes, lanes, label};
                    io::store(value, loss.template evaluate<V>(in, state->slopes.data()));
                    for (std::size_t l = 0; l < lanes; ++l) {
                        const bool counts = l < valid && static_cast<double>(value[l]) <= s.loss_bound;
                        for (std::size_t k = 0; k < classes && !counts; ++k) state->slopes[k * lanes + l] = T(0);
                    }
                    last_backward(state->network, state->slopes.data(), state->gradient.data());
                    double* sum = sums.data() + block * elements;
                    for (std::size_t e = 0; e < elements; ++e) {
                        sum[e] = 0;
                        for (std::size_t l = 0; l < lanes; ++l)
                            if (const T g = state->gradient[e * lanes + l]; std::isfinite(g)) sum[e] += static_cast<double>(g);
                    }
                });
                result.gradient_calls += count;
                std::vector<double> total(elements);
                double norm = 0;
                for (std::size_t block = 0; block < (count + lanes - 1) / lanes; ++block)
                    for (std::size_t e = 0; e < elements; ++e) total[e] += sums[block * elements + e];
                for (const double g : total) norm += g * g;
                if (!(norm > 0)) continue;
                double length = 0;
                for (std::size_t e = 0; e < elements; ++e) {
                    const double direction =
                        std::is_same_v<Projection, linf> ? (total[e] > 0) - (total[e] < 0) : total[e] / std::sqrt(norm);
                    total[e] = static_cast<double>(v[e]) + s.step_size * direction;
                    length += total[e] * total[e];
                }
                const double shrink = std::min(1., s.projection.epsilon / std::max(std::sqrt(length), 1e-300));
                for (std::size_t e = 0; e < elements; ++e)
                    v[e] = static_cast<T>(std::is_same_v<Projection, linf>
                                              ? std::clamp(total[e], -s.projection.epsilon, s.projection.epsilon)
                                              : total[e] * shrink);
            }
            run_settings quiet;
            quiet.stop = settings.stop;
            const auto after = detail::run_prediction(program, result.applied_to(x), pool, quiet);
            std::size_t fooled = 0;
            for (std::size_t i = 0; i < x.size(); ++i) fooled += after.classes[i] >= 0 && after.classes[i] != y[i];
            result.fooled.push_back(static_cast<double>(fooled) / static_cast<double>(x.size()));
            if (settings.progress) settings.progress(pass + 1, s.passes);
            if (settings.expired()) break;
        }
        return result;
    });
}

}  // namespace saddle
