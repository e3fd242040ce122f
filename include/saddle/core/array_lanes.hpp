#pragma once
#include "saddle/core/arena.hpp"
#include "saddle/core/scalar.hpp"

#include <array>
#include <cmath>
#include <type_traits>

namespace saddle {

/// A number of lanes, as a type.
template <std::size_t N>
struct lane_number {
    static constexpr std::size_t value = N;
};

/// Lanes of T in plain memory, for backends whose blocks are not SIMD registers: formulas written for lanes run on it as they
/// are.
template <class T, class Number>
struct array_lanes {
    using value_type = T;
    static constexpr std::size_t size = Number::value;

    /// One truth value per lane.
    struct mask {
        bool at[size];

        SADDLE_HOST_DEVICE friend mask operator&&(const mask& a, const mask& b) {
            return each([&](std::size_t l) { return a.at[l] && b.at[l]; });
        }
        SADDLE_HOST_DEVICE friend mask operator||(const mask& a, const mask& b) {
            return each([&](std::size_t l) { return a.at[l] || b.at[l]; });
        }
        SADDLE_HOST_DEVICE friend mask operator!(const mask& a) {
            return each([&](std::size_t l) { return !a.at[l]; });
        }
        SADDLE_HOST_DEVICE friend bool any(const mask& a) {
            bool found = false;
            for (const bool m : a.at) found = found || m;
            return found;
        }
        template <class F>
        SADDLE_HOST_DEVICE static mask each(F&& f) {
            mask m;
            for (std::size_t l = 0; l < size; ++l) m.at[l] = f(l);
            return m;
        }
    };

    alignas(lane_alignment) T at[size];

    array_lanes() = default;
    SADDLE_HOST_DEVICE array_lanes(T v) {
        for (T& a : at) a = v;
    }
    template <class F>
    SADDLE_HOST_DEVICE static array_lanes each(F&& f) {
        array_lanes r;
        for (std::size_t l = 0; l < size; ++l) r.at[l] = f(l);
        return r;
    }
    SADDLE_HOST_DEVICE static array_lanes load_aligned(const T* from) {
        return each([&](std::size_t l) { return from[l]; });
    }
    SADDLE_HOST_DEVICE void store_aligned(T* to) const {
        for (std::size_t l = 0; l < size; ++l) to[l] = at[l];
    }

    SADDLE_HOST_DEVICE friend array_lanes operator+(const array_lanes& a, const array_lanes& b) {
        return each([&](std::size_t l) { return a.at[l] + b.at[l]; });
    }
    SADDLE_HOST_DEVICE friend array_lanes operator-(const array_lanes& a, const array_lanes& b) {
        return each([&](std::size_t l) { return a.at[l] - b.at[l]; });
    }
    SADDLE_HOST_DEVICE friend array_lanes operator*(const array_lanes& a, const array_lanes& b) {
        return each([&](std::size_t l) { return a.at[l] * b.at[l]; });
    }
    SADDLE_HOST_DEVICE friend array_lanes operator/(const array_lanes& a, const array_lanes& b) {
        return each([&](std::size_t l) { return a.at[l] / b.at[l]; });
    }
    SADDLE_HOST_DEVICE friend array_lanes operator-(const array_lanes& a) {
        return each([&](std::size_t l) { return -a.at[l]; });
    }
    SADDLE_HOST_DEVICE array_lanes& operator+=(const array_lanes& b) { return *this = *this + b; }
    SADDLE_HOST_DEVICE array_lanes& operator-=(const array_lanes& b) { return *this = *this - b; }
    SADDLE_HOST_DEVICE array_lanes& operator*=(const array_lanes& b) { return *this = *this * b; }
    SADDLE_HOST_DEVICE array_lanes& operator/=(const array_lanes& b) { return *this = *this / b; }

    SADDLE_HOST_DEVICE friend mask operator<(const array_lanes& a, const array_lanes& b) {
        return mask::each([&](std::size_t l) { return a.at[l] < b.at[l]; });
    }
    SADDLE_HOST_DEVICE friend mask operator>(const array_lanes& a, const array_lanes& b) { return b < a; }
    SADDLE_HOST_DEVICE friend mask operator<=(const array_lanes& a, const array_lanes& b) {
        return mask::each([&](std::size_t l) { return a.at[l] <= b.at[l]; });
    }
    SADDLE_HOST_DEVICE friend mask operator>=(const array_lanes& a, const array_lanes& b) { return b <= a; }
    SADDLE_HOST_DEVICE friend mask operator==(const array_lanes& a, const array_lanes& b) {
        return mask::each([&](std::size_t l) { return a.at[l] == b.at[l]; });
    }
    SADDLE_HOST_DEVICE friend mask operator!=(const array_lanes& a, const array_lanes& b) {
        return mask::each([&](std::size_t l) { return a.at[l] != b.at[l]; });
    }

    SADDLE_HOST_DEVICE friend array_lanes multiply_add(const array_lanes& a, const array_lanes& b, const array_lanes& c) {
        return each([&](std::size_t l) { return std::fma(a.at[l], b.at[l], c.at[l]); });
    }
    SADDLE_HOST_DEVICE friend array_lanes choose(const mask& condition, const array_lanes& a, const array_lanes& b) {
        return each([&](std::size_t l) { return condition.at[l] ? a.at[l] : b.at[l]; });
    }
    SADDLE_HOST_DEVICE friend array_lanes abs(const array_lanes& a) {
        return each([&](std::size_t l) { return std::abs(a.at[l]); });
    }
    SADDLE_HOST_DEVICE friend array_lanes sqrt(const array_lanes& a) {
        return each([&](std::size_t l) { return std::sqrt(a.at[l]); });
    }
    SADDLE_HOST_DEVICE friend array_lanes exp(const array_lanes& a) {
        return each([&](std::size_t l) { return std::exp(a.at[l]); });
    }
    SADDLE_HOST_DEVICE friend array_lanes log(const array_lanes& a) {
        return each([&](std::size_t l) { return std::log(a.at[l]); });
    }
    SADDLE_HOST_DEVICE friend array_lanes log1p(const array_lanes& a) {
        return each([&](std::size_t l) { return std::log1p(a.at[l]); });
    }
    SADDLE_HOST_DEVICE friend array_lanes tanh(const array_lanes& a) {
        return each([&](std::size_t l) { return std::tanh(a.at[l]); });
    }
    SADDLE_HOST_DEVICE friend array_lanes cos(const array_lanes& a) {
        return each([&](std::size_t l) { return std::cos(a.at[l]); });
    }
    SADDLE_HOST_DEVICE friend array_lanes sin(const array_lanes& a) {
        return each([&](std::size_t l) { return std::sin(a.at[l]); });
    }
};

}  // namespace saddle
