#pragma once
#include "saddle/attacks/attack_result.hpp"
#include "saddle/attacks/rules.hpp"
#include "saddle/attacks/targets.hpp"
#include "saddle/backend/cuda/kernels/pointwise.cuh"
#include "saddle/backend/cuda/ptx.cuh"
#include "saddle/losses/loss_input.hpp"

namespace saddle::cuda {

/// What an attack knows of every lane, each [lanes].
struct lane_state {
    std::uint64_t* id = nullptr;
    double* epsilon = nullptr;
    float* step_size = nullptr;
    std::int32_t *label = nullptr, *target = nullptr;
    float *goal = nullptr, *truth = nullptr;  ///< target and label as losses want them
    float* loss = nullptr;                    ///< objective of the stored result
    float* objective = nullptr;               ///< of the last iterate judged
    std::int32_t *clean_prediction = nullptr, *adversarial_prediction = nullptr;
    std::uint32_t *forwards = nullptr, *gradients = nullptr;
    std::uint8_t *success = nullptr, *usable = nullptr, *done = nullptr, *flawed = nullptr;
    std::uint8_t *take = nullptr, *moves = nullptr;  ///< lanes whose stored result becomes the iterate; lanes that go on
    float* trace_loss = nullptr;                     ///< [column][lanes], or null
    std::uint8_t* trace_success = nullptr;
    std::uint32_t* restart = nullptr;  ///< one for all lanes: they go in step
};

/// What the rules of an attack say about iterates.
struct judge_rules {
    target_rule targets = target_rule::untargeted;
    keep_rule keep = keep_rule::last;
    bool early_stop = false, starts_at_clean = true, project_start = true, judges_all = false;
    bool aims = false;  ///< the loss is that of a target, whatever counts as a success
    std::uint32_t steps = 1;
};

/// One lane's iterate: its objective, class, and what becomes of the stored result, as attacks/lane_record.hpp keeps it on the
/// host.
struct judged_lane {
    const judge_rules& rules;
    const lane_state& s;
    int l;
    float objective;
    std::int32_t prediction;

    [[nodiscard]] __device__ bool hits() const {
        if (prediction < 0) return false;
        return rules.targets == target_rule::untargeted ? prediction != s.label[l] : prediction == s.target[l];
    }
    __device__ void store() const {
        s.usable[l] = prediction >= 0;
        s.success[l] = hits();
        s.loss[l] = objective;
        s.adversarial_prediction[l] = prediction;
        s.done[l] = rules.early_stop && hits();
    }
    __device__ void note_clean() const {
        s.clean_prediction[l] = prediction;
        if (prediction < 0) s.flawed[l] = 1;
        if (rules.judges_all && prediction >= 0) store();
    }
    /// True when the lane's stored image becomes this iterate.
    __device__ bool note(std::uint32_t step) const {
        const bool last = step == rules.steps, candidate = step > 0 || rules.starts_at_clean || rules.project_start;
        if (prediction < 0) s.flawed[l] = 1;
        const bool takes = takes_iterate(rules.keep, {.valid = prediction >= 0,
                                                      .hit = hits(),
                                                      .higher = objective > s.loss[l],
                                                      .last = last,
                                                      .first_restart = *s.restart == 0,
                                                      .stored = s.usable[l] != 0,
                                                      .stored_hit = s.success[l] != 0,
                                                      .early_stop = rules.early_stop});
        if (candidate && takes) store();
        return candidate && takes;
    }
    __device__ void trace(std::uint32_t step, int lanes, bool repeat) const {
        if (!s.trace_loss) return;
        const std::size_t cell = (static_cast<std::size_t>(*s.restart) * (rules.steps + 1) + step) * lanes + l;
        s.trace_loss[cell] = repeat ? s.loss[l] : objective;
        s.trace_success[cell] = repeat ? s.success[l] : hits();
    }
};

/// Loss, its derivative in the logits, and the verdict on the iterate: `clean` says that the iterate is the clean image, `step` counts
/// from the start, `iterate` is false where it is no candidate for the result, `goes_on` true where a step along its gradient follows.
template <class Loss>
struct judgement {
    Loss loss;
    judge_rules rules;
    lane_state s;
    random_stream target_draws;
    int classes, lanes, valid;
    bool clean, iterate, goes_on;
    std::uint32_t step;
    float* state;                                     ///< of the loss, [rows][lanes]
    static constexpr bool apart = keeps_state<Loss>;  ///< logits and slopes must stand `lanes` apart, as the state does

    /// Judges lane l; its logits and slopes stand `stride` apart. A lane that does not go on gets
    /// slopes of 0.
    __device__ void look_at(int l, const float* logits, float* slopes, int stride) const {
        const auto apart = static_cast<std::size_t>(stride), count = static_cast<std::size_t>(classes);
        bool moves = false;
        s.take[l] = 0;
        if (l < valid && s.done[l]) {
            if (iterate) judged_lane{rules, s, l, 0, -1}.trace(step, lanes, true);
        } else if (l < valid) {
            ++s.forwards[l];
            if (clean) {
                s.target[l] = choose_target(rules.targets, s.label[l], s.target[l], count, logits, apart, target_draws, s.id[l]);
                s.goal[l] = static_cast<float>(s.target[l]);
                if constexpr (keeps_state<Loss>) loss.template prepare<float>(logits, count, apart, state + l);
            }
            const loss_input<float> in{logits, count, apart, s.goal + l, rules.aims, state + l, s.truth + l};
            const float objective = s.objective[l] = loss.template evaluate<float>(in, slopes);
            const auto top = find_top<float>(logits, count, apart);
            const judged_lane lane{rules, s, l, objective, top.valid ? static_cast<std::int32_t>(top.index) : -1};
            if (clean) lane.note_clean();
            if (iterate && !s.done[l]) {
                s.take[l] = lane.note(step);
                lane.trace(step, lanes, false);
            } else if (iterate) {
                lane.trace(step, lanes, true);
            }
            moves = goes_on && !s.done[l];
        }
        s.moves[l] = moves;
        if (moves) {
            ++s.gradients[l];
        } else {
            for (int k = 0; k < classes; ++k) slopes[k * apart] = 0;
        }
    }
};

/// The judgement of all lanes, one thread a lane.
template <class Loss>
__global__ void judge(judgement<Loss> j, const float* logits, float* slopes) {
    const int l = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    if (l < j.lanes) j.look_at(l, logits + l, slopes + l, j.lanes);
}

/// Targets of lanes whose clean image is not looked at; the start of every lane's record.
template <class = void>
__global__ void begin_lanes(judge_rules rules, lane_state s, random_stream target_draws, int classes, int lanes, bool aim) {
    const int l = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    if (l >= lanes) return;
    s.success[l] = s.usable[l] = s.done[l] = s.flawed[l] = s.take[l] = s.moves[l] = 0;
    s.clean_prediction[l] = s.adversarial_prediction[l] = -1;
    s.forwards[l] = s.gradients[l] = 0;
    s.loss[l] = std::numeric_limits<float>::quiet_NaN();
    s.truth[l] = static_cast<float>(s.label[l]);
    if (aim)
        s.target[l] = choose_target(rules.targets, s.label[l], s.target[l], static_cast<std::size_t>(classes),
                                    static_cast<const float*>(nullptr), std::size_t{0}, target_draws, s.id[l]);
    s.goal[l] = static_cast<float>(s.target[l]);
    if (l == 0) *s.restart = 0;
}

template <class = void>
__global__ void set_restart(lane_state s, std::uint32_t restart) {
    if (threadIdx.x == 0) *s.restart = restart;
}

/// Copies the lanes that are marked; four lanes a thread.
struct copy_marked {
    const float* from;
    float* to;
    const std::uint8_t* marks;
    int lanes;
    __device__ void operator()(int, std::size_t at) const {
        const auto* const mark = marks + lane_of(at, lanes);
        if (!(mark[0] || mark[1] || mark[2] || mark[3])) return;
        const auto v = load_four(from + at);
        auto kept = load_four(to + at);
        for (int i = 0; i < 4; ++i)
            if (mark[i]) kept.at[i] = v.at[i];
        store_four(to + at, kept);
    }
};

}  // namespace saddle::cuda
