#pragma once
#include "saddle/core/arena.hpp"
#include "saddle/losses/lane_values.hpp"

#include <array>

namespace saddle {

namespace detail {

template <class V>
struct as_double {
    using type = double;
};
template <template <class, class> class Register, class T, class Arch>
struct as_double<Register<T, Arch>> {
    using type = Register<double, Arch>;
};

}  // namespace detail

/// The lanes of V in double precision: norms and distances are summed in it. One V is `parts` registers of doubles.
template <class V>
struct wide {
    using T = lane_scalar<V>;
    using value = typename detail::as_double<V>::type;
    using mask = typename lane_values<value>::mask;
    static constexpr std::size_t lanes = lane_values<V>::size;
    static constexpr std::size_t width = lane_values<value>::size;
    static constexpr std::size_t parts = lanes / width;
    using registers = std::array<value, parts>;

    /// One double per lane, in memory.
    struct alignas(lane_alignment) buffer {
        double at[lanes];
    };

    [[nodiscard]] SADDLE_HOST_DEVICE static value load(const buffer& b, std::size_t part) {
        return lane_values<value>::load(b.at + part * width);
    }
    SADDLE_HOST_DEVICE static void store(buffer& b, std::size_t part, const value& v) {
        lane_values<value>::store(b.at + part * width, v);
    }
    SADDLE_HOST_DEVICE static void widen(const T* from, buffer& to) {
        for (std::size_t l = 0; l < lanes; ++l) to.at[l] = static_cast<double>(from[l]);
    }
    SADDLE_HOST_DEVICE static void narrow(const buffer& from, T* to) {
        for (std::size_t l = 0; l < lanes; ++l) to[l] = static_cast<T>(from.at[l]);
    }
    [[nodiscard]] SADDLE_HOST_DEVICE static registers all(double v) {
        registers r;
        for (auto& part : r) part = value(v);
        return r;
    }
};

/// Calls f(part, a, b) with the lanes of two blocks [elements][lane] in double, element by element.
template <class V, class F>
void for_each_wide(std::size_t elements, const lane_scalar<V>* a, const lane_scalar<V>* b, F&& f) {
    using W = wide<V>;
    typename W::buffer wide_a, wide_b;
    for (std::size_t e = 0; e < elements; ++e) {
        W::widen(a + e * W::lanes, wide_a);
        W::widen(b + e * W::lanes, wide_b);
        for (std::size_t p = 0; p < W::parts; ++p) f(p, W::load(wide_a, p), W::load(wide_b, p));
    }
}

/// |a| as a choice, so that one text serves numbers and registers.
template <class V>
[[nodiscard]] SADDLE_HOST_DEVICE inline V magnitude(const V& a) {
    return choose(a < V(0), V(0) - a, a);
}
template <class V>
[[nodiscard]] SADDLE_HOST_DEVICE inline V smaller(const V& a, const V& b) {
    return choose(b < a, b, a);
}
template <class V>
[[nodiscard]] SADDLE_HOST_DEVICE inline V larger(const V& a, const V& b) {
    return choose(a < b, b, a);
}

/// True when any lane of the mask is set.
template <class Mask>
[[nodiscard]] inline bool any_lane(const Mask& m) {
    if constexpr (std::is_same_v<Mask, bool>)
        return m;
    else
        return any(m);
}

}  // namespace saddle
