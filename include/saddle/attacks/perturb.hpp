#pragma once
#include "saddle/attacks/block_job.hpp"
#include "saddle/attacks/plain_session.hpp"
#include "saddle/attacks/targets.hpp"
#include "saddle/core/worker_pool.hpp"
#include "saddle/projections/projection.hpp"

#include <memory>

namespace saddle {

/// An attack: settings with `validate`, `needs_gradient`, and a `runner<Session>` that runs it on one block. docs/attacks.md
template <class A>
concept Attack = requires(const A& a) {
    { A::needs_gradient } -> std::convertible_to<bool>;
    { a.projection.epsilon } -> std::convertible_to<double>;
    { a.step_size } -> std::convertible_to<double>;
    { a.trace_columns() } -> std::same_as<std::size_t>;
    a.validate(std::string_view());
};

namespace detail {

template <class A, class T>
void require_valid_run(const A& attack, std::size_t classes, const basic_images<T>& x, const labels& y,
                       const run_settings& settings) {
    constexpr std::string_view where = "perturb";
    attack.validate(where);
    require<data_error>(!x.empty(), where, "number of images", "at least 1", x.size());
    require(classes >= 2, where, "classes of the model", "at least 2", classes);
    require_valid_images(x, where);
    require_valid_labels(y, x.size(), classes, where);
    const auto fits = [&](std::size_t size, std::string_view what) {
        require<shape_error>(size == 0 || size == x.size(), where, what, x.size(), size);
    };
    fits(settings.ids.size(), "number of ids");
    fits(settings.epsilons.size(), "number of epsilons");
    fits(settings.step_sizes.size(), "number of step_sizes");
    for (const double e : settings.epsilons) require_epsilon(e, where);
    for (const double s : settings.step_sizes) require(s > 0 && s <= 1e6, where, "step_sizes", "numbers in (0, 1e6]", s);
    if (attack.targets == target_rule::given)
        require_valid_labels(labels(settings.targets.begin(), settings.targets.end()), x.size(), classes, "perturb: targets");
    else
        require(settings.targets.empty(), where, "run_settings::targets", "none unless the attack's targets are `given`",
                settings.targets.size());
}

template <class A, class P, class T>
attack_result<T> run_attack(const A& attack, const P& program, const basic_images<T>& x, const labels& y, worker_pool& pool,
                            const run_settings& settings) {
    using session = std::remove_cvref_t<decltype(program.make_session())>;
    using runner = typename A::template runner<session>;
    constexpr std::size_t lanes = runner::lanes;
    require_fitting_images(program, x, "perturb");
    require_valid_run(attack, program.classes(), x, y, settings);

    const std::size_t count = x.size(), elements = x.each().size(), columns = attack.trace_columns();
    const bool judged = !settings.examples_only;
    attack_result<T> result;
    result.adversarial = basic_images<T>(count, x.each());
    std::vector<std::uint32_t> forwards(count);
    result.gradients.resize(count);
    if (judged) {
        result.success.resize(count);
        result.status.resize(count);
        result.clean_predictions.resize(count);
        result.adversarial_predictions.resize(count);
        result.loss.resize(count);
    }
    if (attack.targeted()) result.targets.resize(count);
    if (judged && settings.trace) {
        result.trace.columns = columns;
        result.trace.loss.resize(count * columns);
        result.trace.success.resize(count * columns);
    }

    struct worker_state {
        runner attack;
        lane_vector<T> x, adversarial;
    };
    std::vector<std::unique_ptr<worker_state>> workers(pool.size());
    std::mutex reporting;
    std::size_t done = 0;
    pool.for_each((count + lanes - 1) / lanes, [&](std::size_t index, std::size_t worker) {
        check_stop(settings, "perturb");
        auto& state = workers[worker];
        if (!state)
            state.reset(new worker_state{runner(attack, program.make_session(), elements, program.classes()),
                                         lane_vector<T>(elements * lanes), lane_vector<T>(elements * lanes)});
        const std::size_t first = index * lanes;
        block_job<T, lanes> job;
        job.settings = &settings;
        job.count = std::min(lanes, count - first);
        job.x = state->x.data();
        job.adversarial = state->adversarial.data();
        job.judged = judged;
        load_block(x, first, job.count, lanes, state->x.data());
        for (std::size_t l = 0; l < lanes; ++l) {
            const std::size_t i = first + std::min(l, job.count - 1);
            job.ids[l] = settings.ids.empty() ? i : settings.ids[i];
            job.labels[l] = y[i];
            job.targets[l] = settings.targets.empty() ? -1 : settings.targets[i];
            job.epsilon[l] = settings.epsilons.empty() ? static_cast<double>(attack.projection.epsilon) : settings.epsilons[i];
            job.step_size[l] = static_cast<T>(settings.step_sizes.empty() ? attack.step_size : settings.step_sizes[i]);
            if (!result.trace.loss.empty() && l < job.count) {
                job.trace_loss[l] = result.trace.loss.data() + i * columns;
                job.trace_success[l] = result.trace.success.data() + i * columns;
            }
        }
        state->attack.run(job);

        store_block(job.adversarial, lanes, result.adversarial, first, job.count);
        for (std::size_t l = 0; l < job.count; ++l) {
            const std::size_t i = first + l;
            result.gradients[i] = job.gradients[l];
            forwards[i] = job.forwards[l];
            if (!result.targets.empty()) result.targets[i] = job.targets[l];
            if (!judged) continue;
            result.success[i] = job.status[l] == attack_status::succeeded;
            result.status[i] = job.status[l];
            result.clean_predictions[i] = job.clean_prediction[l];
            result.adversarial_predictions[i] = job.adversarial_prediction[l];
            result.loss[i] = job.loss[l];
        }
        if (settings.progress) {
            std::lock_guard lock(reporting);
            done += job.count;
            settings.progress(done, count);
        }
    });
    for (const auto n : result.gradients) result.gradient_calls += n;
    for (const auto n : forwards) result.forward_calls += n;
    return result;
}

}  // namespace detail

/// Attacks every image of `x` [N,C,H,W] in [0,1] with labels `y`; `model` is a program, a model, or a user's own class.
///
/// One thread runs the whole attack on one block of lanes. Every image's result depends on the image, its label and its id
/// alone: the bits are the same for any number of threads, batch size and order (for a user's engine, as far as the engine
/// itself is such). Throws data_error, shape_error or invalid_argument for bad input, and `interrupted` when settings.stop
/// becomes true.
template <class A, class M, class T>
attack_result<T> perturb(const A& attack, const M& model, const basic_images<T>& x, const labels& y, worker_pool& pool,
                         const run_settings& settings = {}) {
    constexpr bool is_attack = Attack<A>, is_model = Model<M>, same_scalar = !is_model || detail::has_scalar<M, T>;
    static_assert(is_attack,
                  "saddle: this type is not an attack: it has no validate(), needs_gradient or runner (docs/attacks.md)");
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
