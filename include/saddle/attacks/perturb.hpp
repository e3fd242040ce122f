#pragma once
#include "saddle/attacks/lane_driver.hpp"
#include "saddle/attacks/recheck.hpp"
#include "saddle/attacks/targets.hpp"
#include "saddle/losses/loss_input.hpp"

namespace saddle {

/// An attack: settings with `validate`, `needs_gradient`, and a `runner<Session>` that runs it on a block of lanes, or a `run` that
/// is made of other attacks. docs/attacks.md
template <class A>
concept Attack = requires(const A& a) {
    { A::needs_gradient } -> std::convertible_to<bool>;
    { a.name } -> std::convertible_to<std::string_view>;
    { a.projection.epsilon } -> std::convertible_to<double>;
    { a.targets } -> std::convertible_to<target_rule>;
    { a.targeted() } -> std::same_as<bool>;
    a.validate(std::string_view());
};

namespace detail {

/// One sentence about the first thing that a type lacks to be an attack.
template <class A>
constexpr void explain_missing_attack() {
    constexpr bool has_validate = requires(const A& a) { a.validate(std::string_view()); };
    constexpr bool has_needs_gradient = requires { static_cast<bool>(A::needs_gradient); };
    constexpr bool has_name = requires(const A& a) { std::string_view(a.name); };
    constexpr bool has_projection = requires(const A& a) { static_cast<double>(a.projection.epsilon); };
    if constexpr (!has_validate)
        static_assert(has_validate, "saddle: this type is not an attack: it has no `void validate(std::string_view where) const` "
                                    "(docs/attacks.md)");
    else if constexpr (!has_needs_gradient)
        static_assert(has_needs_gradient,
                      "saddle: this type is not an attack: it has no `static constexpr bool needs_gradient` (docs/attacks.md)");
    else if constexpr (!has_name)
        static_assert(has_name, "saddle: this type is not an attack: it has no `std::string_view name` (docs/attacks.md)");
    else if constexpr (!has_projection)
        static_assert(has_projection,
                      "saddle: this type is not an attack: it has no `projection` with an `epsilon` (docs/attacks.md)");
    else
        static_assert(Attack<A>,
                      "saddle: this type is not an attack: it has no `target_rule targets` or no `bool targeted() const` "
                      "(docs/attacks.md)");
}

/// Whether an attack has something that runs it on this program's blocks.
template <class A, class P, class T>
inline constexpr bool can_run = requires(const A& a, const P& program, const basic_images<T>& x, const labels& y,
                                         worker_pool& pool, const run_settings& s) {
    a.run(program, x, y, pool, s);
}
|| requires { typename A::template runner<std::remove_cvref_t<decltype(std::declval<const P&>().make_session())>>; };

/// The checks of a run that are the same for every attack; `least_classes` is what the attack, called `name`, needs.
template <class T>
void require_valid_run(std::string_view name, target_rule targets, std::size_t least_classes, std::size_t classes,
                       const basic_images<T>& x, const labels& y, const run_settings& settings) {
    constexpr std::string_view where = "perturb";
    require<data_error>(!x.empty(), where, "number of images", "at least 1", x.size());
    require(classes >= least_classes, where, text("classes of the model for ", name), text("at least ", least_classes), classes);
    require_valid_images(x, where);
    require_valid_labels(y, x.size(), classes, where);
    const auto fits = [&](std::size_t size, std::string_view what) {
        require<shape_error>(size == 0 || size == x.size(), where, what, x.size(), size);
    };
    fits(settings.ids.size(), "number of ids");
    fits(settings.epsilons.size(), "number of epsilons");
    fits(settings.step_sizes.size(), "number of step_sizes");
    fits(settings.forwards_spent.size(), "number of forwards_spent");
    fits(settings.gradients_spent.size(), "number of gradients_spent");
    for (const double e : settings.epsilons) require_epsilon(e, where);
    for (const double s : settings.step_sizes) require(s > 0 && s <= 1e6, where, "step_sizes", "numbers in (0, 1e6]", s);
    if (targets == target_rule::given) {
        require<shape_error>(settings.targets.size() == x.size(), where, "number of run_settings::targets, one per image",
                             x.size(), settings.targets.size());
        for (std::size_t i = 0; i < x.size(); ++i) {
            const auto target = settings.targets[i];
            require<data_error>(target >= 0 && static_cast<std::size_t>(target) < classes, "perturb: targets",
                                text("target of image ", i), text("0 to ", classes - 1), target);
            require<data_error>(target != y[i], "perturb: targets", text("target of image ", i), "another class than its label",
                                target);
        }
    } else {
        require(settings.targets.empty(), where, "run_settings::targets", "none unless the attack's targets are `given`",
                settings.targets.size());
    }
}

/// Throws invalid_argument for a radius of an image that the attack's threat does not allow.
template <class A>
void require_valid_radii(const A& attack, const run_settings& settings) {
    if constexpr (requires(A a) { a.projection.epsilon = 0.; })
        for (auto threat = attack.projection; const double e : settings.epsilons) {
            threat.epsilon = e;
            threat.validate("perturb: epsilons");
        }
}

/// The smallest number of classes that an attack's rule, or its loss, makes sense for.
template <class A>
std::size_t least_classes_for(const A& attack) {
    if constexpr (requires { attack.least_classes(); })
        return attack.least_classes();
    else if constexpr (requires { attack.loss.name; })
        return least_classes(attack.loss, attack.targeted());
    else
        return 2;
}

template <class T>
void measure_distances(const basic_images<T>& x, attack_result<T>& result) {
    result.distances.resize(x.size());
    for (std::size_t i = 0; i < x.size(); ++i)
        result.distances[i] = measure_perturbation(x[i], std::span<const T>(result.adversarial[i]), x.each());
}

template <class A, class P, class T>
attack_result<T> run_attack(const A& attack, const P& program, const basic_images<T>& x, const labels& y, worker_pool& pool,
                            const run_settings& settings) {
    static_assert(can_run<A, P, T>,
                  "saddle: this attack has no `template <class Session> runner` with step and finish, and no run of "
                  "its own (docs/attacks.md)");
    require_fitting_images(program, x, "perturb");
    attack.validate("perturb");
    require_valid_run(attack.name, attack.targets, least_classes_for(attack), program.classes(), x, y, settings);
    require_valid_radii(attack, settings);
    if constexpr (requires { attack.run(program, x, y, pool, settings); }) {
        return attack.run(program, x, y, pool, settings);
    } else if constexpr (can_run<A, P, T>) {
        auto result = make_result<T>(attack, x, settings);
        bool ran = false;
        if constexpr (requires { program.run_whole(attack, x, y, settings, result); })
            ran = program.run_whole(attack, x, y, settings, result);
        if (!ran) lane_driver<A, P, T>(attack, program, x, y, settings, result).run(pool);
        if (settings.examples_only) return result;
        measure_distances(x, result);
        if (settings.verify) reject_unconfirmed(result, program, attack.projection, x, y, pool, settings);
        return result;
    }
}

}  // namespace detail

/// Attacks every image of `x` [N,C,H,W] in [0,1] with labels `y`; `model` is a program, a model, or a user's own class.
///
/// Each thread works on a block of lanes, one image a lane; a lane whose image is over takes the next that waits. Every image's
/// result depends on the image, its label and its id alone: the bits are the same for any number of threads, batch size and order
/// (for a user's engine, as far as the engine itself is such; with a deadline, as far as the time reaches). Results that do not
/// pass the check apart from the attack are returned as clean images with status `rejected`. Throws data_error, shape_error or invalid_argument for bad input, and `interrupted` when settings.stop
/// becomes true.
template <class A, class M, class T>
attack_result<T> perturb(const A& attack, const M& model, const basic_images<T>& x, const labels& y, worker_pool& pool,
                         const run_settings& settings = {}) {
    constexpr bool is_attack = Attack<A>, is_model = Model<M>, same_scalar = !is_model || detail::has_scalar<M, T>;
    if constexpr (!is_attack) detail::explain_missing_attack<A>();
    static_assert(is_model, "saddle: this type is not a model: it has neither make_session() nor logits() (docs/models.md)");
    static_assert(same_scalar,
                  "saddle: the images and the model differ in value_type: use the same of float and double for both");
    if constexpr (is_attack && is_model && same_scalar) {
        constexpr bool suffices = !A::needs_gradient || DifferentiableModel<M>;
        static_assert(suffices, "saddle: this attack needs a gradient, but the model has none: give it input_gradient() or use a "
                                "black-box attack (docs/models.md)");
        if constexpr (suffices)
            return with_program(model,
                                [&](const auto& program) { return detail::run_attack(attack, program, x, y, pool, settings); });
    }
}

/// The same with a pool of its own, of settings.threads threads.
template <class A, class M, class T>
attack_result<T> perturb(const A& attack, const M& model, const basic_images<T>& x, const labels& y,
                         const run_settings& settings = {}) {
    worker_pool pool(settings.threads);
    return perturb(attack, model, x, y, pool, settings);
}

}  // namespace saddle
