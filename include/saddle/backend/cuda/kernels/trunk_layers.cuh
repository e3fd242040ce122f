#pragma once
#include "saddle/backend/cuda/kernels/convolution.cuh"
#include "saddle/backend/cuda/kernels/pooling.cuh"

/// Layers on values in shared memory [value][lane], a block's few lanes at a time, in plain fp32; sums run over taps, then channels, both
/// ascending, so they do not depend on how many lanes a block has.
namespace saddle::cuda {

template <int Lanes>
struct alignas(Lanes * sizeof(float)) lane_pack {
    float at[Lanes];
};

/// The taps of one axis that reach inside, in ascending order: tap first + i · step reads source + i · source_step.
struct tap_range {
    int first, step, count, source, source_step;

    [[nodiscard]] SADDLE_HOST_DEVICE static tap_range of(const convolution_shape& s, int position, int kernel, int extent) {
        const auto larger = [](int a, int b) { return a > b ? a : b; };
        const auto smaller = [](int a, int b) { return a < b ? a : b; };
        if (!s.backward) {
            const int start = position * s.stride - s.padding, first = larger(0, -start);
            return {first, 1, larger(0, smaller(kernel, extent - start) - first), start + first, 1};
        }
        const int reach = position + s.padding, rest = reach % s.stride, base = reach / s.stride;
        const int begin = larger(0, base - extent + 1);
        const int end = smaller(base + 1, kernel > rest ? (kernel - rest + s.stride - 1) / s.stride : 0);
        return {rest + begin * s.stride, s.stride, larger(0, end - begin), base - begin, -1};
    }
};

/// Convolution of x [inputs][pixels][lanes] in shared memory with packed weights there; a thread sums Channels channels of one pixel for
/// Lanes lanes. store(channel, pixel, first lane, sums) takes the results.
template <int Channels, int Lanes, class Store>
__device__ void convolve(const convolution_shape& s, const float* x, const float* weights, int lanes, const Store& store) {
    constexpr int each = Channels < 4 ? Channels : 4;
    const int packs = lanes / Lanes, pixels = s.height * s.width, groups = (s.outputs + Channels - 1) / Channels;
    const int source_channel = s.source_height * s.source_width * lanes;
    for (int i = static_cast<int>(threadIdx.x); i < groups * pixels * packs; i += static_cast<int>(blockDim.x)) {
        const int lane = i % packs * Lanes, pixel = i / packs % pixels, channel = i / packs / pixels * Channels;
        const auto rows = tap_range::of(s, pixel / s.width, s.kernel_height, s.source_height);
        const auto columns = tap_range::of(s, pixel % s.width, s.kernel_width, s.source_width);
        lane_pack<Lanes> sum[Channels] = {};
        for (int r = 0; r < rows.count; ++r)
            for (int c = 0; c < columns.count; ++c) {
                const int source =
                    (rows.source + r * rows.source_step) * s.source_width + columns.source + c * columns.source_step;
                const int tap = (rows.first + r * rows.step) * s.kernel_width + columns.first + c * columns.step;
                const float* from = x + source * lanes + lane;
                const float* w = weights + tap * s.inputs * s.columns + channel;
#pragma unroll 4
                for (int k = 0; k < s.inputs; ++k, from += source_channel, w += s.columns) {
                    const auto value = *reinterpret_cast<const lane_pack<Lanes>*>(from);
#pragma unroll
                    for (int part = 0; part < Channels; part += each) {
                        const auto factor = *reinterpret_cast<const lane_pack<each>*>(w + part);
#pragma unroll
                        for (int o = 0; o < each; ++o)
#pragma unroll
                            for (int l = 0; l < Lanes; ++l)
                                sum[part + o].at[l] = fmaf(value.at[l], factor.at[o], sum[part + o].at[l]);
                    }
                }
            }
#pragma unroll
        for (int o = 0; o < Channels; ++o)
            if (channel + o < s.outputs) store(channel + o, pixel, lane, sum[o]);
    }
}
/// The same with as many channels a thread as keep the block's threads busy.
template <int Lanes, class Store>
__device__ void convolve(const convolution_shape& s, const float* x, const float* weights, int lanes, const Store& store) {
    const int work = (s.outputs + 7) / 8 * s.height * s.width * (lanes / Lanes);
    if (s.outputs == 1)
        convolve<1, Lanes>(s, x, weights, lanes, store);
    else if (s.outputs > 4 && work >= static_cast<int>(blockDim.x))
        convolve<8, Lanes>(s, x, weights, lanes, store);
    else
        convolve<4, Lanes>(s, x, weights, lanes, store);
}

/// The pool's output of one pack of lanes; for Max also which value of the window it is.
template <int Lanes, bool Max>
__device__ lane_pack<Lanes> pool_value(const pool_shape& p, const float* x, int lanes, int out, int lane,
                                       std::uint8_t (&winner)[Lanes]) {
    const int ox = out % p.out_width, oy = out / p.out_width % p.out_height, c = out / p.out_width / p.out_height;
    const auto in = [&](int iy, int ix) {
        return *reinterpret_cast<const lane_pack<Lanes>*>(x + ((c * p.height + iy) * p.width + ix) * lanes + lane);
    };
    const auto place = [&](int iy, int ix) {
        return static_cast<std::uint8_t>((iy - oy * p.stride + p.padding) * p.window_width + ix - ox * p.stride + p.padding);
    };
    lane_pack<Lanes> best{};
    if (Max) best = in(p.top(oy), p.left(ox));
    for (auto& w : winner) w = place(p.top(oy), p.left(ox));
    for (int iy = p.top(oy); iy < p.bottom(oy); ++iy)
        for (int ix = p.left(ox); ix < p.right(ox); ++ix) {
            const auto v = in(iy, ix);
            for (int l = 0; l < Lanes; ++l) {
                if constexpr (Max) {
                    if (!(v.at[l] > best.at[l]) && v.at[l] == v.at[l]) continue;
                    best.at[l] = v.at[l];
                    winner[l] = place(iy, ix);
                } else {
                    best.at[l] += v.at[l];
                }
            }
        }
    if (!Max)
        for (float& v : best.at) v *= 1.f / static_cast<float>(p.window_height * p.window_width);
    return best;
}
/// The gradient of one input of a pool.
template <int Lanes, bool Max>
__device__ lane_pack<Lanes> pool_slope(const pool_shape& p, const float* dy, const std::uint8_t* winners, int lanes, int in,
                                       int lane) {
    const int ix = in % p.width, iy = in / p.width % p.height, c = in / p.width / p.height;
    lane_pack<Lanes> sum{};
    for (int oy = p.first_over(iy, p.window_height); oy < p.last_over(iy, p.out_height); ++oy)
        for (int ox = p.first_over(ix, p.window_width); ox < p.last_over(ix, p.out_width); ++ox) {
            const int out = ((c * p.out_height + oy) * p.out_width + ox) * lanes + lane;
            const int place = (iy - oy * p.stride + p.padding) * p.window_width + ix - ox * p.stride + p.padding;
            const auto above = *reinterpret_cast<const lane_pack<Lanes>*>(dy + out);
            for (int l = 0; l < Lanes; ++l)
                if (!Max || winners[out + l] == place) sum.at[l] += above.at[l];
        }
    if (!Max)
        for (float& v : sum.at) v *= 1.f / static_cast<float>(p.window_height * p.window_width);
    return sum;
}

}  // namespace saddle::cuda
