#pragma once
#include "saddle/backend/cuda/kernels/apgd.cuh"
#include "saddle/backend/cuda/kernels/balls.cuh"

/// APGD on L2 and L1, whose rules join a lane's elements (attacks/apgd_rule.hpp). Blocks as lane_group; a thread touches its own
/// stretch of the images alone.
namespace saddle::cuda {

/// Where the images stand, each [elements][lanes]; L1, which has no momentum, has neither `old` nor `spare`.
struct apgd_images {
    const float* x;
    float *z, *gradient, *best, *best_gradient, *old, *spare;
};

/// v <- x + t (v - x) with the largest t in [0,1] that brings it into the L2 ball.
template <class = void>
__device__ void scale_back(const lane_group& g, const lane_images& m, double epsilon) {
    double squares = 0;
    for (std::size_t e = g.first; e < g.last; ++e) {
        const double d = static_cast<double>(m.v[e * m.stride]) - static_cast<double>(m.x[e * m.stride]);
        squares = multiply_add(d, d, squares);
    }
    const double length = std::sqrt(g.sum(squares));
    const float t = length > epsilon ? static_cast<float>(rounded_radius<float>(epsilon) / length) : 1;
    if (!(t < 1)) return;
    for (std::size_t e = g.first; e < g.last; ++e) {
        const float from = m.x[e * m.stride];
        m.v[e * m.stride] = multiply_add(t, m.v[e * m.stride] - from, from);
    }
}

/// z = v brought into ball and range as APGD does it: L2 scaled back, then cut; L1 the nearest point. v is overwritten.
template <bool L1>
__device__ void place_in_ball(const lane_group& g, const lane_images& m, double epsilon) {
    if constexpr (L1) {
        project_l1<>(g, m, epsilon);
    } else {
        scale_back<>(g, m, epsilon);
        project_l2<>(g, m, epsilon);
    }
}

/// gradient <- z + size/k · sign(slope) on the elements whose slope is not 0 and among the largest `share` of all, equals included; k is
/// their number. False when the gradient is not finite, which leaves z.
template <class = void>
__device__ bool move_share(const lane_group& g, float* gradient, const float* z, std::size_t stride, float size, double share) {
    const gradient_facts facts(g, gradient, stride);
    const auto slope = [&](std::size_t e) { return magnitude(gradient[e * stride]); };
    const double all = static_cast<double>(g.elements), rank = (1 - share) * all;
    const double below = std::floor(rank > 0 ? smaller(rank, all - 1) : 0);
    const float limit = kth_largest(g, facts.finite ? facts.peak : 0, all - below, slope);
    const double count = g.count([&](std::size_t e) { return slope(e) >= limit && slope(e) > 0; });
    const float length = facts.finite && count > 0 ? size / static_cast<float>(count) : 0;
    for (std::size_t e = g.first; e < g.last; ++e) {
        float& at = gradient[e * stride];
        const float move = at > 0 ? length : at < 0 ? -length : 0.f;
        at = z[e * stride] + (slope(e) >= limit ? move : 0.f);
    }
    return facts.finite;
}

/// Where a stage of a run starts: drawn, L2 from the sphere, L1 from N(0,I) around x; or at the best iterate of the stage before.
template <bool L1>
__global__ void __launch_bounds__(lane_group::threads)
    start_apgd_ball(lane_state s, const apgd_lane<!L1>* at, random_stream draws, bool drawn, double multiple, apgd_images images,
                    std::size_t elements, int lanes) {
    const lane_group g(elements);
    const int lane = static_cast<int>(blockIdx.x) * lane_group::lanes + g.lane;
    const auto m = images_of(g, images.x, images.gradient, images.z, elements, lanes);
    const double epsilon = multiple * s.epsilon[lane];
    if (drawn) {
        double squares = 0;
        for (std::size_t e = g.first; e < g.last; ++e) {
            const auto value = static_cast<float>(normal(draws, s.id[lane], e));
            m.v[e * m.stride] = L1 ? value + m.x[e * m.stride] : value;
            squares = multiply_add(static_cast<double>(value), static_cast<double>(value), squares);
        }
        if constexpr (!L1) {
            const auto length = static_cast<float>(smaller(epsilon, 1e30));
            const auto factor = static_cast<float>(static_cast<double>(length) / larger(std::sqrt(g.sum(squares)), 1e-30));
            for (std::size_t e = g.first; e < g.last; ++e)
                m.v[e * m.stride] = multiply_add(factor, m.v[e * m.stride], m.x[e * m.stride]);
        }
    } else {
        const float* const best = (s.objective[lane] > at[lane].best_loss ? images.z : images.best) + lane;
        for (std::size_t e = g.first; e < g.last; ++e) m.v[e * m.stride] = best[e * m.stride];
    }
    place_in_ball<L1>(g, m, epsilon);
    if constexpr (!L1)
        for (std::size_t e = g.first; e < g.last; ++e) images.old[e * m.stride + lane] = m.z[e * m.stride];
}

/// What the schedule makes of the iterates just judged, and one step of all lanes: what is best is kept or returned to; then step and
/// projection, and for L2 the momentum of the iterate before with a second projection. Lanes that do not move may be changed too, where
/// nobody reads them.
template <bool L1>
__global__ void __launch_bounds__(lane_group::threads)
    step_apgd_ball(apgd_constants c, lane_state s, apgd_lane<!L1>* at, apgd_images images, std::size_t elements, int lanes,
                   std::uint32_t step) {
    const lane_group g(elements);
    const int lane = static_cast<int>(blockIdx.x) * lane_group::lanes + g.lane;
    const auto m = images_of(g, images.x, images.gradient, images.z, elements, lanes);
    float *const best = images.best + lane, *const best_gradient = images.best_gradient + lane;
    apgd_lane<!L1>& mine = at[lane];
    const double epsilon = c.multiple * s.epsilon[lane];
    const bool moves = s.moves[lane] != 0, better = moves && mine.improves(step, s.objective[lane]);
    if (better)
        for (std::size_t e = g.first; e < g.last; ++e) {
            best[e * m.stride] = m.z[e * m.stride];
            best_gradient[e * m.stride] = m.v[e * m.stride];
        }
    const double changed = g.count([&](std::size_t e) { return L1 && best[e * m.stride] != m.x[e * m.stride]; });
    if (moves && g.part == 0) {
        mine.advance(c, step, s.objective[lane], epsilon, static_cast<double>(elements), changed);
        s.step_size[lane] = mine.schedule.step_size;
    }
    __syncthreads();
    if (moves && mine.jumps)
        for (std::size_t e = g.first; e < g.last; ++e) {
            m.z[e * m.stride] = best[e * m.stride];
            m.v[e * m.stride] = best_gradient[e * m.stride];
        }
    bool finite;
    if constexpr (L1)
        finite = move_share<>(g, m.v, m.z, m.stride, s.step_size[lane], moves ? mine.schedule.share : 0);
    else
        finite = move_unit<>(g, m.v, m.z, m.stride, s.step_size[lane]);
    if (!finite && moves && g.part == 0) s.flawed[lane] = 1;
    if constexpr (!L1) {
        place_in_ball<L1>(g, {m.x, m.v, images.spare + lane, elements, m.stride}, epsilon);
        float *const old = images.old + lane, *const ahead = images.spare + lane;
        const float weight = step == 0 ? 1.f : .75f;
        for (std::size_t e = g.first; e < g.last; ++e) {
            const float from = m.z[e * m.stride];
            m.v[e * m.stride] =
                multiply_add(1 - weight, from - old[e * m.stride], multiply_add(weight, ahead[e * m.stride] - from, from));
            old[e * m.stride] = from;
        }
    }
    place_in_ball<L1>(g, m, epsilon);
}

}  // namespace saddle::cuda
