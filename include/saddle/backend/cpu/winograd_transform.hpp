#pragma once
#include "saddle/backend/cpu/tap_kernel.hpp"

namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE {

/// The one-dimensional transforms of Winograd's F(M, 3): M outputs of a filter with three taps from M + 2 inputs and as many products
/// (Lavin & Gray 2016, section 4). Applied to rows and columns they give F(M×M, 3×3).
template <int M>
struct winograd_transform;

/// F(2, 3): interpolation points 0, 1, -1 and infinity.
template <>
struct winograd_transform<2> {
    static constexpr int patch = 4;

    /// t = Bᵀ d.
    template <class V>
    static void input(const V (&d)[4], V (&t)[4]) {
        t[0] = d[0] - d[2];
        t[1] = d[1] + d[2];
        t[2] = d[2] - d[1];
        t[3] = d[1] - d[3];
    }
    /// y = Aᵀ m.
    template <class V>
    static void output(const V (&m)[4], V (&y)[2]) {
        y[0] = m[0] + m[1] + m[2];
        y[1] = m[1] - m[2] - m[3];
    }
    /// u = G g.
    static void weights(const double (&g)[3], double (&u)[4]) {
        u[0] = g[0];
        u[1] = (g[0] + g[2] + g[1]) / 2;
        u[2] = (g[0] + g[2] - g[1]) / 2;
        u[3] = g[2];
    }
};

/// F(4, 3): interpolation points 0, ±5/8, ±3/2 and infinity. With these the sums lose half a digit less than with 0, ±1, ±2.
template <>
struct winograd_transform<4> {
    static constexpr int patch = 6;
    static constexpr double a = .625, b = 1.5, a2 = a * a, b2 = b * b;

    template <class V>
    static void input(const V (&d)[6], V (&t)[6]) {
        const V product = constant<V>(a2 * b2), sum = constant<V>(-a2 - b2);
        t[0] = multiply_add(product, d[0], multiply_add(sum, d[2], d[4]));
        t[5] = multiply_add(product, d[1], multiply_add(sum, d[3], d[5]));
        const auto pair = [&](double other, double point, V& plus, V& minus) {
            const V even = multiply_add(constant<V>(-other), d[2], d[4]), odd = multiply_add(constant<V>(-other), d[1], d[3]);
            plus = multiply_add(constant<V>(point), odd, even);
            minus = multiply_add(constant<V>(-point), odd, even);
        };
        pair(b2, a, t[1], t[2]);
        pair(a2, b, t[3], t[4]);
    }
    template <class V>
    static void output(const V (&m)[6], V (&y)[4]) {
        const V even_a = m[1] + m[2], odd_a = m[1] - m[2], even_b = m[3] + m[4], odd_b = m[3] - m[4];
        y[0] = m[0] + even_a + even_b;
        y[1] = multiply_add(constant<V>(a), odd_a, constant<V>(b) * odd_b);
        y[2] = multiply_add(constant<V>(a2), even_a, constant<V>(b2) * even_b);
        y[3] = multiply_add(constant<V>(a * a2), odd_a, multiply_add(constant<V>(b * b2), odd_b, m[5]));
    }
    static void weights(const double (&g)[3], double (&u)[6]) {
        const auto pair = [&](double point, double scale, double& plus, double& minus) {
            plus = (g[0] + point * g[1] + point * point * g[2]) / scale;
            minus = (g[0] - point * g[1] + point * point * g[2]) / scale;
        };
        u[0] = g[0] / (a2 * b2);
        pair(a, 2 * a2 * (a2 - b2), u[1], u[2]);
        pair(b, 2 * b2 * (b2 - a2), u[3], u[4]);
        u[5] = g[2];
    }

private:
    template <class V>
    static V constant(double value) {
        return V(static_cast<typename V::value_type>(value));
    }
};

/// U = G g Gᵀ of one 3×3 filter `g`, row by row.
template <int M>
void transform_weights(const double (&g)[9], double* u) {
    constexpr int n = winograd_transform<M>::patch;
    double columns[3][n];
    for (int c = 0; c < 3; ++c) winograd_transform<M>::weights({g[c], g[3 + c], g[6 + c]}, columns[c]);
    for (int r = 0; r < n; ++r) {
        double row[n];
        winograd_transform<M>::weights({columns[0][r], columns[1][r], columns[2][r]}, row);
        std::copy_n(row, n, u + r * n);
    }
}

/// Asks for the lines of `Rows` rows and M columns that will be needed soon.
template <class V, int Rows, int M, bool Write, class T>
[[gnu::always_inline]] inline void prefetch_rows(const T* from, std::size_t row) {
    for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 4
        for (int c = 0; c < M; ++c) __builtin_prefetch(from + r * row + c * V::size, Write ? 1 : 0);
}

/// V = Bᵀ d B of one patch whose rows stand `row` values apart; the results go to planes `plane` values apart.
template <class V, int M, class T>
void transform_patch(const T* patch, std::size_t row, T* out, std::size_t plane) {
    constexpr int n = winograd_transform<M>::patch;
    V rows[n][n];
#pragma GCC unroll 6
    for (int c = 0; c < n; ++c) {
        V d[n], t[n];
#pragma GCC unroll 6
        for (int r = 0; r < n; ++r) d[r] = V::load_aligned(patch + r * row + c * V::size);
        winograd_transform<M>::input(d, t);
#pragma GCC unroll 6
        for (int r = 0; r < n; ++r) rows[r][c] = t[r];
    }
#pragma GCC unroll 6
    for (int r = 0; r < n; ++r) {
        V t[n];
        winograd_transform<M>::input(rows[r], t);
#pragma GCC unroll 6
        for (int c = 0; c < n; ++c) t[c].store_aligned(out + (r * n + c) * plane);
    }
}

/// Y = Aᵀ M A of one tile, bias and epilogue applied; stores the first `height` rows and `width` columns from `at` on.
template <class V, int M, class T>
void finish_tile(const T* from, std::size_t plane, V bias, std::ptrdiff_t at, std::size_t row, int height, int width,
                 const epilogue<T>& e) {
    constexpr int n = winograd_transform<M>::patch;
    V rows[M][n];
#pragma GCC unroll 6
    for (int c = 0; c < n; ++c) {
        V m[n], y[M];
#pragma GCC unroll 6
        for (int r = 0; r < n; ++r) m[r] = V::load_aligned(from + (r * n + c) * plane);
        winograd_transform<M>::output(m, y);
#pragma GCC unroll 4
        for (int r = 0; r < M; ++r) rows[r][c] = y[r];
    }
    for (int r = 0; r < height; ++r, at += static_cast<std::ptrdiff_t>(row)) {
        V y[M];
        winograd_transform<M>::output(rows[r], y);
#pragma GCC unroll 4
        for (int c = 0; c < M; ++c)
            if (c < width) finish(e, at + c * static_cast<std::ptrdiff_t>(V::size), y[c] + bias);
    }
}

}  // namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE
