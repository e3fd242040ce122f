#pragma once
#include "saddle/attacks/apgd_schedule.hpp"
#include "saddle/backend/cuda/kernels/judge.cuh"
#include "saddle/backend/cuda/kernels/lane_group.cuh"
#include "saddle/projections/draws.hpp"

/// APGD, step by step what attacks/apgd_runner.hpp does on the host: what all norms share, and Linf.
namespace saddle::cuda {

/// What the schedule reads of the attack, and the stage.
struct apgd_constants {
    struct window_lengths {
        std::size_t first, less, least;
    };
    window_lengths lengths;
    double rho;
    attack_profile profile;
    bool larger_epsilons;
    double multiple;    ///< of epsilon, of the stage's radius
    std::size_t steps;  ///< of the stage
    [[nodiscard]] SADDLE_HOST_DEVICE window_lengths windows() const { return lengths; }
};

/// What a lane remembers between steps, besides its images; what it does in this one.
template <bool Momentum>
struct apgd_lane {
    apgd_schedule<Momentum, float> schedule;
    float best_loss;             ///< of its stage
    std::uint8_t better, jumps;  ///< its iterate is the best so far; it goes back to the best one

    [[nodiscard]] __device__ bool improves(std::uint32_t step, float loss) const { return step == 0 || loss > best_loss; }
    /// Decides on the iterate in hand; `changed` elements of the best one differ from the image's `elements`.
    __device__ void advance(const apgd_constants& c, std::uint32_t step, float loss, double epsilon, double elements,
                            double changed) {
        better = improves(step, loss);
        jumps = 0;
        if (better) best_loss = loss;
        if (step == 0)
            schedule.begin(c, loss, epsilon, elements, c.larger_epsilons ? changed : elements, c.steps);
        else
            jumps = schedule.check(c, loss, best_loss, epsilon, elements, [&] { return changed; });
    }
};

/// Whether class a comes before class b: the larger logit first, of equals the lower class, NaN last.
[[nodiscard]] __device__ inline bool ranks_before(float za, int a, float zb, int b) {
    if (za > zb || zb > za) return za > zb;
    return za == zb || (za != za && zb != zb) ? a < b : za == za;
}

/// Each lane's goal becomes the next wrong class in the order of its clean logits [classes][lanes]; from the start where `first`.
template <class = void>
__global__ void aim_at_next(lane_state s, const float* clean, int classes, int lanes, bool first) {
    const int l = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    if (l >= lanes) return;
    const auto logit = [&](int k) { return clean[static_cast<std::size_t>(k) * lanes + l]; };
    const int before = first ? -1 : static_cast<int>(s.goal[l]);
    int next = -1;
    for (int k = 0; k < classes; ++k) {
        if (k == s.label[l] || (before >= 0 && !ranks_before(logit(before), before, logit(k), k))) continue;
        if (next < 0 || ranks_before(logit(k), k, logit(next), next)) next = k;
    }
    if (next >= 0) s.goal[l] = static_cast<float>(next);
}

/// Lanes whose result is a success are over: they are not attacked again.
template <class = void>
__global__ void end_successes(lane_state s, int lanes) {
    const int l = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    if (l < lanes && s.success[l]) s.done[l] = 1;
}

/// The schedule's decisions on the iterates just judged, one thread a lane; s.step_size is that of the step to come.
template <class = void>
__global__ void advance_apgd(apgd_constants c, lane_state s, apgd_lane<true>* at, int lanes, std::uint32_t step,
                             double elements) {
    const int l = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    if (l >= lanes) return;
    if (!s.moves[l]) return;
    at[l].advance(c, step, s.objective[l], s.epsilon[l], elements, elements);
    s.step_size[l] = at[l].schedule.step_size;
}

/// One step of the lanes that move: what is best is kept or returned to, then sign, step and projection, and the momentum of the
/// iterate before with a second projection (Croce & Hein 2020, algorithm 1, lines 6 and 7).
struct apgd_move {
    float *z, *gradient, *old, *best, *best_gradient;
    const float *x, *lo, *hi;
    lane_state state;
    const apgd_lane<true>* at;
    int lanes;
    bool first;

    [[nodiscard]] __device__ static float project(float v, float centre, float low, float high) {
        const float raised = v < low ? low : v;
        return v == v ? (high < raised ? high : raised) : centre;
    }
    __device__ void operator()(int, std::size_t offset) const {
        const int lane = lane_of(offset, lanes);
        for (int i = 0; i < 4; ++i) {
            if (!state.moves[lane + i]) continue;
            const std::size_t e = offset + static_cast<std::size_t>(i);
            const apgd_lane<true>& here = at[lane + i];
            float from = z[e], slope = gradient[e];
            if (here.better) {
                best[e] = from;
                best_gradient[e] = slope;
            }
            if (here.jumps) {
                from = best[e];
                slope = best_gradient[e];
            }
            if (!(slope - slope == 0)) state.flawed[lane + i] = 1;
            const float size = state.step_size[lane + i], weight = first ? 1.f : .75f;
            const float stepped = from + (slope > 0 ? size : slope < 0 ? -size : 0.f);
            const float ahead = project(stepped, x[e], lo[e], hi[e]) - from, drift = from - old[e];
            z[e] = project(multiply_add(1 - weight, drift, multiply_add(weight, ahead, from)), x[e], lo[e], hi[e]);
            old[e] = from;
        }
    }
};

/// v = x + epsilon · u / max|u|, u uniform in [-1,1]^n. Blocks as lane_group.
template <class = void>
__global__ void __launch_bounds__(lane_group::threads)
    start_apgd(lane_state s, random_stream draws, const float* x, float* v, std::size_t elements, int lanes) {
    const lane_group g(elements);
    const auto lane = blockIdx.x * std::size_t{lane_group::lanes} + static_cast<std::size_t>(g.lane);
    const std::uint64_t id = s.id[lane];
    float most = 0;
    for (std::size_t e = g.first; e < g.last; ++e) {
        const float u = uniform_around(0.f, 1.f, draws.bits(id, e));
        v[e * lanes + lane] = u;
        most = larger(most, magnitude(u));
    }
    const float peak = g.largest(most);
    const float scale = peak > 0 ? static_cast<float>(smaller(s.epsilon[lane], 1e30) / static_cast<double>(peak)) : 0;
    for (std::size_t e = g.first; e < g.last; ++e) {
        const std::size_t at = e * lanes + lane;
        v[at] = multiply_add(scale, v[at], x[at]);
    }
}

}  // namespace saddle::cuda
