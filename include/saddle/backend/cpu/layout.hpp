#pragma once
#include "saddle/core/lanes.hpp"
#include "saddle/nn/block.hpp"

#include <algorithm>
#include <vector>

namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE {

/// Where the values of one tensor stand in a block: a border of zeros before and after each axis spares convolutions the edges.
struct layout {
    extents shape{};
    std::size_t before = 0, after = 0;  ///< rows and columns of zeros

    [[nodiscard]] std::size_t rows() const { return shape.height + before + after; }
    [[nodiscard]] std::size_t columns() const { return shape.width + before + after; }
    /// Values per lane, borders included.
    [[nodiscard]] std::size_t size() const { return shape.channels * rows() * columns(); }
    /// Position of element (c,y,x) in lanes; y and x may lie in the border.
    [[nodiscard]] std::ptrdiff_t position(std::size_t c, std::ptrdiff_t y, std::ptrdiff_t x) const {
        const auto offset = static_cast<std::ptrdiff_t>(before);
        return (static_cast<std::ptrdiff_t>(c * rows()) + y + offset) * static_cast<std::ptrdiff_t>(columns()) + x + offset;
    }
    [[nodiscard]] std::size_t channel_stride() const { return rows() * columns(); }
    void require_border(std::ptrdiff_t first, std::ptrdiff_t last_row, std::ptrdiff_t last_column) {
        before = std::max(before, static_cast<std::size_t>(std::max<std::ptrdiff_t>(0, -first)));
        const auto over = std::max(last_row - static_cast<std::ptrdiff_t>(shape.height),
                                   last_column - static_cast<std::ptrdiff_t>(shape.width)) +
                          1;
        after = std::max(after, static_cast<std::size_t>(std::max<std::ptrdiff_t>(0, over)));
    }
    friend bool operator==(const layout&, const layout&) = default;

    /// The view of a tensor whose storage, border included, starts at `data`.
    template <class T>
    [[nodiscard]] block<T> view(T* data, std::size_t lanes) const {
        return {data + position(0, 0, 0) * static_cast<std::ptrdiff_t>(lanes), shape, lanes, columns() * lanes,
                channel_stride() * lanes};
    }
};

}  // namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE
