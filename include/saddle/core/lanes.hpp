#pragma once
#include "saddle/core/scalar.hpp"

#if defined(__AVX512BW__) && defined(__GNUC__) && !defined(__clang__) && !defined(__OPTIMIZE__)
#error "saddle: xsimd 8 does not compile for AVX-512 without optimisation: use -Og (Debug) or -O2, or leave out -march=native"
#endif

#include <type_traits>
#include <utility>
#include <xsimd/xsimd.hpp>
#if defined(__x86_64__)
#include <immintrin.h>  // the fused multiply-add that xsimd 8 lacks
#endif

/// Names the instruction set this file is compiled for: the inline namespace of what is not a template on it, so that files with
/// different flags link safely.
#if defined(__AVX512F__)
#define SADDLE_CPU_ARCHITECTURE avx512
#elif defined(__AVX2__) && defined(__FMA__)
#define SADDLE_CPU_ARCHITECTURE avx2_fma
#elif defined(__AVX2__)
#define SADDLE_CPU_ARCHITECTURE avx2
#elif defined(__AVX__)
#define SADDLE_CPU_ARCHITECTURE avx
#else
#define SADDLE_CPU_ARCHITECTURE baseline
#endif

namespace saddle {

/// One SIMD register of T: one value per lane. The architecture is part of the type, so files with different flags link safely.
template <class T, class Arch = xsimd::default_arch>
using lanes = xsimd::batch<T, Arch>;

/// Lanes of a block on this architecture.
template <class T, class Arch = xsimd::default_arch>
inline constexpr std::size_t lane_count = lanes<T, Arch>::size;

namespace detail {

template <class T, class Arch>
struct true_fma : std::false_type {};
#if defined(__AVX512F__)
template <class Arch>
    requires std::derived_from<Arch, xsimd::avx512f>
struct true_fma<float, Arch> : std::true_type {
    static lanes<float, Arch> apply(const lanes<float, Arch>& a, const lanes<float, Arch>& b, const lanes<float, Arch>& c) {
        return _mm512_fmadd_ps(a, b, c);
    }
};
template <class Arch>
    requires std::derived_from<Arch, xsimd::avx512f>
struct true_fma<double, Arch> : std::true_type {
    static lanes<double, Arch> apply(const lanes<double, Arch>& a, const lanes<double, Arch>& b, const lanes<double, Arch>& c) {
        return _mm512_fmadd_pd(a, b, c);
    }
};
#elif defined(__FMA__) && defined(__AVX2__)
template <class Arch>
    requires std::derived_from<Arch, xsimd::avx2>
struct true_fma<float, Arch> : std::true_type {
    static lanes<float, Arch> apply(const lanes<float, Arch>& a, const lanes<float, Arch>& b, const lanes<float, Arch>& c) {
        return _mm256_fmadd_ps(a, b, c);
    }
};
template <class Arch>
    requires std::derived_from<Arch, xsimd::avx2>
struct true_fma<double, Arch> : std::true_type {
    static lanes<double, Arch> apply(const lanes<double, Arch>& a, const lanes<double, Arch>& b, const lanes<double, Arch>& c) {
        return _mm256_fmadd_pd(a, b, c);
    }
};
#endif

}  // namespace detail

/// a·b + c, rounded once wherever the hardware can (xsimd 8's own AVX-512 fma rounds twice). The only way kernels multiply and add.
template <class T, class Arch>
[[nodiscard]] inline xsimd::batch<T, Arch> multiply_add(const xsimd::batch<T, Arch>& a, const xsimd::batch<T, Arch>& b,
                                                        const xsimd::batch<T, Arch>& c) {
    if constexpr (detail::true_fma<T, Arch>::value)
        return detail::true_fma<T, Arch>::apply(a, b, c);
    else
        return xsimd::fma(a, b, c);
}
/// Keeps a loaded value in its register: compilers would read it from memory again at each use, and kernels that use it several times
/// would wait for loads.
template <class T, class Arch>
[[gnu::always_inline]] inline void keep_in_register([[maybe_unused]] xsimd::batch<T, Arch>& value) {
#if defined(__x86_64__) && defined(__GNUC__)
    asm("" : "+v"(value.data));
#endif
}
/// condition ? a : b per lane.
template <class T, class Arch>
[[nodiscard]] inline xsimd::batch<T, Arch> choose(const xsimd::batch_bool<T, Arch>& condition, const xsimd::batch<T, Arch>& a,
                                                  const xsimd::batch<T, Arch>& b) {
    return xsimd::select(condition, a, b);
}
namespace detail {

/// Interleaves the lower (First = 0) or upper (First = n/2) halves of a and b (xsimd 8's zip works within 128 bits on AVX). The places
/// are written out because nvcc loses a pack in the builtin's arguments.
template <int First, class T, class Arch>
inline xsimd::batch<T, Arch> interleave(const xsimd::batch<T, Arch>& a, const xsimd::batch<T, Arch>& b) {
    using register_type = typename xsimd::batch<T, Arch>::register_type;
    constexpr int n = static_cast<int>(xsimd::batch<T, Arch>::size), f = First;
    static_assert(n == 2 || n == 4 || n == 8 || n == 16, "saddle: registers of 2, 4, 8 or 16 lanes");
    if constexpr (n == 2)
        return register_type(__builtin_shufflevector(a.data, b.data, f, 2 + f));
    else if constexpr (n == 4)
        return register_type(__builtin_shufflevector(a.data, b.data, f, 4 + f, f + 1, 4 + f + 1));
    else if constexpr (n == 8)
        return register_type(
            __builtin_shufflevector(a.data, b.data, f, 8 + f, f + 1, 8 + f + 1, f + 2, 8 + f + 2, f + 3, 8 + f + 3));
    else
        return register_type(__builtin_shufflevector(a.data, b.data, f, 16 + f, f + 1, 16 + f + 1, f + 2, 16 + f + 2, f + 3,
                                                     16 + f + 3, f + 4, 16 + f + 4, f + 5, 16 + f + 5, f + 6, 16 + f + 6, f + 7,
                                                     16 + f + 7));
}

}  // namespace detail

/// Transposes a square of lanes in place: lane j of value[i] and lane i of value[j] change places, i, j < batch size.
template <class T, class Arch>
inline void transpose(xsimd::batch<T, Arch>* value) {
    constexpr std::size_t n = xsimd::batch<T, Arch>::size;
#pragma GCC unroll 8
    for (std::size_t round = 1; round < n; round *= 2) {
        xsimd::batch<T, Arch> shuffled[n];
#pragma GCC unroll 16
        for (std::size_t i = 0; i < n / 2; ++i) {
            shuffled[2 * i] = detail::interleave<0>(value[i], value[i + n / 2]);
            shuffled[2 * i + 1] = detail::interleave<static_cast<int>(n / 2)>(value[i], value[i + n / 2]);
        }
#pragma GCC unroll 16
        for (std::size_t i = 0; i < n; ++i) value[i] = shuffled[i];
    }
}

/// The sum of all lanes, in lane order.
template <class T, class Arch>
[[nodiscard]] inline T sum_lanes(const xsimd::batch<T, Arch>& v) {
    alignas(64) T values[xsimd::batch<T, Arch>::size];
    v.store_aligned(values);
    T sum = values[0];
    for (std::size_t i = 1; i < xsimd::batch<T, Arch>::size; ++i) sum += values[i];
    return sum;
}

}  // namespace saddle
