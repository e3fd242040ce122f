#pragma once
#include "saddle/core/lanes.hpp"
#include "saddle/core/worker_pool.hpp"

namespace saddle {

/// Tells a generic lambda whether it computes one number or one register of them.
template <class V>
struct width_of {
    using type = V;
};

/// Reads one V (a number or a register) from `p`, which need not be aligned.
template <class V, class T>
[[nodiscard]] V read_values(const T* p) {
    if constexpr (std::is_same_v<V, T>)
        return *p;
    else
        return V::load_unaligned(p);
}

/// Writes one V to `p`.
template <class V, class T>
void write_values(T* p, const V& value) {
    if constexpr (std::is_same_v<V, T>)
        *p = value;
    else
        value.store_unaligned(p);
}

/// Calls f(i, width_of<V>) so that every index of [first, first+count) is covered once, by registers and at the ends by numbers.
///
/// Chunks are fixed by the range alone and spread over the pool, so an elementwise f gives the same bits for any number of
/// threads.
template <class T, class Arch = xsimd::default_arch, class F>
void for_each_value(worker_pool& pool, std::size_t first, std::size_t count, F&& f) {
    using vector = lanes<T, Arch>;
    constexpr std::size_t chunk = std::size_t{1} << 14;
    pool.for_each((count + chunk - 1) / chunk, [&](std::size_t item, std::size_t) {
        std::size_t i = first + item * chunk;
        const std::size_t end = std::min(i + chunk, first + count);
        for (; i + vector::size <= end; i += vector::size) f(i, width_of<vector>{});
        for (; i < end; ++i) f(i, width_of<T>{});
    });
}

}  // namespace saddle
