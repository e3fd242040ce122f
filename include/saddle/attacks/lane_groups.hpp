#pragma once
#include "saddle/core/arena.hpp"

#include <array>
#include <cstdint>

namespace saddle {

/// Calls f(key, ids, chosen) once for each key that pending lanes hold, and clears `pending`. `chosen` [lane] is 1 on the lanes of
/// that key and 0 elsewhere; `ids` are theirs, repeated on the other lanes, so that draws for them cost nothing.
template <class T, std::size_t Lanes, class Key, class F>
void for_each_lane_group(std::array<bool, Lanes>& pending, const std::array<Key, Lanes>& keys,
                         const std::array<std::uint64_t, Lanes>& all_ids, F&& f) {
    for (std::size_t first = 0; first < Lanes; ++first) {
        if (!pending[first]) continue;
        const Key key = keys[first];
        std::array<std::uint64_t, Lanes> ids;
        alignas(lane_alignment) T chosen[Lanes];
        for (std::size_t l = 0; l < Lanes; ++l) {
            const bool here = pending[l] && keys[l] == key;
            ids[l] = here ? all_ids[l] : l == 0 ? all_ids[first] : ids[l - 1];
            chosen[l] = here ? T(1) : T(0);
            pending[l] = pending[l] && !here;
        }
        f(key, ids.data(), static_cast<const T*>(chosen));
    }
}

}  // namespace saddle
