#pragma once
#include "saddle/backend/cpu/layout.hpp"
#include "saddle/nn/plan.hpp"

namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE {

/// Chosen by layer shape alone: where the products outweigh the transforms.
[[nodiscard]] inline bool winograd_pays(const saddle::window& w, std::size_t inputs, std::size_t outputs) {
    return w.height == 3 && w.width == 3 && w.stride == 1 && w.padding <= 2 && inputs >= 16 && outputs >= 16 && inputs % 4 == 0 &&
           outputs % 4 == 0;
}

/// Equal tiles side by side along one axis.
struct winograd_run {
    std::size_t edge, first, count;  ///< outputs of a tile, first output, tiles

    [[nodiscard]] std::size_t end() const { return first + edge * count; }
    friend bool operator==(const winograd_run&, const winograd_run&) = default;
};

/// How an output is cut into tiles; those of the last run may reach beyond it.
struct winograd_grid {
    std::vector<winograd_run> rows, columns;

    /// Products a channel pair. Fewer than four tiles leave the register tile waiting for its sums, as if they were four.
    [[nodiscard]] std::size_t products() const {
        std::size_t sum = 0;
        for (const auto& r : rows)
            for (const auto& c : columns) sum += std::max<std::size_t>(r.count * c.count, 4) * (r.edge + 2) * (c.edge + 2);
        return sum;
    }
};

/// The grid with the fewest products for an output, chosen by its height and width alone: tiles of 2 or 4, or, where that saves a tenth,
/// of 5, or of 5 and 4 where fewer tiles than of 4 alone cover an axis exactly. Tiles of 5 round worse.
[[nodiscard]] inline winograd_grid choose_grid(extents output) {
    const auto equal = [](std::size_t extent, std::size_t edge) {
        return std::vector<winograd_run>{{edge, 0, (extent + edge - 1) / edge}};
    };
    const auto mixed = [&](std::size_t extent) {
        const std::size_t tiles = (extent + 4) / 5;
        if (4 * tiles >= extent || extent == 5 * tiles) return equal(extent, 4);
        const std::size_t fives = extent - 4 * tiles;
        return std::vector<winograd_run>{{5, 0, fives}, {4, 5 * fives, tiles - fives}};
    };
    winograd_grid best{equal(output.height, 2), equal(output.width, 2)};
    if (winograd_grid fours{equal(output.height, 4), equal(output.width, 4)}; fours.products() < best.products()) best = fours;
    const std::size_t enough = best.products() * 9 / 10;
    for (const auto& rows : {equal(output.height, 4), equal(output.height, 5), mixed(output.height)})
        for (const auto& columns : {equal(output.width, 4), equal(output.width, 5), mixed(output.width)})
            if (winograd_grid grid{rows, columns}; grid.products() <= enough && grid.products() < best.products())
                best = std::move(grid);
    return best;
}

/// Borders that whole tiles need beyond those of the taps, for one direction.
inline void reserve_winograd_border(std::ptrdiff_t padding, layout& input, extents output) {
    const auto grid = choose_grid(output);
    const auto last = [&](const auto& runs) { return static_cast<std::ptrdiff_t>(runs.back().end()) + 1 - padding; };
    input.require_border(-padding, last(grid.rows), last(grid.columns));
}

}  // namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE
