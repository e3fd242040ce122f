#pragma once
#include "saddle/backend/cuda/kernels/trunk_layers.cuh"

/// Convolutions on values in shared memory by TF32 tensor cores.
namespace saddle::cuda {

/// Where column c of row k of packed weights stands in its row in shared memory, so that the rows k to k+3 and eight columns that a warp
/// reads at once lie in different banks. Groups of eight columns move as a whole.
[[nodiscard]] SADDLE_HOST_DEVICE inline int swizzled_column(int columns, int k, int c) {
    if (columns % 32 == 0) return c ^ (k % 4 * 8);
    return columns % 32 == 16 ? c ^ (k / 2 % 2 * 8) : c;
}

/// As convolve, weights swizzled: rows of a product are pixels × lanes, 16 to a tile, columns output channels. A
/// warp has Parts · 8 channels of one tile. Backward with a stride, a tile's pixels are those that the same taps reach.
template <int Parts, class Store>
__device__ void convolve_tensor(const convolution_shape& s, const float* x, const float* weights, int lanes, const Store& store) {
    const int warps = static_cast<int>(blockDim.x) / 32, warp = static_cast<int>(threadIdx.x) / 32;
    const int group = static_cast<int>(threadIdx.x) % 32 / 4, place = static_cast<int>(threadIdx.x) % 4;
    const int phases = s.backward ? s.stride : 1, direction = s.backward ? -1 : 1;
    const int parts = (s.columns + Parts * 8 - 1) / (Parts * 8), source_channel = s.source_height * s.source_width * lanes;
    int before = 0;  // tasks of the phases before
    for (int phase = 0; phase < phases * phases; ++phase) {
        const int first_y = phase / phases, first_x = phase % phases;
        const int width = (s.width - first_x + phases - 1) / phases;
        const int rows = (s.height - first_y + phases - 1) / phases * width * lanes, tasks = (rows + 15) / 16 * parts;
        const int tap_y = s.backward ? (first_y + s.padding) % s.stride : 0;
        const int tap_x = s.backward ? (first_x + s.padding) % s.stride : 0;
        for (int task = (warp + warps - before % warps) % warps; task < tasks; task += warps) {
            const int first_channel = task % parts * Parts * 8;
            int pixel[2], lane[2], top[2], left[2];
            for (int h = 0; h < 2; ++h) {
                const int row = task / parts * 16 + group + 8 * h, position = row / lanes;
                const int y = first_y + position / width * phases, column = first_x + position % width * phases;
                lane[h] = row % lanes;
                pixel[h] = row < rows ? y * s.width + column : -1;
                top[h] = s.backward ? (y + s.padding) / s.stride : y * s.stride - s.padding;
                left[h] = s.backward ? (column + s.padding) / s.stride : column * s.stride - s.padding;
            }
            float sum[Parts][4] = {};
            for (int ky = tap_y, j = 0; ky < s.kernel_height; ky += phases, j += direction)
                for (int kx = tap_x, i = 0; kx < s.kernel_width; kx += phases, i += direction) {
                    int source[2];
                    for (int h = 0; h < 2; ++h) {
                        const int y = top[h] + j, column = left[h] + i;
                        const bool inside =
                            pixel[h] >= 0 && y >= 0 && y < s.source_height && column >= 0 && column < s.source_width;
                        source[h] = inside ? (y * s.source_width + column) * lanes + lane[h] : -1;
                    }
                    const float* const w = weights + (ky * s.kernel_width + kx) * s.inputs * s.columns;
                    for (int k = 0; k < s.inputs; k += 8) {
                        std::uint32_t a[4];
#pragma unroll
                        for (int e = 0; e < 4; ++e)
                            a[e] = source[e % 2] >= 0 && k + place + e / 2 * 4 < s.inputs
                                       ? round_to_tf32(x[(k + place + e / 2 * 4) * source_channel + source[e % 2]])
                                       : 0u;
#pragma unroll
                        for (int part = 0; part < Parts; ++part) {
                            const int channel = first_channel + part * 8;
                            if (channel >= s.columns) break;
                            std::uint32_t b[2];
#pragma unroll
                            for (int e = 0; e < 2; ++e) {
                                const int row = k + place + 4 * e;
                                const int at = row * s.columns + swizzled_column(s.columns, row, channel) + group;
                                b[e] = row < s.inputs ? std::bit_cast<std::uint32_t>(w[at]) : 0u;
                            }
                            multiply_tf32(sum[part], a, b);
                        }
                    }
                }
            for (int part = 0; part < Parts; ++part)
                for (int e = 0; e < 4; ++e) {
                    const int channel = first_channel + part * 8 + place * 2 + e % 2, h = e / 2;
                    if (pixel[h] >= 0 && channel < s.outputs) store(channel, pixel[h], lane[h], lane_pack<1>{sum[part][e]});
                }
        }
        before += tasks;
    }
}
/// The same with as many channels a warp as keep the block's warps busy.
template <class Store>
__device__ void convolve_tensor(const convolution_shape& s, const float* x, const float* weights, int lanes, const Store& store) {
    const int tiles = (s.height * s.width * lanes + 15) / 16, warps = static_cast<int>(blockDim.x) / 32;
    if (s.columns > 16 && tiles * ((s.columns + 31) / 32) * 8 >= 7 * warps)
        convolve_tensor<4>(s, x, weights, lanes, store);
    else if (s.columns > 8 && tiles * ((s.columns + 15) / 16) >= warps)
        convolve_tensor<2>(s, x, weights, lanes, store);
    else
        convolve_tensor<1>(s, x, weights, lanes, store);
}

}  // namespace saddle::cuda
