#pragma once
#include "saddle/backend/cuda/kernels/judge.cuh"
#include "saddle/backend/cuda/kernels/pointwise.cuh"
#include "saddle/projections/linf.hpp"

/// Steps and starts of threats that are an interval per element: linf and box_only.
namespace saddle::cuda {

/// lo and hi of every element: linf_interval.
struct find_interval {
    const float* x;
    const double* epsilon;
    float *lo, *hi;
    int lanes;
    __device__ void operator()(int, std::size_t at) const {
        const auto centre = load_four(x + at);
        const int lane = lane_of(at, lanes);
        four_lanes<float> low, high;
        for (int i = 0; i < 4; ++i) linf_interval<float>(&centre.at[i], epsilon + lane + i, &low.at[i], &high.at[i]);
        store_four(lo + at, low);
        store_four(hi + at, high);
    }
};

/// Sign, step, projection and cut with the range in one pass; also as what the backward pass into the images ends with, so that
/// their gradient is never stored. lo and hi are null for the data range alone.
struct signed_steps {
    float* z;
    const float *lo, *hi, *step_size;
    lane_state state;
    int lanes;

    [[nodiscard]] __device__ float moved(float from, float slope, int lane, float low, float high) const {
        if (!(slope - slope == 0) && state.moves[lane]) state.flawed[lane] = 1;
        return signed_step(from, slope, step_size[lane], low, high);
    }
    __device__ void move(std::size_t at, const four_lanes<float>& slope) const {
        const int lane = lane_of(at, lanes);
        auto v = load_four(z + at);
        const auto low = lo ? load_four(lo + at) : four_lanes<float>{{0, 0, 0, 0}};
        const auto high = hi ? load_four(hi + at) : four_lanes<float>{{1, 1, 1, 1}};
        for (int i = 0; i < 4; ++i) v.at[i] = moved(v.at[i], slope.at[i], lane + i, low.at[i], high.at[i]);
        store_four(z + at, v);
    }
    /// As the end of few_outputs and trunk_backward.
    __device__ void finish(std::size_t at, int, const four_lanes<float>& slope) const { move(at, slope); }
    __device__ void finish_one(std::size_t at, int, float slope) const {
        z[at] = moved(z[at], slope, static_cast<int>(at % static_cast<unsigned>(lanes)), lo ? lo[at] : 0, hi ? hi[at] : 1);
    }
};
/// The same from a stored gradient.
struct step_from_gradient {
    signed_steps steps;
    const float* gradient;
    __device__ void operator()(int, std::size_t at) const { steps.move(at, load_four(gradient + at)); }
};

/// z = the point of the interval nearest to v, x where v is NaN.
struct clip_to_interval {
    const float *v, *x, *lo, *hi;
    float* z;
    __device__ void operator()(int, std::size_t at) const {
        const auto from = load_four(v + at), centre = load_four(x + at);
        const auto low = lo ? load_four(lo + at) : four_lanes<float>{{0, 0, 0, 0}};
        const auto high = hi ? load_four(hi + at) : four_lanes<float>{{1, 1, 1, 1}};
        four_lanes<float> to;
        for (int i = 0; i < 4; ++i) {
            const float raised = from.at[i] < low.at[i] ? low.at[i] : from.at[i];
            to.at[i] = from.at[i] == from.at[i] ? (high.at[i] < raised ? high.at[i] : raised) : centre.at[i];
        }
        store_four(z + at, to);
    }
};

/// How random starts are drawn, element by element.
enum class draw_kind : std::uint8_t { uniform_ball, uniform_range, sign, gaussian };

/// v = a random start of every lane, one thread for four elements of a lane, with the same words as on the host. Blocks: quads ·
/// lanes.
template <class = void>
__global__ void draw_starts(random_stream draws, draw_kind kind, const lane_state s, const float* x, double scale,
                            std::uint32_t elements, std::uint32_t lanes, float* v) {
    const std::size_t i = blockIdx.x * std::size_t{pointwise_threads} + threadIdx.x;
    const std::uint32_t lane = static_cast<std::uint32_t>(i % lanes), quad = static_cast<std::uint32_t>(i / lanes);
    if (quad * 4 >= elements) return;
    const std::uint64_t id = s.id[lane];
    const auto words = draws.quad(id, quad);
    for (std::uint32_t k = 0; k < 4 && quad * 4 + k < elements; ++k) {
        const std::size_t e = quad * std::size_t{4} + k, at = e * lanes + lane;
        float value = x[at];
        if (kind == draw_kind::uniform_ball)
            value = uniform_around(value, static_cast<float>(smaller(s.epsilon[lane], 1e30)), words[k]);
        else if (kind == draw_kind::uniform_range)
            value = uniform_around(.5f, .5f, words[k]);
        else if (kind == draw_kind::sign)
            value = sign_around(value, static_cast<float>(scale), words[k]);
        else
            value += static_cast<float>(scale * normal(draws, id, e));
        v[at] = value;
    }
}

}  // namespace saddle::cuda
