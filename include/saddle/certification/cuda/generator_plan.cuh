#pragma once
#include "saddle/certification/bound_network.hpp"
#include "saddle/certification/cuda/kernels/row_tiles.cuh"

#include <bit>

namespace saddle::cuda {

/// For every cell of a map of this shape: the rectangle of the positions, on a map of `width` columns, whose windows hold it. A window is
/// the union of four whose sides are powers of two, and these are halved until they are cells: in n positions and cells n log^2 n steps,
/// and n log n where windows are of few heights.
[[nodiscard]] inline std::vector<map_window> covering_positions(const std::vector<map_window>& windows, std::size_t width,
                                                                extents shape) {
    const auto number = [](std::size_t n) { return static_cast<int>(n); };
    const auto levels = [](std::size_t extent) { return static_cast<std::size_t>(std::bit_width(extent)); };
    const auto cell = [&](int y, int x) { return static_cast<std::size_t>(y) * shape.width + static_cast<std::size_t>(x); };
    // Positions by log2 of their windows' sides.
    std::vector<std::vector<std::size_t>> of_level(levels(shape.height) * levels(shape.width));
    for (std::size_t p = 0; p < windows.size(); ++p)
        if (const auto& w = windows[p]; !w.empty())
            of_level[(levels(static_cast<std::size_t>(w.height)) - 1) * levels(shape.width) +
                     levels(static_cast<std::size_t>(w.width)) - 1]
                .push_back(p);
    const auto halve = [](std::vector<map_window>& of, std::size_t step) {
        for (std::size_t i = of.size(); i-- > 0;)  // backwards, so that halves are not halved again
            if (!of[i].empty()) of[i + step].extend(of[i]);
    };
    std::vector<map_window> found(shape.pixels()), blocks;
    for (std::size_t high = levels(shape.height); high-- > 0;) {
        halve(found, (std::size_t{1} << high) * shape.width);
        bool any = false;
        for (std::size_t wide = levels(shape.width); wide-- > 0;) {
            if (any) halve(blocks, std::size_t{1} << wide);
            const auto& those = of_level[high * levels(shape.width) + wide];
            if (!any && !those.empty()) blocks.assign(shape.pixels(), {});
            any = any || !those.empty();
            for (const std::size_t p : those) {
                const auto& w = windows[p];
                const int row = number(p / width), column = number(p % width);
                for (const int y : {w.y, w.y + w.height - (1 << high)})
                    for (const int x : {w.x, w.x + w.width - (1 << wide)})
                        blocks[cell(y, x)].extend(row, column, row + 1, column + 1);
            }
        }
        if (any)
            for (std::size_t i = 0; i < found.size(); ++i) found[i].extend(blocks[i]);
    }
    return found;
}

/// How generators that node `born` gives birth to reach the nodes behind it: for each of its positions the window of every feature map.
class generator_plan {
public:
    generator_plan(const bound_network<double>& network, std::size_t born)
        : born_(born), width_(network[born].shape.width), windows_(network.size()) {
        const std::size_t positions = network[born].shape.pixels();
        for (std::size_t p = 0; p < positions; ++p) windows_[born].push_back({number(p / width_), number(p % width_), 1, 1});
        for (std::size_t i = born + 1; i < network.size(); ++i) {
            for (const std::size_t input : std::array{network[i].input, network[i].second}) {
                if (input == none || !reaches(input)) continue;
                windows_[i].resize(positions);
                for (std::size_t p = 0; p < positions; ++p) windows_[i][p].extend(reach(network, i, windows_[input][p]));
            }
        }
    }

    [[nodiscard]] std::size_t born() const { return born_; }
    [[nodiscard]] bool reaches(std::size_t i) const { return !windows_[i].empty(); }
    /// Of node i, by position.
    [[nodiscard]] const std::vector<map_window>& windows(std::size_t i) const { return windows_[i]; }
    /// For every pixel of node i: the rectangle of positions whose windows hold it.
    [[nodiscard]] std::vector<map_window> sources(std::size_t i, extents shape) const {
        return covering_positions(windows_[i], width_, shape);
    }

private:
    static int number(std::size_t n) { return static_cast<int>(n); }

    /// What node i reads of a window of one of its inputs.
    static map_window reach(const bound_network<double>& network, std::size_t i, const map_window& w) {
        using enum operation_kind;
        const auto& node = network[i];
        if (w.empty()) return {};
        if (node.kind == convolution || node.kind == max_pool || node.kind == average_pool) {
            const int s = number(node.window.stride), padding = number(node.window.padding);
            const auto first = [&](int at, std::size_t kernel) {
                return (std::max(at + padding + 1 - number(kernel), 0) + s - 1) / s;
            };
            const auto last = [&](int at, std::size_t extent) { return std::min((at + padding) / s + 1, number(extent)); };
            map_window out;
            out.extend(first(w.y, node.window.height), first(w.x, node.window.width), last(w.y + w.height - 1, node.shape.height),
                       last(w.x + w.width - 1, node.shape.width));
            return out;
        }
        if (!(network[node.input].shape == node.shape)) return {0, 0, number(node.shape.height), number(node.shape.width)};
        return w;
    }

    std::size_t born_, width_;
    std::vector<std::vector<map_window>> windows_;  ///< [node][position]
};

}  // namespace saddle::cuda
