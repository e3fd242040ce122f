#pragma once
#include "saddle/certification/cuda/kernels/open_rows.cuh"

/// Tiles of 64 rows and their coefficients, each in the window of a feature map that its rows reach.
namespace saddle::cuda {

/// Part of a feature map: all that the rows of one position reach.
struct map_window {
    int y = 0, x = 0, height = 0, width = 0;

    [[nodiscard]] bool empty() const { return height <= 0 || width <= 0; }
    [[nodiscard]] int cells() const { return height * width; }
    /// Grows to hold rows [y0, y1) and columns [x0, x1), too.
    void extend(int y0, int x0, int y1, int x1) {
        if (height > 0) {
            y1 = std::max(y1, y + height), x1 = std::max(x1, x + width);
            y0 = std::min(y0, y), x0 = std::min(x0, x);
        }
        *this = {y0, x0, std::max(y1 - y0, 0), std::max(x1 - x0, 0)};  // nothing, if all that is read is padding
    }
    void extend(const map_window& w) {
        if (!w.empty()) extend(w.y, w.x, w.y + w.height, w.x + w.width);
    }
};

/// Coefficients of one node for the tiles of a pass: [tile][channel][window row][window column][row of the tile].
struct coefficient_view {
    double* data = nullptr;
    const map_window* windows = nullptr;  ///< by position
    std::size_t slab = 0;                 ///< values of one tile

    [[nodiscard]] __device__ double* tile(std::size_t t) const { return data + t * slab; }
};

/// The tiles of a pass: each one's position, or group of positions, and its rows.
struct tile_view {
    const int* positions = nullptr;
    const row_entry* rows = nullptr;
    double *constants = nullptr, *best = nullptr;  ///< [tile][row]
};

/// Reads the coefficients of one row of a tile: 0 outside their window.
struct window_reader {
    const double* source;  ///< the row's place in its tile
    map_window window;

    [[nodiscard]] __device__ double operator()(int c, int y, int x) const {
        const int wy = y - window.y, wx = x - window.x;
        if (wy < 0 || wx < 0 || wy >= window.height || wx >= window.width) return 0;
        return source[static_cast<std::size_t>((c * window.height + wy) * window.width + wx) * bound_lanes];
    }
};

/// Threads along the channels, or the parts of a sum, in a block of 64 × this many.
inline constexpr int substitution_threads = 4, sum_parts = 8;

}  // namespace saddle::cuda
