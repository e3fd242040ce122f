#pragma once
#include "saddle/backend/cpu/pointwise.hpp"
#include "saddle/core/philox.hpp"

#include <span>

namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE {

/// to = from / (1 - rate) where the draw of (example, element) is at least `rate`, else 0; each lane draws for its own example.
template <class V, class T, class Store>
void drop(double rate, const random_stream& draws, std::span<const std::uint64_t> ids, block<const T> from, Store&& store) {
    const V keep(static_cast<T>(1 / (1 - rate)));
    alignas(64) T flags[V::size] = {};
    for (std::size_t i = 0; i < from.shape.size(); ++i) {
        for (std::size_t lane = 0; lane < ids.size(); ++lane)
            flags[lane] = draws.uniform(ids[lane], i) >= static_cast<float>(rate) ? T(1) : T(0);
        store(i, V::load_aligned(nth(from, i)) * keep * V::load_aligned(flags));
    }
}

}  // namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE
