#pragma once
#include "saddle/attacks/block_job.hpp"
#include "saddle/attacks/targets.hpp"
#include "saddle/losses/loss_input.hpp"

namespace saddle {

/// What an attack ascends, for sources of gradients that evaluate it at points of their own.
template <class Loss, class T>
struct attack_objective {
    const Loss* loss;
    std::size_t classes;
    bool targeted;
    const T *goal, *truth, *state;  ///< of the attack's lanes, see loss_input

    /// Of a block of the attack's own lanes: the objective, and its slopes in the logits.
    template <class V>
    [[nodiscard]] V of_lanes(const T* logits, T* slopes) const {
        return loss->template evaluate<V>(loss_input<T>{logits, classes, lane_values<V>::size, goal, targeted, state, truth},
                                          slopes);
    }
    /// Of a block of samples [K][sample] of lane `lane`: objectives, and 1 where the class is what the attack wants, 0 elsewhere. The
    /// attack has `lanes` lanes.
    template <class V>
    void of_samples(std::size_t lane, std::size_t lanes, const T* logits, T* values, T* hits) const {
        using io = lane_values<V>;
        alignas(lane_alignment) T goals[io::size], truths[io::size];
        std::fill_n(goals, io::size, goal[lane]);
        std::fill_n(truths, io::size, truth[lane]);
        lane_vector<T> states(state_rows<Loss>(classes) * io::size);
        for (std::size_t i = 0; i < states.size(); ++i) states[i] = state[i / io::size * lanes + lane];
        const loss_input<T> in{logits, classes, io::size, goals, targeted, states.data(), truths};
        io::store(values, loss->template evaluate<V>(in, static_cast<T*>(nullptr)));
        const auto top = find_top<V>(logits, classes, io::size);
        const V right = choose(top.index == io::load(goals), V(1), V(0)), valid = choose(top.valid, V(1), V(0));
        io::store(hits, valid * (targeted ? right : V(1) - right));
    }
};

/// Where an attack stands when it asks for a gradient: its seed, and each lane's restart and step.
struct gradient_request {
    std::uint64_t seed = 0;
    const std::size_t *restart = nullptr, *step = nullptr;
    const bool* wanted = nullptr;  ///< lanes that move; the others may hold anything

    /// Key of the draws for sample `sample` of lane l's step.
    [[nodiscard]] draw_key key(std::size_t l, std::uint32_t epoch, std::uint32_t sample) const {
        return {.seed = seed,
                .purpose = purpose::sample,
                .epoch = epoch,
                .restart = static_cast<std::uint32_t>(restart[l]),
                .sample = sample,
                .step = static_cast<std::uint32_t>(step[l])};
    }
};

/// A session that makes gradients of an attack's objective by evaluating it: `passes()` forward passes each, and as many gradients if
/// `counts_gradients`; `estimate` counts them.
template <class S>
inline constexpr bool makes_gradients = requires(const S& s) {
    s.passes();
};

/// An attack whose gradients come from `source` instead of the model's own: the same settings, steps and projection. Made by `with_source`.
///
/// A source has `validate(where)`, `needs_gradient`, `name`, `describe(visit)` and a `session<S>` made of (source, session of the model,
/// image extents, classes).
template <class A, class Source>
struct sourced_attack {
    using projection_type = typename A::projection_type;
    static constexpr bool needs_gradient = Source::needs_gradient;

    A attack;
    Source source;
    std::string name = text(attack.name, " by ", source.name);
    projection_type projection = attack.projection;
    target_rule targets = attack.targets;
    double step_size = attack.step_size;

    template <class S>
    using base_runner = typename A::template runner<typename Source::template session<S>>;
    template <class S>
    struct runner : base_runner<S> {
        runner(const sourced_attack& self, S session, extents image, std::size_t classes)
            : base_runner<S>(self.attack, {self.source, std::move(session), image, classes}, image, classes) {}
    };

    [[nodiscard]] bool targeted() const { return attack.targeted(); }
    [[nodiscard]] std::size_t trace_columns() const { return attack.trace_columns(); }
    [[nodiscard]] std::size_t least_classes() const { return saddle::least_classes(attack.loss, targeted()); }
    template <class Visit>
    void describe(Visit&& visit) const {
        visit("loss", attack.loss.name);
        visit("step_size", attack.step_size);
        visit("steps", attack.steps);
        visit("restarts", attack.restarts);
        visit("targets", name_of(attack.targets));
        visit("keep", name_of(attack.keep));
        visit("seed", attack.seed);
        visit("source", source.name);
        source.describe(visit);
    }
    void validate(std::string_view where) const {
        attack.validate(where);
        source.validate(where);
    }
};

/// `attack`, a gradient_attack such as pgd or mifgsm, with gradients from `source`: nes, spsa, expectation.
template <class A, class Source>
[[nodiscard]] sourced_attack<A, Source> with_source(const A& attack, const Source& source) {
    return {attack, source};
}

}  // namespace saddle
