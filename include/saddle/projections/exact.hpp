#pragma once
#include "saddle/projections/wide.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <type_traits>

namespace saddle {

/// Sign of (far - near) - epsilon in real arithmetic, as a value of that sign; finite values with far >= near >= 0 or both in
/// [0,1].
///
/// The difference is split into a rounded part and its exact error (Knuth's two-sum); the sum at the end keeps the sign because
/// the error is at most half a unit in the last place of the difference.
template <class D>
[[nodiscard]] SADDLE_HOST_DEVICE inline D distance_excess(const D& far, const D& near, const D& epsilon) {
    const D difference = far - near, back = difference - far;
    const D rounding = (far - (difference - back)) - (near + back);
    return (difference - epsilon) + rounding;
}

/// The neighbour of v >= 0, `steps` (0 or 1) representable values further up or down.
template <class T>
[[nodiscard]] SADDLE_HOST_DEVICE inline T neighbour(T v, std::int32_t steps) {
    using bits = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
    return std::bit_cast<T>(static_cast<bits>(std::bit_cast<bits>(v) + steps));
}

/// The interval of one element: lo and hi are the extreme values of T in [0,1] whose real distance to x is <= epsilon.
///
/// x in [0,1] [lane], epsilon >= 0 [lane]. Rounding x ± epsilon alone leaves the real ball for most pixels at .1 and .3.
template <class V>
SADDLE_HOST_DEVICE void linf_interval(const lane_scalar<V>* x, const double* epsilon, lane_scalar<V>* lo, lane_scalar<V>* hi) {
    using W = wide<V>;
    using D = typename W::value;
    using D_lanes = lane_values<D>;
    typename W::buffer centre, end, beyond;
    W::widen(x, centre);

    for (std::size_t p = 0; p < W::parts; ++p)
        W::store(end, p, smaller(W::load(centre, p) + D_lanes::load(epsilon + p * W::width), D(1)));
    W::narrow(end, hi);
    W::widen(hi, end);
    for (std::size_t p = 0; p < W::parts; ++p) {
        const D excess = distance_excess(W::load(end, p), W::load(centre, p), D_lanes::load(epsilon + p * W::width));
        W::store(beyond, p, choose(excess > D(0), D(-1), D(0)));
    }
    for (std::size_t l = 0; l < W::lanes; ++l) hi[l] = neighbour(hi[l], static_cast<std::int32_t>(beyond.at[l]));

    for (std::size_t p = 0; p < W::parts; ++p)
        W::store(end, p, larger(W::load(centre, p) - D_lanes::load(epsilon + p * W::width), D(0)));
    W::narrow(end, lo);
    W::widen(lo, end);
    for (std::size_t p = 0; p < W::parts; ++p) {
        const D excess = distance_excess(W::load(centre, p), W::load(end, p), D_lanes::load(epsilon + p * W::width));
        W::store(beyond, p, choose(excess > D(0), D(1), D(0)));
    }
    for (std::size_t l = 0; l < W::lanes; ++l) lo[l] = neighbour(lo[l], static_cast<std::int32_t>(beyond.at[l]));
}

/// Factor that turns a sum of `terms` rounded non-negative doubles into an upper bound of the real sum.
[[nodiscard]] SADDLE_HOST_DEVICE inline double sum_bound(std::size_t terms) {
    return 1 + static_cast<double>(terms + 4) * 0x1p-52;
}

/// A double not above the real square of `radius`.
[[nodiscard]] SADDLE_HOST_DEVICE inline double square_below(double radius) { return radius * radius * (1 - 0x1p-52); }

/// One unit of rounding of T in [1/2,1]: how far a pixel moves when it is stored.
template <class T>
inline constexpr double pixel_rounding = static_cast<double>(std::numeric_limits<T>::epsilon()) / 2;

/// What a projection aims at before rounding: a little inside, so that the stored image rarely has to be pulled back.
template <class T>
[[nodiscard]] SADDLE_HOST_DEVICE inline double rounded_radius(double radius) {
    return radius * (1 - 2 * pixel_rounding<T>)-smaller(double{pixel_rounding<T>}, radius * 0x1p-10);
}

template <class D>
[[nodiscard]] SADDLE_HOST_DEVICE inline D clip_to_range(const D& v) {
    return smaller(larger(v, D(0)), D(1));
}

/// A point to project: NaN becomes x, and huge values are cut where squares still fit a double.
template <class D>
[[nodiscard]] SADDLE_HOST_DEVICE inline D usable_pixel(const D& v, const D& x) {
    return choose(v == v, smaller(larger(v, D(-1e15)), D(1e15)), x);
}

}  // namespace saddle
