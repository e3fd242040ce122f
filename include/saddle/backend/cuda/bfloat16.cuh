#pragma once
#include "saddle/core/config.hpp"

#include <bit>

namespace saddle::cuda {

/// The upper half of a float, rounded to the nearest, ties to even; NaN stays NaN. A storage type: sums are floats.
struct bfloat16 {
    std::uint16_t bits = 0;

    bfloat16() = default;
    SADDLE_HOST_DEVICE explicit bfloat16(float v) {
        const auto word = std::bit_cast<std::uint32_t>(v);
        const bool number = (word & 0x7fffffffu) <= 0x7f800000u;
        bits = static_cast<std::uint16_t>(number ? (word + 0x7fffu + (word >> 16 & 1u)) >> 16 : word >> 16 | 0x40u);
    }
    SADDLE_HOST_DEVICE explicit operator float() const { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }
};

/// Four neighbouring lanes, read and written in one access.
template <class T>
struct alignas(4 * sizeof(T)) four_lanes {
    T at[4];
};

template <class T>
[[nodiscard]] SADDLE_HOST_DEVICE inline four_lanes<float> load_four(const T* from) {
    const auto raw = *reinterpret_cast<const four_lanes<T>*>(from);
    four_lanes<float> values;
    for (int i = 0; i < 4; ++i) values.at[i] = static_cast<float>(raw.at[i]);
    return values;
}
template <class T>
SADDLE_HOST_DEVICE inline void store_four(T* to, const four_lanes<float>& values) {
    four_lanes<T> raw;
    for (int i = 0; i < 4; ++i) raw.at[i] = static_cast<T>(values.at[i]);
    *reinterpret_cast<four_lanes<T>*>(to) = raw;
}

}  // namespace saddle::cuda
