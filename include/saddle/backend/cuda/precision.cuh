#pragma once
#include "saddle/backend/cuda/ptx.cuh"

namespace saddle::cuda {

/// How convolutions and linear layers multiply: what they store, and how operands are rounded. Sums are floats everywhere,
/// images, logits and their gradients too.
struct fp32 {
    using storage = float;
    static constexpr const char* name = "fp32";
    __device__ static storage round(float v) { return v; }
};
/// Tensor cores on floats whose mantissa is rounded to 10 bits.
struct tf32 {
    using storage = float;
    static constexpr const char* name = "tf32";
    __device__ static storage round(float v) { return std::bit_cast<float>(round_to_tf32(v)); }
};
/// Tensor cores on bfloat16; feature maps and their gradients are stored so.
struct bf16 {
    using storage = bfloat16;
    static constexpr const char* name = "bf16";
    __device__ static storage round(float v) { return bfloat16(v); }
};

/// What the tile of a matrix product is: Rows × Columns results by WarpRows × WarpColumns warps, Depth products at a time.
template <int Rows, int Columns, int WarpRows, int WarpColumns>
struct tile {
    static constexpr int rows = Rows, columns = Columns, warp_rows = WarpRows, warp_columns = WarpColumns;
    static constexpr int threads = 32 * WarpRows * WarpColumns;
    static constexpr int rows_of_warp = Rows / WarpRows, columns_of_warp = Columns / WarpColumns;
    static_assert(rows_of_warp % 16 == 0 && columns_of_warp % 16 == 0,
                  "saddle: a warp's part of a tile is a multiple of 16 by 16");
};

}  // namespace saddle::cuda
