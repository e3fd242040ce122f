#pragma once
#include "saddle/core/scalar.hpp"

#include <cstddef>
#include <limits>

namespace xsimd {
template <class T, class Arch>
class batch;
template <class T, class Arch>
class batch_bool;
}  // namespace xsimd

namespace saddle {

// core/lanes.hpp defines these; formulas only need their names, so that what a device reads stays free of SIMD headers.
template <class T, class Arch>
[[nodiscard]] inline xsimd::batch<T, Arch> multiply_add(const xsimd::batch<T, Arch>& a, const xsimd::batch<T, Arch>& b,
                                                        const xsimd::batch<T, Arch>& c);
template <class T, class Arch>
[[nodiscard]] inline xsimd::batch<T, Arch> choose(const xsimd::batch_bool<T, Arch>& condition, const xsimd::batch<T, Arch>& a,
                                                  const xsimd::batch<T, Arch>& b);

/// How formulas that are written once read and write their value type V: a SIMD register, one value per lane.
template <class V>
struct lane_values {
    using scalar = typename V::value_type;
    using mask = decltype(V() < V());
    static constexpr std::size_t size = V::size;
    [[nodiscard]] SADDLE_HOST_DEVICE static V load(const scalar* from) { return V::load_aligned(from); }
    SADDLE_HOST_DEVICE static void store(scalar* to, const V& value) { value.store_aligned(to); }
};

/// The same for a plain number: a block of one lane, or one thread of a device.
template <std::floating_point T>
struct lane_values<T> {
    using scalar = T;
    using mask = bool;
    static constexpr std::size_t size = 1;
    [[nodiscard]] SADDLE_HOST_DEVICE static T load(const T* from) { return *from; }
    SADDLE_HOST_DEVICE static void store(T* to, T value) { *to = value; }
};

template <class V>
using lane_scalar = typename lane_values<V>::scalar;

/// No lane, as a mask.
template <class V>
[[nodiscard]] SADDLE_HOST_DEVICE inline typename lane_values<V>::mask no_lane() {
    return V(0) != V(0);
}

}  // namespace saddle
