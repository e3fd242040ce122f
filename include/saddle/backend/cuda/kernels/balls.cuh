#pragma once
#include "saddle/backend/cuda/kernels/judge.cuh"
#include "saddle/backend/cuda/kernels/lane_group.cuh"
#include "saddle/projections/l1.hpp"
#include "saddle/projections/l2.hpp"

/// Steps, starts and projections of threats that join a lane's elements: l2 and l1. The algorithms are those of l2_ball and
/// l1_ball; sums run over 16 stretches of the elements.
namespace saddle::cuda {

/// Where a lane's images stand: element e at [e · lanes].
struct lane_images {
    const float* x;
    float *v, *z;
    std::size_t elements, stride;
};

/// z = the nearest point of ball ∩ range to v.
template <class = void>
__device__ void project_l2(const lane_group& g, const lane_images& m, double epsilon) {
    const l2_limits<float> limits(epsilon, m.elements);
    const double bound = sum_bound(m.elements);
    double kept = 0, whole = 0;
    for (std::size_t e = g.first; e < g.last; ++e) {
        const double x = m.x[e * m.stride], at = usable_pixel<double>(m.v[e * m.stride], x);
        const double d = at - x, inside = clip_to_range(at) - x;
        kept = multiply_add(inside, inside, kept);
        whole = multiply_add(d, d, whole);
    }
    const bool inside = g.sum(kept) * bound <= limits.bound;
    whole = g.sum(whole);
    double t = inside ? 1 : limits.aim / whole;  // t² where the range cuts nothing
    bool arrived = inside;
    for (int pass = 0; pass < 60; ++pass) {
        double free = 0, cut = 0;
        for (std::size_t e = g.first; e < g.last; ++e) {
            const double x = m.x[e * m.stride], d = usable_pixel<double>(m.v[e * m.stride], x) - x;
            const double room = d > 0 ? 1 - x : x, square = d * d, limit = room * room;
            const bool full = t * square >= limit;
            free += full ? 0 : square;
            cut += full ? limit : 0;
        }
        free = g.sum(free);
        cut = g.sum(cut);
        const double next = free > 0 ? (limits.aim - cut) / free : 1;
        const bool moves = !arrived && next > t * (1 + 1e-12);
        if (moves) t = smaller(next, 1.);
        arrived = !moves;
        if (!lane_group::any_in_block(moves)) break;
    }
    t = std::sqrt(t);
    for (double shrink = 0;;) {
        double sum = 0;
        for (std::size_t e = g.first; e < g.last; ++e) {
            const double x = m.x[e * m.stride], here = usable_pixel<double>(m.v[e * m.stride], x);
            const auto stored = static_cast<float>(clip_to_range(inside ? here : multiply_add(t, here - x, x)));
            m.z[e * m.stride] = stored;
            const double d = static_cast<double>(stored) - x;
            sum = multiply_add(d, d, sum);
        }
        const bool fits = g.sum(sum) * bound <= limits.bound;
        if (!fits) {
            shrink = shrink > 0 ? shrink * 2 : limits.tick;
            t = shrink < 1 ? t * (1 - shrink) : 0;
        }
        if (!lane_group::any_in_block(!fits)) return;
    }
}

/// z = the nearest point of ball ∩ range to v.
template <class = void>
__device__ void project_l1(const lane_group& g, const lane_images& m, double epsilon) {
    const l1_limits<float> limits(epsilon, m.elements);
    const double bound = sum_bound(m.elements), tolerance = 1e-13 + (bound - 1);
    double kept = 0;
    float farthest = 0;
    for (std::size_t e = g.first; e < g.last; ++e) {
        const double x = m.x[e * m.stride], at = usable_pixel<double>(m.v[e * m.stride], x);
        kept += magnitude(clip_to_range(at) - x);
        farthest = larger(farthest, static_cast<float>(magnitude(at - x) * (1 + 0x1p-23)));  // an upper bound is enough
    }
    const bool inside = g.sum(kept) * bound <= limits.bound;
    const double peak = g.largest(farthest);
    double lambda = 0, below = 0, above = peak, excess_below = 0, excess_above = -limits.aim;
    bool arrived = inside;
    if (!(limits.aim > 0)) {
        lambda = peak;
        arrived = true;
    }
    for (int pass = 0; pass < 200; ++pass) {
        double sum = 0, slope = 0;
        for (std::size_t e = g.first; e < g.last; ++e) {
            const double x = m.x[e * m.stride], d = usable_pixel<double>(m.v[e * m.stride], x) - x;
            const double rest = magnitude(d) - lambda, room = room_towards(d, x);
            sum += smaller(larger(rest, 0.), room);
            slope += rest > 0 && rest < room ? 1 : 0;
        }
        sum = g.sum(sum);
        slope = g.sum(slope);
        const double excess = sum - limits.aim;
        if (excess > 0)
            below = lambda, excess_below = excess;
        else
            above = lambda, excess_above = excess;
        const double width = above - below, newton = lambda + excess / larger(slope, 1.);
        const double secant = below + width * (excess_below / (excess_below - excess_above));
        const double guess = newton > below && newton < above ? newton : secant;
        const double next = guess > below && guess < above && pass % 8 != 7 ? guess : below + .5 * width;
        const bool close = magnitude(excess) <= tolerance * limits.aim || width <= 1e-15 * peak;
        const bool moves = !arrived && !close;
        if (moves) lambda = next;
        arrived = !moves;
        if (!lane_group::any_in_block(moves)) break;
    }
    for (double growth = pixel_rounding<float>;;) {
        double sum = 0;
        for (std::size_t e = g.first; e < g.last; ++e) {
            const double x = m.x[e * m.stride], here = usable_pixel<double>(m.v[e * m.stride], x), d = here - x;
            const double move = shortened_move(magnitude(d), lambda, room_towards(d, x));
            const auto stored = static_cast<float>(clip_to_range(inside ? here : x + (d < 0 ? -move : move)));
            m.z[e * m.stride] = stored;
            sum += magnitude(static_cast<double>(stored) - x);
        }
        const bool fits = g.sum(sum) * bound <= limits.bound;
        if (!fits) {
            lambda += growth;
            growth *= 2;
        }
        if (!lane_group::any_in_block(!fits)) return;
    }
}

/// Whether a lane's gradient has no NaN or infinity, and its largest magnitude.
struct gradient_facts {
    float peak;
    bool finite;
    __device__ gradient_facts(const lane_group& g, const float* gradient, std::size_t stride) {
        float most = 0, flaw = 0;
        for (std::size_t e = g.first; e < g.last; ++e) {
            const float slope = gradient[e * stride];
            most = larger(most, magnitude(slope));
            flaw += slope - slope;
        }
        peak = g.largest(most);
        finite = g.all(flaw == 0);
    }
};

/// gradient <- z + size · gradient / ‖gradient‖2; z where it is zero or not finite. False when it is not finite.
template <class = void>
__device__ bool move_unit(const lane_group& g, float* gradient, const float* z, std::size_t stride, float size) {
    const gradient_facts facts(g, gradient, stride);
    const float scale = safe_scale(facts.peak);
    double squares = 0;
    for (std::size_t e = g.first; e < g.last; ++e) {
        const double slope = scale * gradient[e * stride];
        squares = multiply_add(slope, slope, squares);
    }
    squares = g.sum(squares);
    const bool moves = facts.finite && facts.peak > 0;
    const float length = squares > 0 ? static_cast<float>(static_cast<double>(size) / std::sqrt(squares)) : 0;
    for (std::size_t e = g.first; e < g.last; ++e) {
        const float at = z[e * stride];
        gradient[e * stride] = moves ? multiply_add(length, scale * gradient[e * stride], at) : at;
    }
    return facts.finite;
}

/// The k-th largest of the lane's weights >= 0, whose largest is `peak`; k in [1, elements]. By bisection over the bit patterns.
template <class Weight>
__device__ float kth_largest(const lane_group& g, float peak, double k, const Weight& weight) {
    std::uint32_t low = 0, high = std::bit_cast<std::uint32_t>(peak) + 1;  // at least k elements reach `low`, fewer reach `high`
    if (!(k > 1)) low = high - 1;
    while (lane_group::any_in_block(high - low > 1)) {
        const std::uint32_t middle = low + (high - low) / 2;
        const float limit = std::bit_cast<float>(middle);
        const double reached = g.count([&](std::size_t e) { return weight(e) >= limit; });
        if (high - low <= 1) continue;
        (reached >= k ? low : high) = middle;
    }
    return std::bit_cast<float>(low);
}

/// gradient <- z + size/k · sign(slope) on the k elements of the largest slope that can move; of equals the first.
template <class = void>
__device__ bool move_largest(const lane_group& g, float* gradient, const float* z, std::size_t stride, float size,
                             std::size_t k) {
    const gradient_facts facts(g, gradient, stride);
    const auto weight = [&](std::size_t e) { return saddle::detail::movable(z[e * stride], gradient[e * stride]); };
    float most = 0;
    for (std::size_t e = g.first; e < g.last; ++e) most = larger(most, weight(e));
    const float limit = kth_largest(g, g.largest(most), static_cast<double>(k), weight);
    const float share = size / static_cast<float>(k);
    const double above = g.count([&](std::size_t e) { return weight(e) > limit; });
    double ties = static_cast<double>(k) - above - g.sum_before(g.mine([&](std::size_t e) { return weight(e) == limit; }));
    for (std::size_t e = g.first; e < g.last; ++e) {
        const float at = z[e * stride], slope = gradient[e * stride], w = weight(e);
        const bool tie = w == limit && ties > 0;
        if (w == limit) ties -= 1;
        const bool takes = facts.finite && w > 0 && (w > limit || tie);
        gradient[e * stride] = takes ? at + (slope > 0 ? share : -share) : at;
    }
    return facts.finite;
}

/// The lane's images of this thread.
__device__ inline lane_images images_of(const lane_group& g, const float* x, float* v, float* z, std::size_t elements,
                                        int lanes) {
    const std::size_t lane = blockIdx.x * std::size_t{lane_group::lanes} + static_cast<std::size_t>(g.lane);
    return {x + lane, v + lane, z + lane, elements, static_cast<std::size_t>(lanes)};
}

/// One step along the gradient, which is overwritten, and the projection. `largest` is the l1 ball's; 0 stands for the l2 ball.
template <bool L1>
__global__ void __launch_bounds__(lane_group::threads)
    ball_step(lane_state s, const float* x, float* gradient, float* z, std::size_t elements, std::size_t largest, int lanes) {
    const lane_group g(elements);
    const int lane = static_cast<int>(blockIdx.x) * lane_group::lanes + g.lane;
    const auto m = images_of(g, x, gradient, z, elements, lanes);
    bool finite;
    if constexpr (L1)
        finite = move_largest<>(g, m.v, m.z, m.stride, s.step_size[lane], largest);
    else
        finite = move_unit<>(g, m.v, m.z, m.stride, s.step_size[lane]);
    if (!finite && s.moves[lane] && g.part == 0) s.flawed[lane] = 1;
    if constexpr (L1)
        project_l1<>(g, m, s.epsilon[lane]);
    else
        project_l2<>(g, m, s.epsilon[lane]);
}

template <bool L1>
__global__ void __launch_bounds__(lane_group::threads)
    ball_project(lane_state s, const float* x, float* v, float* z, std::size_t elements, int lanes) {
    const lane_group g(elements);
    const auto m = images_of(g, x, v, z, elements, lanes);
    const double epsilon = s.epsilon[static_cast<int>(blockIdx.x) * lane_group::lanes + g.lane];
    if constexpr (L1)
        project_l1<>(g, m, epsilon);
    else
        project_l2<>(g, m, epsilon);
}

/// v = x + a uniform draw from the ball, with the words that l2_ball and l1_ball use.
template <bool L1>
__global__ void __launch_bounds__(lane_group::threads)
    ball_start(lane_state s, random_stream draws, const float* x, float* v, std::size_t elements, int lanes) {
    const lane_group g(elements);
    const int lane = static_cast<int>(blockIdx.x) * lane_group::lanes + g.lane;
    const auto m = images_of(g, x, v, v, elements, lanes);
    const std::uint64_t id = s.id[lane];
    double total = 0, length;
    if constexpr (L1) {
        const std::size_t end = g.part == lane_group::parts - 1 ? elements + 1 : g.last;  // one spacing more than elements
        for (std::size_t e = g.first; e < end; ++e) {
            const std::uint32_t word = draws.bits(id, e);
            const double spacing = -std::log(((word >> 1) + .5) * 0x1p-31);
            total += spacing;
            if (e < elements) m.v[e * m.stride] = static_cast<float>(word & 1 ? spacing : -spacing);
        }
        length = l1_limits<float>(s.epsilon[lane], elements).radius / g.sum(total);
    } else {
        for (std::size_t e = g.first; e < g.last; ++e) {
            const auto value = static_cast<float>(normal(draws, id, e));
            m.v[e * m.stride] = value;
            total = multiply_add(static_cast<double>(value), static_cast<double>(value), total);
        }
        const double u = (draws.bits(id, 4 * (elements / 2 + 1)) + .5) * 0x1p-32;
        const double radius = l2_limits<float>(s.epsilon[lane], elements).radius * std::pow(u, 1 / static_cast<double>(elements));
        length = smaller(radius, 1e30) / larger(std::sqrt(g.sum(total)), 1e-30);
    }
    const auto factor = static_cast<float>(smaller(length, 1e30));
    for (std::size_t e = g.first; e < g.last; ++e) m.v[e * m.stride] = multiply_add(factor, m.v[e * m.stride], m.x[e * m.stride]);
}

/// velocity <- decay · velocity + gradient / ‖gradient‖1 (Dong et al. 2018, eq. 6), also as the next step's gradient. A zero
/// gradient or one that is not finite adds nothing.
template <class = void>
__global__ void __launch_bounds__(lane_group::threads)
    accumulate_velocity(lane_state s, float* gradient, float* velocity, std::size_t elements, float decay, int lanes) {
    const lane_group g(elements);
    const int lane = static_cast<int>(blockIdx.x) * lane_group::lanes + g.lane;
    const gradient_facts facts(g, gradient + lane, static_cast<std::size_t>(lanes));
    double sum = 0;
    for (std::size_t e = g.first; e < g.last; ++e) sum += magnitude(static_cast<double>(gradient[e * lanes + lane]));
    sum = g.sum(sum);
    const double inverse = facts.finite && sum > 0 ? 1 / sum : 0;
    if (!facts.finite && s.moves[lane] && g.part == 0) s.flawed[lane] = 1;
    for (std::size_t e = g.first; e < g.last; ++e) {
        float& v = velocity[e * lanes + lane];
        float& slope = gradient[e * lanes + lane];
        v = decay * v + (inverse > 0 ? static_cast<float>(static_cast<double>(slope) * inverse) : 0.f);
        slope = v;
    }
}

}  // namespace saddle::cuda
