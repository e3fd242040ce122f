#pragma once
#include "saddle/certification/bound_network.hpp"
#include "saddle/certification/cuda/kernels/row_tiles.cuh"

namespace saddle::cuda {

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
        std::vector<map_window> found(shape.pixels());
        for (std::size_t p = 0; p < windows_[i].size(); ++p) {
            const auto& w = windows_[i][p];
            const int row = number(p / width_), column = number(p % width_);
            for (int y = w.y; y < w.y + w.height; ++y)
                for (int x = w.x; x < w.x + w.width; ++x)
                    found[static_cast<std::size_t>(y) * shape.width + static_cast<std::size_t>(x)].extend(row, column, row + 1,
                                                                                                          column + 1);
        }
        return found;
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
