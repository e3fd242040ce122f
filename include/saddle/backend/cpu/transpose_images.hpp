#pragma once
#include "saddle/core/images.hpp"
#include "saddle/core/lanes.hpp"

namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE {

/// Images first .. first+count-1 as a block [C,H,W][lane]; lanes beyond `count` repeat the last image.
template <class V, class T>
void load_block(const basic_images<T>& x, std::size_t first, std::size_t count, T* out) {
    constexpr std::size_t l = V::size;
    const std::size_t size = x.each().size();
    const T* from[l];
    for (std::size_t lane = 0; lane < l; ++lane) from[lane] = x[first + std::min(lane, count - 1)].data();
    for (std::size_t i = 0; i < size; ++i)
        for (std::size_t lane = 0; lane < l; ++lane) out[i * l + lane] = from[lane][i];
}

}  // namespace saddle::cpu_backend
