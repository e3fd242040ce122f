#pragma once
#include "saddle/backend/cpu/tap_kernel.hpp"

namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE {

namespace detail {

template <class V>
V constant(double value) {
    return V(static_cast<typename V::value_type>(value));
}

}  // namespace detail

/// The one-dimensional transforms of Winograd's F(M, 3): M outputs of a filter with three taps from M + 2 inputs and as many products
/// (Lavin & Gray 2016, section 4). F(R, 3) on columns and F(C, 3) on rows give F(R×C, 3×3).
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
    /// u = G g, in double or several filters at once.
    template <class D>
    static void weights(const D (&g)[3], D (&u)[4]) {
        u[0] = g[0];
        u[1] = (g[0] + g[2] + g[1]) * .5;
        u[2] = (g[0] + g[2] - g[1]) * .5;
        u[3] = g[2];
    }
};

/// F(4, 3): interpolation points 0, ±5/8, ±3/2 and infinity. With these the sums lose a third of a digit less than with 0, ±1, ±2.
template <>
struct winograd_transform<4> {
    static constexpr int patch = 6;
    static constexpr double a = .625, b = 1.5, a2 = a * a, b2 = b * b;

    template <class V>
    static void input(const V (&d)[6], V (&t)[6]) {
        const V product = detail::constant<V>(a2 * b2), sum = detail::constant<V>(-a2 - b2);
        t[0] = multiply_add(product, d[0], multiply_add(sum, d[2], d[4]));
        t[5] = multiply_add(product, d[1], multiply_add(sum, d[3], d[5]));
        const auto pair = [&](double other, double point, V& plus, V& minus) {
            const V even = multiply_add(detail::constant<V>(-other), d[2], d[4]),
                    odd = multiply_add(detail::constant<V>(-other), d[1], d[3]);
            plus = multiply_add(detail::constant<V>(point), odd, even);
            minus = multiply_add(detail::constant<V>(-point), odd, even);
        };
        pair(b2, a, t[1], t[2]);
        pair(a2, b, t[3], t[4]);
    }
    template <class V>
    static void output(const V (&m)[6], V (&y)[4]) {
        const V even_a = m[1] + m[2], odd_a = m[1] - m[2], even_b = m[3] + m[4], odd_b = m[3] - m[4];
        y[0] = m[0] + even_a + even_b;
        y[1] = multiply_add(detail::constant<V>(a), odd_a, detail::constant<V>(b) * odd_b);
        y[2] = multiply_add(detail::constant<V>(a2), even_a, detail::constant<V>(b2) * even_b);
        y[3] = multiply_add(detail::constant<V>(a * a2), odd_a, multiply_add(detail::constant<V>(b * b2), odd_b, m[5]));
    }
    template <class D>
    static void weights(const D (&g)[3], D (&u)[6]) {
        const auto pair = [&](double point, double inverse, D& plus, D& minus) {
            const D even = (g[0] + point * point * g[2]) * inverse, odd = point * inverse * g[1];
            plus = even + odd;
            minus = even - odd;
        };
        u[0] = g[0] * (1 / (a2 * b2));
        pair(a, 1 / (2 * a2 * (a2 - b2)), u[1], u[2]);
        pair(b, 1 / (2 * b2 * (b2 - a2)), u[3], u[4]);
        u[5] = g[2];
    }
};

/// F(5, 3): interpolation points ±9/32, ±7/8, ±7/4 and infinity, without 0: 1.9 times the rounding error of F(4, 3), where sets with 0
/// have at least 2.4 times.
template <>
struct winograd_transform<5> {
    static constexpr int patch = 7;
    static constexpr double a = .28125, b = .875, c = 1.75, a2 = a * a, b2 = b * b, c2 = c * c;

    template <class V>
    static void input(const V (&d)[7], V (&t)[7]) {
        const auto pair = [&](double product, double sum, double point, V& plus, V& minus) {
            const V even = multiply_add(detail::constant<V>(product), d[0], multiply_add(detail::constant<V>(-sum), d[2], d[4]));
            const V odd = multiply_add(detail::constant<V>(product), d[1], multiply_add(detail::constant<V>(-sum), d[3], d[5]));
            plus = multiply_add(detail::constant<V>(point), even, odd);
            minus = multiply_add(detail::constant<V>(-point), even, odd);
        };
        pair(b2 * c2, b2 + c2, a, t[0], t[1]);
        pair(a2 * c2, a2 + c2, b, t[2], t[3]);
        pair(a2 * b2, a2 + b2, c, t[4], t[5]);
        t[6] = multiply_add(detail::constant<V>(-a2 * b2 * c2), d[0],
                            multiply_add(detail::constant<V>(a2 * b2 + a2 * c2 + b2 * c2), d[2],
                                         multiply_add(detail::constant<V>(-a2 - b2 - c2), d[4], d[6])));
    }
    template <class V>
    static void output(const V (&m)[7], V (&y)[5]) {
        const V even[3] = {m[0] + m[1], m[2] + m[3], m[4] + m[5]}, odd[3] = {m[0] - m[1], m[2] - m[3], m[4] - m[5]};
        const auto sum = [](const V(&x)[3], double at_a, double at_b, double at_c) {
            return multiply_add(detail::constant<V>(at_a), x[0],
                                multiply_add(detail::constant<V>(at_b), x[1], detail::constant<V>(at_c) * x[2]));
        };
        y[0] = even[0] + even[1] + even[2];
        y[1] = sum(odd, a, b, c);
        y[2] = sum(even, a2, b2, c2);
        y[3] = sum(odd, a * a2, b * b2, c * c2);
        y[4] = sum(even, a2 * a2, b2 * b2, c2 * c2) + m[6];
    }
    template <class D>
    static void weights(const D (&g)[3], D (&u)[7]) {
        const auto pair = [&](double point, double inverse, D& plus, D& minus) {
            const D even = (g[0] + point * point * g[2]) * inverse, odd = point * inverse * g[1];
            plus = odd + even;
            minus = odd - even;
        };
        pair(a, 1 / (2 * a * (a2 - b2) * (a2 - c2)), u[0], u[1]);
        pair(b, 1 / (2 * b * (b2 - a2) * (b2 - c2)), u[2], u[3]);
        pair(c, 1 / (2 * c * (c2 - a2) * (c2 - b2)), u[4], u[5]);
        u[6] = g[2];
    }
};

/// U = G g Gᵀ of 3×3 filters for tiles of R×C outputs, row by row; `D` is a double or a vector of them, one filter each.
template <int R, int C, class D>
void transform_weights(const D (&g)[9], D* u) {
    constexpr int rows = winograd_transform<R>::patch, columns = winograd_transform<C>::patch;
    D t[3][rows];
    for (int c = 0; c < 3; ++c) winograd_transform<R>::weights({g[c], g[3 + c], g[6 + c]}, t[c]);
    for (int r = 0; r < rows; ++r) {
        D row[columns];
        winograd_transform<C>::weights({t[0][r], t[1][r], t[2][r]}, row);
        std::copy_n(row, columns, u + r * columns);
    }
}

/// Asks for the lines of `rows` rows and `columns` columns that will be needed soon.
template <class V, bool Write, class T>
[[gnu::always_inline]] inline void prefetch_rows(const T* from, std::size_t row, int rows, int columns) {
    for (int r = 0; r < rows; ++r)
        for (int c = 0; c < columns; ++c) __builtin_prefetch(from + r * row + c * V::size, Write ? 1 : 0);
}

/// The values under a tile as they stand in a tensor, rows `row` values apart.
template <class V, class T>
struct stored_patch {
    const T* at;
    std::size_t row;

    [[gnu::always_inline]] V load(int r, int c) const { return V::load_aligned(at + r * row + c * V::size); }
};

/// The gradient under a tile of what a 2×2 max pool reads: that of a window where its winner stands, 0 elsewhere.
///
/// Winners are 1 to 4 in row order, 0 for none, in the layout of the pool's output like the gradient.
template <class V, class T>
class routed_patch {
public:
    /// `gradient` and `winner` begin at the window of the patch's first value, which stands at (odd_row, odd_column) in it.
    routed_patch(const T* gradient, const T* winner, std::size_t row, int odd_row, int odd_column) : row_(row) {
        for (int r = 0; r < 2; ++r)
            for (int c = 0; c < 2; ++c) {
                const std::size_t down = r * odd_row * row, right = c * odd_column * V::size;
                gradient_[r][c] = gradient + down + right;
                winner_[r][c] = winner + down + right;
                place_[r][c] = V(static_cast<T>(1 + (r ^ odd_row) * 2 + (c ^ odd_column)));
            }
    }
    [[gnu::always_inline]] V load(int r, int c) const {
        const std::size_t at = r / 2 * row_ + c / 2 * V::size;
        const auto wins = V::load_aligned(winner_[r % 2][c % 2] + at) == place_[r % 2][c % 2];
        return choose(wins, V::load_aligned(gradient_[r % 2][c % 2] + at), V(T(0)));
    }

private:
    const T *gradient_[2][2], *winner_[2][2];
    std::size_t row_;
    V place_[2][2];
};

/// V = Bᵀ d B of one patch; the results go to planes `plane` values apart.
template <class V, int R, int C, class Patch, class T>
void transform_patch(const Patch& patch, T* out, std::size_t plane) {
    constexpr int rows = winograd_transform<R>::patch, columns = winograd_transform<C>::patch;
    V between[rows][columns];
#pragma GCC unroll 7
    for (int c = 0; c < columns; ++c) {
        V d[rows], t[rows];
#pragma GCC unroll 7
        for (int r = 0; r < rows; ++r) d[r] = patch.load(r, c);
        winograd_transform<R>::input(d, t);
#pragma GCC unroll 7
        for (int r = 0; r < rows; ++r) between[r][c] = t[r];
    }
#pragma GCC unroll 7
    for (int r = 0; r < rows; ++r) {
        V t[columns];
        winograd_transform<C>::input(between[r], t);
#pragma GCC unroll 7
        for (int c = 0; c < columns; ++c) t[c].store_aligned(out + (r * columns + c) * plane);
    }
}

/// The first half of Y = Aᵀ M A: `between` = Aᵀ M, of one tile whose planes stand `plane` values apart.
template <class V, int R, int C, class T>
[[gnu::always_inline]] inline void gather_columns(const T* from, std::size_t plane,
                                                  V (&between)[R][winograd_transform<C>::patch]) {
    constexpr int rows = winograd_transform<R>::patch, columns = winograd_transform<C>::patch;
#pragma GCC unroll 7
    for (int c = 0; c < columns; ++c) {
        V m[rows], y[R];
#pragma GCC unroll 7
        for (int r = 0; r < rows; ++r) m[r] = V::load_aligned(from + (r * columns + c) * plane);
        winograd_transform<R>::output(m, y);
#pragma GCC unroll 5
        for (int r = 0; r < R; ++r) between[r][c] = y[r];
    }
}

/// Y = Aᵀ M A of one tile, bias and epilogue applied; stores the first `height` rows and `width` columns from `at` on.
template <class V, int R, int C, class T>
void finish_tile(const T* from, std::size_t plane, V bias, std::ptrdiff_t at, std::size_t row, int height, int width,
                 const epilogue<T>& e) {
    V between[R][winograd_transform<C>::patch];
    gather_columns<V, R, C>(from, plane, between);
    for (int r = 0; r < height; ++r, at += static_cast<std::ptrdiff_t>(row)) {
        V y[C];
        winograd_transform<C>::output(between[r], y);
#pragma GCC unroll 5
        for (int c = 0; c < C; ++c)
            if (c < width) finish(e, at + c * static_cast<std::ptrdiff_t>(V::size), y[c] + bias);
    }
}

/// The same followed by a 2×2 max pool: stores the windows' largest values from e.output + at on, and their winners as
/// `routed_patch` reads them. R, C, height and width are even.
template <class V, int R, int C, class T>
void finish_pooled_tile(const T* from, std::size_t plane, V bias, std::ptrdiff_t at, std::size_t row, int height, int width,
                        const epilogue<T>& e, T* winner) {
    V between[R][winograd_transform<C>::patch];
    gather_columns<V, R, C>(from, plane, between);
    const V zero(T(0));
    for (int r = 0; r < height; r += 2, at += static_cast<std::ptrdiff_t>(row)) {
        V y[2][C];
        winograd_transform<C>::output(between[r], y[0]);
        winograd_transform<C>::output(between[r + 1], y[1]);
#pragma GCC unroll 2
        for (int c = 0; c < C; c += 2) {
            if (c >= width) continue;
            const V window[4] = {y[0][c] + bias, y[0][c + 1] + bias, y[1][c] + bias, y[1][c + 1] + bias};
            V best = window[0], first = zero;
#pragma GCC unroll 3
            for (int k = 1; k < 4; ++k) best = choose(window[k] > best || !(window[k] == window[k]), window[k], best);
#pragma GCC unroll 4
            for (int k = 3; k >= 0; --k) first = choose(window[k] == best, V(static_cast<T>(k + 1)), first);
            if (e.relu) {
                best = choose(best < zero, zero, best);
                first = choose(best > zero, first, zero);
            }
            const auto to = at + c / 2 * static_cast<std::ptrdiff_t>(V::size);
            best.store_aligned(e.output + to);
            first.store_aligned(winner + to);
        }
    }
}

}  // namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE
