#pragma once
#include "saddle/core/images.hpp"

namespace saddle {

/// Copies `count` images first .. of `x` into a block [elements][lane]; lanes past `count` repeat the last of them.
template <class T>
void load_block(const basic_images<T>& x, std::size_t first, std::size_t count, std::size_t lanes, T* block) {
    const std::size_t elements = x.each().size();
    for (std::size_t l = 0; l < lanes; ++l) {
        const T* image = x[first + std::min(l, count - 1)].data();
        for (std::size_t e = 0; e < elements; ++e) block[e * lanes + l] = image[e];
    }
}

/// Copies the first `count` lanes of a block into images first .. of `x`.
template <class T>
void store_block(const T* block, std::size_t lanes, basic_images<T>& x, std::size_t first, std::size_t count) {
    const std::size_t elements = x.each().size();
    for (std::size_t l = 0; l < count; ++l) {
        T* image = x[first + l].data();
        for (std::size_t e = 0; e < elements; ++e) image[e] = block[e * lanes + l];
    }
}

}  // namespace saddle
