#pragma once
#include "saddle/core/error.hpp"

#include <array>
#include <ostream>

namespace saddle {

/// Extents of one example at run time: channels, height, width.
struct extents {
    std::size_t channels = 0, height = 0, width = 0;

    [[nodiscard]] constexpr std::size_t pixels() const { return height * width; }
    [[nodiscard]] constexpr std::size_t size() const { return channels * height * width; }
    friend constexpr bool operator==(const extents&, const extents&) = default;
    friend std::ostream& operator<<(std::ostream& out, const extents& e) {
        return out << '[' << e.channels << ',' << e.height << ',' << e.width << ']';
    }
};

/// Extents of one example as a type: `shape<1, 28, 28>` is a grey image, `shape<10>` a vector of ten logits.
template <std::size_t Channels, std::size_t Height = 1, std::size_t Width = 1>
struct shape {
    static constexpr std::size_t channels = Channels, height = Height, width = Width;
    static constexpr std::size_t size = Channels * Height * Width;
    static constexpr extents value{Channels, Height, Width};
};

}  // namespace saddle
