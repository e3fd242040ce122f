#pragma once
#include "saddle/certification/bound_network.hpp"
#include "saddle/certification/cuda/first_fit.cuh"
#include "saddle/certification/cuda/kernels/substitution.cuh"

namespace saddle::cuda {

/// How rows of one node go back to the input: the window of every feature map that the rows of a position reach, and where each
/// node's coefficients stand in a tile's memory, which nodes share whose lives do not overlap.
class substitution_plan {
public:
    /// Rows of single values of node `from`, or (`whole`) rows of any of its values as of one position.
    substitution_plan(const bound_network<double>& network, std::size_t from, bool whole)
        : network_(&network), from_(from), whole_(whole), windows_(from + 1), slabs_(from + 1, 0), offsets_(from + 1, none),
          bypass_(from + 1, false) {
        const auto shape = network[from].shape;
        const std::size_t positions = whole ? 1 : shape.pixels();
        for (auto& w : windows_) w.resize(positions);
        for (std::size_t p = 0; p < positions; ++p) {
            auto& start = windows_[from][p];
            start = whole ? map_window{0, 0, number(shape.height), number(shape.width)}
                          : map_window{number(p / shape.width), number(p % shape.width), 1, 1};
            for (std::size_t i = from; i > 0; --i)
                if (windows_[i][p].height > 0) cover_inputs(i, p);
        }
        for (std::size_t k = from; k > 0; --k)
            for (const std::size_t input : std::array{network[k].input, network[k].second})
                for (std::size_t i = input + 1; input != none && i < k; ++i) bypass_[i] = true;
        for (std::size_t i = 0; i <= from; ++i)
            slabs_[i] = static_cast<std::size_t>(largest_cells(i)) * network[i].shape.channels;
        place_nodes();
    }

    [[nodiscard]] std::size_t from() const { return from_; }
    /// Rows start as weights, at the node's input.
    [[nodiscard]] bool by_weights() const { return (*network_)[from_].kind == operation_kind::convolution && from_ > 0; }
    [[nodiscard]] std::size_t positions() const { return windows_[from_].size(); }
    [[nodiscard]] const std::vector<map_window>& windows(std::size_t i) const { return windows_[i]; }
    [[nodiscard]] bool reaches(std::size_t i) const { return slabs_[i] > 0; }
    /// Whether a bound may be taken at node i: it is all that stands between the rows and the input, and what it would give is
    /// not known as the interval of one value of a convolution.
    [[nodiscard]] bool bounds_at(std::size_t i) const {
        const bool known = by_weights() && !whole_ && i == (*network_)[from_].input;
        return i == 0 || (i != from_ && !known && !bypass_[i] && !(*network_)[i].constants_in_reader);
    }
    /// Coefficients of one row at node i, and where they stand among the row's `width` values.
    [[nodiscard]] std::size_t slab(std::size_t i) const { return slabs_[i]; }
    [[nodiscard]] std::size_t offset(std::size_t i) const { return offsets_[i]; }
    [[nodiscard]] std::size_t width() const { return width_; }
    /// Whether node i's coefficients become its first input's where they stand.
    [[nodiscard]] bool moves(std::size_t i) const {
        using enum operation_kind;
        const auto& node = (*network_)[i];
        const auto& in = (*network_)[node.input];
        const bool passes = node.kind == activation || node.kind == add || node.kind == scale_shift || node.kind == flatten;
        return passes && in.consumers == 1 && in.shape == node.shape;
    }
    [[nodiscard]] int largest_cells(std::size_t i) const {
        int most = 0;
        for (const auto& w : windows_[i]) most = std::max(most, w.height * w.width);
        return most;
    }
    /// Most rows and columns of groups of `stride` input positions that a window of node i's input touches.
    [[nodiscard]] std::pair<int, int> groups(std::size_t i) const {
        const auto& node = (*network_)[i];
        const int s = number(node.window.stride), padding = number(node.window.padding);
        const auto touched = [&](int first, int count) { return (first + padding + count - 1) / s - (first + padding) / s + 1; };
        std::pair<int, int> most{0, 0};
        for (const auto& w : windows_[node.input]) {
            most.first = std::max(most.first, touched(w.y, w.height));
            most.second = std::max(most.second, touched(w.x, w.width));
        }
        return most;
    }

private:
    static int number(std::size_t n) { return static_cast<int>(n); }

    /// Extends the windows of node i's inputs to what its own reads.
    void cover_inputs(std::size_t i, std::size_t p) {
        using enum operation_kind;
        const auto& node = (*network_)[i];
        const auto& in = (*network_)[node.input];
        const auto w = windows_[i][p];
        auto& below = windows_[node.input][p];
        const int s = number(node.window.stride), padding = number(node.window.padding);
        if (node.kind == convolution || node.kind == max_pool || node.kind == average_pool) {
            const auto low = [&](int first) { return std::max(first * s - padding, 0); };
            const auto high = [&](int first, int count, std::size_t kernel, std::size_t extent) {
                return std::min(number(extent), (first + count - 1) * s + number(kernel) - padding);
            };
            below.extend(low(w.y), low(w.x), high(w.y, w.height, node.window.height, in.shape.height),
                         high(w.x, w.width, node.window.width, in.shape.width));
        } else if (!(in.shape == node.shape)) {
            below.extend(0, 0, number(in.shape.height), number(in.shape.width));
        } else {
            below.extend(w);
            if (node.second != none) windows_[node.second][p].extend(w);
        }
    }
    /// Walks back as the rows do; each node's coefficients get the first gap that fits while they live.
    void place_nodes() {
        place(by_weights() ? (*network_)[from_].input : from_);
        for (std::size_t i = from_; i > 0; --i) {
            if (!reaches(i)) continue;
            const auto& node = (*network_)[i];
            if (!(i == from_ && by_weights())) {
                if (node.second != none && offsets_[node.second] == none) place(node.second);
                if (moves(i)) {
                    offsets_[node.input] = offsets_[i];
                    continue;
                }
                if (offsets_[node.input] == none) place(node.input);
                places_.give_back(offsets_[i]);
            }
        }
    }
    void place(std::size_t i) {
        offsets_[i] = places_.take(slabs_[i]);
        width_ = std::max(width_, offsets_[i] + slabs_[i]);
    }

    const bound_network<double>* network_;
    std::size_t from_;
    bool whole_;
    std::vector<std::vector<map_window>> windows_;  ///< [node][position]
    std::vector<std::size_t> slabs_, offsets_;
    std::vector<bool> bypass_;
    first_fit places_;  ///< of what lives
    std::size_t width_ = 0;
};

}  // namespace saddle::cuda
