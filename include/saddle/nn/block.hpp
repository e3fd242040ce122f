#pragma once
#include "saddle/core/shape.hpp"

namespace saddle {

/// View of one block of lanes [C][H][W][lane]: element (c,y,x) of lane l stands at data[c*channel_stride + y*row_stride + x*lanes + l].
///
/// Rows and channels may be further apart than the extents say (a border of zeros for padded convolutions).
template <class T>
struct block {
    T* data = nullptr;
    extents shape{};
    std::size_t lanes = 0, row_stride = 0, channel_stride = 0;

    [[nodiscard]] constexpr T* at(std::size_t channel, std::size_t row = 0, std::size_t column = 0) const {
        return data + channel * channel_stride + row * row_stride + column * lanes;
    }
    constexpr operator block<const T>() const { return {data, shape, lanes, row_stride, channel_stride}; }
};

/// A block without borders over `data`.
template <class T>
[[nodiscard]] constexpr block<T> contiguous_block(T* data, extents shape, std::size_t lanes) {
    return {data, shape, lanes, shape.width * lanes, shape.pixels() * lanes};
}

/// Calls f(offset of a, offset of b, ...) once per element position; each covers `lanes` values. All blocks have one shape.
template <class F, class First, class... Rest>
void for_each_row(F&& f, const First& first, const Rest&... rest) {
    for (std::size_t c = 0; c < first.shape.channels; ++c)
        for (std::size_t y = 0; y < first.shape.height; ++y) f(first.at(c, y), rest.at(c, y)...);
}

}  // namespace saddle
