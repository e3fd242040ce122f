#pragma once
#include "saddle/backend/cuda/kernels/convolution.cuh"

/// Convolutions from and to one to three channels, the images': too few for tensor cores, so plain fp32, whatever the precision.
namespace saddle::cuda {

/// Result channels that one thread of few_inputs sums, and pixels of a block of few_outputs.
inline constexpr int few_inputs_channels = 4, few_outputs_pixels = 8;

/// Forward from few channels: a thread sums four lanes of four channels of one pixel. 16 × channel groups threads, blocks as
/// implicit_gemm with 64 lanes and 4 · groups channels.
template <class Out>
__global__ void few_inputs(const float* source, const float* weights, convolution_shape s, epilogue<Out> finish, int lanes) {
    const int groups = static_cast<int>(blockDim.x) / 16, tile = groups * few_inputs_channels;
    const int channel_tiles = (s.outputs + tile - 1) / tile, lane_tiles = lanes / 64;
    const int first =
        static_cast<int>(blockIdx.x) % channel_tiles * tile + static_cast<int>(threadIdx.x) / 16 * few_inputs_channels;
    const int lane = static_cast<int>(blockIdx.x) / channel_tiles % lane_tiles * 64 + static_cast<int>(threadIdx.x) % 16 * 4;
    const int pixel = static_cast<int>(blockIdx.x) / channel_tiles / lane_tiles;
    if (first >= s.outputs) return;
    const std::size_t source_pixels = static_cast<std::size_t>(s.source_height) * s.source_width;
    four_lanes<float> sum[few_inputs_channels] = {};
    for (int t = 0; t < s.taps(); ++t) {
        const int at = s.pixel_of(pixel / s.width, pixel % s.width, t);
        if (at < 0) continue;
        for (int c = 0; c < s.inputs; ++c) {
            const auto x = load_four(source + (c * source_pixels + at) * lanes + lane);
            const auto w = load_four(weights + (static_cast<std::size_t>(t) * s.inputs + c) * s.columns + first);
#pragma unroll
            for (int k = 0; k < few_inputs_channels; ++k)
#pragma unroll
                for (int i = 0; i < 4; ++i) sum[k].at[i] = fmaf(x.at[i], w.at[k], sum[k].at[i]);
        }
    }
    const std::size_t pixels = static_cast<std::size_t>(s.height) * s.width;
    for (int k = 0; k < few_inputs_channels; ++k)
        if (first + k < s.outputs) finish.finish(((first + k) * pixels + pixel) * lanes + lane, first + k, sum[k]);
}

/// To at most three channels: a thread sums four lanes of all channels of one pixel; 16 × few_outputs_pixels threads. What
/// happens to the sums is the caller's: `finish.finish(offset, channel, sums)`.
template <class In, class Finish>
__global__ void few_outputs(const In* source, const float* weights, convolution_shape s, Finish finish, int lanes) {
    const int lane_tiles = lanes / 64, pixels = s.height * s.width;
    const int lane = static_cast<int>(blockIdx.x) % lane_tiles * 64 + static_cast<int>(threadIdx.x) % 16 * 4;
    const int pixel = static_cast<int>(blockIdx.x) / lane_tiles * few_outputs_pixels + static_cast<int>(threadIdx.x) / 16;
    if (pixel >= pixels) return;
    const std::size_t source_pixels = static_cast<std::size_t>(s.source_height) * s.source_width;
    four_lanes<float> sum[3] = {};
    for (int t = 0; t < s.taps(); ++t) {
        const int at = s.pixel_of(pixel / s.width, pixel % s.width, t);
        if (at < 0) continue;
        for (int c = 0; c < s.inputs; ++c) {
            const auto x = load_four(source + (c * source_pixels + at) * lanes + lane);
            const auto w = load_four(weights + (static_cast<std::size_t>(t) * s.inputs + c) * s.columns);
#pragma unroll
            for (int k = 0; k < 3; ++k)
#pragma unroll
                for (int i = 0; i < 4; ++i) sum[k].at[i] = fmaf(x.at[i], w.at[k], sum[k].at[i]);
        }
    }
    for (int k = 0; k < 3; ++k)
        if (k < s.outputs) finish.finish((static_cast<std::size_t>(k) * pixels + pixel) * lanes + lane, k, sum[k]);
}

}  // namespace saddle::cuda
