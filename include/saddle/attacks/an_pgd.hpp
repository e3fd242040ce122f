#pragma once
#include "saddle/attacks/perturb.hpp"
#include "saddle/attacks/pgd.hpp"
#include "saddle/losses/logit_margin.hpp"

namespace saddle {

/// Adaptive-norm PGD (Ding et al. 2020, algorithm 1): the perturbation along PGD's direction that just changes the class.
///
/// delta is PGD's at radius `initial`, u = delta/‖delta‖; if x + delta is still right, `halvings` bisections of [‖delta‖, eps_max] look
/// for the zero of the loss at clip(x + eta u), otherwise of [0, ‖delta‖]. Returned is the image at the end of the last bracket where
/// the loss is >= 0, so that it does not stand on the boundary; at eps_max where there is no zero, with status `failed`; the clean image
/// where the model is wrong about it. `Loss` is zero on the boundary: logit_margin, or soft_logit_margin as MMA training uses. Norm: of
/// the projection, linf or l2, whose epsilon is eps_max; run_settings::epsilons are the images' own `initial`. The step is
/// `step_factor` · initial / steps, start uniform.
template <class Loss = logit_margin, class ProjectionType = linf>
struct an_pgd {
    static_assert(std::is_same_v<ProjectionType, linf> || std::is_same_v<ProjectionType, l2>,
                  "saddle: an_pgd is for linf and l2 (docs/attacks.md)");
    static constexpr bool needs_gradient = true;
    static constexpr target_rule targets = target_rule::untargeted;

    std::string_view name = "AN-PGD";
    Loss loss{};
    ProjectionType projection{};  ///< epsilon: the largest distance, 1.05 d_max in MMA training
    double initial = 8. / 255;
    std::size_t steps = 10, halvings = 10;
    double step_factor = 2.5;
    std::uint64_t seed = 0;

    [[nodiscard]] bool targeted() const { return false; }
    void validate(std::string_view where) const {
        loss.validate(where);
        projection.validate(where);
        require(initial > 0 && initial <= projection.epsilon, where, "initial", "a number in (0, epsilon]", initial);
        require(steps >= 1 && steps <= 100'000'000, where, "steps", "1 to 100000000", steps);
        require(halvings >= 1 && halvings <= 100, where, "halvings", "1 to 100", halvings);
        require(step_factor > 0 && step_factor <= 1e3, where, "step_factor", "a number in (0, 1000]", step_factor);
    }
    template <class Visit>
    void describe(Visit&& visit) const {
        visit("name", name);
        visit("loss", loss.name);
        visit("epsilon", projection.epsilon);
        visit("initial", initial);
        visit("steps", steps);
        visit("halvings", halvings);
        visit("step_factor", step_factor);
        visit("seed", seed);
    }

    template <class P, class T>
    attack_result<T> run(const P& program, const basic_images<T>& x, const labels& y, worker_pool& pool,
                         const run_settings& settings) const;
};

namespace detail {

/// The bisection of AN-PGD for one image.
struct eta_bracket {
    double low = 0, high = 0;  ///< the loss is < 0 at low; >= 0 at high, unless nothing is
    bool crosses = false;      ///< the loss is >= 0 at `high`
    [[nodiscard]] double middle() const { return (low + high) / 2; }
};

/// z = the point of ball ∩ range nearest to x + eta · direction.
template <class Projection, class T>
void place_along(const Projection& projection, std::span<const T> x, std::span<const T> direction, double eta, std::span<T> z) {
    using ball_type = typename Projection::template ball<T>;
    lane_vector<T> memory(ball_type::memory(x.size())), v(x.size());
    ball_type ball(projection, x.size(), std::span<T>(memory.data(), memory.size()));
    const double radius = projection.epsilon;
    ball.centre(x.data(), &radius);
    for (std::size_t e = 0; e < x.size(); ++e)
        v[e] = static_cast<T>(static_cast<double>(x[e]) + eta * static_cast<double>(direction[e]));
    ball.project(v.data(), z.data());
}

}  // namespace detail

template <class Loss, class Projection>
template <class P, class T>
attack_result<T> an_pgd<Loss, Projection>::run(const P& program, const basic_images<T>& x, const labels& y, worker_pool& pool,
                                               const run_settings& settings) const {
    const std::size_t count = x.size(), classes = program.classes();
    auto method = pgd<Projection>({.epsilon = initial, .step_size = 1, .steps = steps, .seed = seed}, loss);
    std::vector<double> radii(count, initial), sizes(count);
    for (std::size_t i = 0; i < count; ++i) {
        if (!settings.epsilons.empty()) radii[i] = settings.epsilons[i];
        sizes[i] = settings.step_sizes.empty() ? std::max(step_factor * radii[i] / static_cast<double>(steps), 1e-30)
                                               : settings.step_sizes[i];
    }
    auto inner = settings;
    inner.epsilons = radii;
    inner.step_sizes = sizes;
    inner.progress = {};
    const std::uint64_t queries = halvings + 2;
    if (settings.max_forwards > 0) inner.max_forwards = std::max(settings.max_forwards, queries + 1) - queries;
    inner.trace = inner.examples_only = inner.verify = false;
    auto found = perturb(method, program, x, y, pool, inner);

    constexpr bool in_linf = std::is_same_v<Projection, linf>;
    std::vector<detail::eta_bracket> brackets(count);
    basic_images<T> direction = found.adversarial, z = x;
    const auto value = [&](const predictions<T>& said, std::size_t i) {
        const T label = static_cast<T>(y[i]);
        const loss_input<T> in{said.logits.data() + i * classes, classes, 1, &label};
        if (said.classes[i] < 0) return -1.;
        return said.classes[i] == y[i] ? static_cast<double>(loss.template evaluate<T>(in, static_cast<T*>(nullptr))) : 0.;
    };
    run_settings quiet;
    quiet.stop = settings.stop;
    std::vector<std::uint8_t> searched(count);
    for (std::size_t i = 0; i < count; ++i) {
        searched[i] = found.clean_predictions[i] == y[i] && !settings.expired() &&
                      (settings.max_forwards == 0 || found.forwards[i] + queries <= settings.max_forwards);
        const auto size = measure_perturbation(x[i], std::span<const T>(found.adversarial[i]), x.each());
        const double length = in_linf ? size.linf : size.l2;
        for (std::size_t e = 0; e < x.each().size(); ++e)
            direction[i][e] =
                static_cast<T>(length > 0 ? (static_cast<double>(direction[i][e]) - static_cast<double>(x[i][e])) / length : 0);
        const double most = static_cast<double>(projection.epsilon);
        brackets[i].low = found.success[i] ? 0 : length;
        brackets[i].high = found.success[i] ? std::min(length * (1 + 1e-5), most) : std::max(length, most);
    }
    const auto ask = [&](auto&& eta) {
        for (std::size_t i = 0; i < count; ++i)
            if (searched[i]) detail::place_along(projection, x[i], std::span<const T>(direction[i]), eta(brackets[i]), z[i]);
        for (std::size_t i = 0; i < count; ++i) found.forwards[i] += searched[i], found.forward_calls += searched[i];
        return detail::run_prediction(program, z, pool, quiet);
    };
    const auto at_most = ask([](const detail::eta_bracket& b) { return b.high; });
    for (std::size_t i = 0; i < count; ++i) brackets[i].crosses = value(at_most, i) >= 0;
    for (std::size_t halving = 0; halving < halvings; ++halving) {
        const auto said = ask([](const detail::eta_bracket& b) { return b.middle(); });
        for (std::size_t i = 0; i < count; ++i) {
            auto& b = brackets[i];
            const double middle = b.middle();
            if (!searched[i] || !b.crosses) continue;
            (value(said, i) >= 0 ? b.high : b.low) = middle;
        }
    }
    for (std::size_t i = 0; i < count; ++i)
        if (!searched[i])
            std::copy_n((found.clean_predictions[i] == y[i] ? found.adversarial : x)[i].data(), x.each().size(), z[i].data());
    const auto last = ask([](const detail::eta_bracket& b) { return b.high; });
    for (std::size_t i = 0; i < count; ++i) {
        const auto now = last.classes[i];
        found.adversarial_predictions[i] = now;
        found.success[i] = now >= 0 && now != y[i];
        found.status[i] = found.success[i] ? attack_status::succeeded
                          : now < 0        ? attack_status::not_finite
                                           : attack_status::failed;
        const T label = static_cast<T>(y[i]);
        const loss_input<T> in{last.logits.data() + i * classes, classes, 1, &label};
        found.loss[i] = loss.template evaluate<T>(in, static_cast<T*>(nullptr));
    }
    found.adversarial = std::move(z);
    for (std::size_t i = 0; i < count; ++i)
        found.distances[i] = measure_perturbation(x[i], std::span<const T>(found.adversarial[i]), x.each());
    if (settings.progress) settings.progress(count, count);
    if (settings.verify && !settings.examples_only) {
        auto check = settings;
        check.epsilons = {};
        reject_unconfirmed(found, program, projection, x, y, pool, check);
    }
    return found;
}

}  // namespace saddle
