#pragma once
#include "saddle/attacks/image_subset.hpp"

namespace saddle {

/// v in [0,1] at the nearest of the levels 0, 1/levels, ..., 1, as an 8-bit picture stores it (levels 255).
template <class T>
[[nodiscard]] T nearest_level(T v, T levels) {
    return std::floor(v * levels + T(.5)) / levels;
}

/// A program that sees images on a grid of levels: forward rounds, backward goes straight through.
template <class P>
class grid_program {
public:
    using value_type = scalar_of<P>;

    class session {
        using inner_type = std::remove_cvref_t<decltype(std::declval<const P&>().make_session())>;

    public:
        using value_type = typename grid_program::value_type;
        using vector = typename inner_type::vector;

        session(const P& program, value_type levels)
            : inner_(program.make_session()), rounded_(program.input().size() * lane_values<vector>::size), levels_(levels) {}
        void forward(const value_type* x, value_type* logits) {
            for (std::size_t i = 0; i < rounded_.size(); ++i) rounded_[i] = nearest_level(x[i], levels_);
            inner_.forward(rounded_.data(), logits);
        }
        void backward(const value_type* slopes, value_type* gradient) requires DifferentiableSession<inner_type> {
            inner_.backward(slopes, gradient);
        }
        void last_backward(const value_type* slopes, value_type* gradient) requires DifferentiableSession<inner_type> {
            saddle::last_backward(inner_, slopes, gradient);
        }

    private:
        inner_type inner_;
        lane_vector<value_type> rounded_;
        value_type levels_;
    };

    /// Refers to `program`, which must outlive it.
    grid_program(const P& program, value_type levels) : program_(&program), levels_(levels) {}
    [[nodiscard]] extents input() const { return program_->input(); }
    [[nodiscard]] std::size_t classes() const { return program_->classes(); }
    [[nodiscard]] session make_session() const { return session(*program_, levels_); }

private:
    const P* program_;
    value_type levels_;
};

/// Any attack on the grid of 8-bit pictures: its images are multiples of 1/levels, still in the ball, and still adversarial after they
/// were written to a file and read again.
///
/// The attack runs against the model behind a rounding of its input (the gradient goes straight through); for linf, epsilon is that
/// of the largest step of levels inside it, so that rounding cannot leave the ball. Then every image is rounded to the nearest level,
/// or, where that leaves the ball, towards x; and judged again on the model itself: a success that rounding undid is a failure with
/// the rounded image returned, or with the clean one for attacks that look for the nearest image. Clean images are expected on the
/// grid; what is off it is moved only by changes of the attack.
template <class A>
struct on_grid {
    static constexpr bool needs_gradient = A::needs_gradient;

    /// `levels` in [1, 65535], else `validate` throws invalid_argument.
    explicit on_grid(A of, std::size_t levels = 255)
        : name(text(of.name, " on ", levels + 1, " levels")), attack(of), projection(of.projection), targets(of.targets),
          levels(levels) {}

    std::string name;
    A attack;
    std::remove_cv_t<decltype(A::projection)> projection;
    target_rule targets;
    std::size_t levels;

    [[nodiscard]] bool targeted() const { return attack.targeted(); }
    void validate(std::string_view where) const {
        attack.validate(where);
        require(levels >= 1 && levels <= 65535, where, "levels", "1 to 65535", levels);
    }
    template <class P, class T>
    attack_result<T> run(const P& program, const basic_images<T>& x, const labels& y, worker_pool& pool,
                         const run_settings& settings) const {
        const std::size_t count = x.size();
        std::vector<double> radii(count), inner_radii(count);
        for (std::size_t i = 0; i < count; ++i) {
            radii[i] = settings.epsilons.empty() ? static_cast<double>(projection.epsilon) : settings.epsilons[i];
            const double whole = std::floor(radii[i] * static_cast<double>(levels) * (1 + 1e-12)) / static_cast<double>(levels);
            inner_radii[i] = std::is_same_v<decltype(projection), linf> ? std::min(radii[i], whole + 1e-6) : radii[i];
        }
        auto inner = settings;
        inner.epsilons = inner_radii;
        inner.examples_only = inner.verify = false;
        const grid_program<P> behind(program, static_cast<T>(levels));
        auto found = perturb(attack, behind, x, y, pool, inner);
        for (std::size_t i = 0; i < count; ++i) snap(x[i], found.adversarial[i], radii[i]);
        judge_again(found, program, x, y, pool, settings);
        trim_result(found, settings);
        return found;
    }

private:
    template <class T>
    void snap(std::span<const T> x, std::span<T> z, double radius) const {
        const T scale = static_cast<T>(levels);
        const std::vector<T> attacked(z.begin(), z.end());
        for (std::size_t e = 0; e < z.size(); ++e)
            if (z[e] < x[e] || z[e] > x[e]) z[e] = nearest_level(z[e], scale);
        const auto at = std::span<const T>(z);
        if (detail::within(projection, x, at, radius, detail::distance(projection, x, at))) return;
        for (std::size_t e = 0; e < z.size(); ++e) {
            if (attacked[e] > x[e]) z[e] = std::max(x[e], std::floor(attacked[e] * scale) / scale);
            if (attacked[e] < x[e]) z[e] = std::min(x[e], std::ceil(attacked[e] * scale) / scale);
        }
    }
    template <class P, class T>
    void judge_again(attack_result<T>& found, const P& program, const basic_images<T>& x, const labels& y, worker_pool& pool,
                     const run_settings& settings) const {
        run_settings quiet;
        quiet.stop = settings.stop;
        const auto checked = recheck_images(program, projection, x, found.adversarial, settings.epsilons, pool, quiet);
        for (std::size_t i = 0; i < x.size(); ++i) {
            const auto now = checked.after.classes[i];
            const bool hit = checked.inside[i] && now >= 0 && (found.targets.empty() ? now != y[i] : now == found.targets[i]);
            found.adversarial_predictions[i] = now;
            if (!hit && found.status[i] == attack_status::succeeded) found.status[i] = attack_status::failed;
            if (hit) found.status[i] = attack_status::succeeded;
            found.success[i] = hit;
            if (!hit && minimises_distance<A>) {
                std::copy_n(x[i].data(), x.each().size(), found.adversarial[i].data());
                found.adversarial_predictions[i] = found.clean_predictions[i];
            }
            found.distances[i] = measure_perturbation(x[i], std::span<const T>(found.adversarial[i]), x.each());
        }
    }
};

}  // namespace saddle
