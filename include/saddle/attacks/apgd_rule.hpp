#pragma once
#include "saddle/projections/l1.hpp"
#include "saddle/projections/l2.hpp"
#include "saddle/projections/linf.hpp"

#include <vector>

namespace saddle {

/// What of APGD depends on the norm: the first step, the start, the direction of ascent, and how a point gets back into the ball.
///
/// `draw` makes v = x + a start; `ascend` v = z + step · direction and returns the lanes whose gradient is not finite; `place` brings
/// v into ball and range. Specialised for linf, l2 and l1.
template <class Projection, class V>
class apgd_rule;

/// Linf: sign of the gradient; start u / max|u| · epsilon with u uniform in [-1,1]^n.
template <class V>
class apgd_rule<linf, V> {
public:
    using T = lane_scalar<V>;
    using ball_type = linf::ball<V>;
    static constexpr bool momentum = true;

    explicit apgd_rule(std::size_t elements) : elements_(elements) {}

    void draw(const random_stream& draws, const std::uint64_t* ids, const T* x, const double* epsilon, T* v) const {
        std::fill_n(v, elements_ * lanes, T(0));
        alignas(lane_alignment) T one[lanes], scale[lanes];
        std::fill_n(one, lanes, T(1));
        add_uniform<V>(draws, ids, elements_, v, one, v);
        io::store(scale, summarize_gradient<V>(v, elements_).peak);
        for (std::size_t l = 0; l < lanes; ++l)
            scale[l] = scale[l] > 0 ? static_cast<T>(std::min(epsilon[l], 1e30) / static_cast<double>(scale[l])) : T(0);
        const V factor = io::load(scale);
        for (std::size_t e = 0; e < elements_ * lanes; e += lanes)
            io::store(v + e, multiply_add(factor, io::load(v + e), io::load(x + e)));
    }
    [[nodiscard]] typename lane_values<V>::mask ascend(const T* z, const T* gradient, const T* step, const double*, T* v) const {
        const V length = io::load(step);
        V flaw(0);
        for (std::size_t e = 0; e < elements_ * lanes; e += lanes) {
            const V slope = io::load(gradient + e);
            flaw = flaw + (slope - slope);
            io::store(v + e, io::load(z + e) + choose(slope > V(0), length, choose(slope < V(0), V(0) - length, V(0))));
        }
        return !(flaw == V(0));  // NaN included
    }
    void place(const ball_type& ball, const T*, const double*, T* v, T* z) const { ball.project(v, z); }

private:
    using io = lane_values<V>;
    static constexpr std::size_t lanes = io::size;
    std::size_t elements_;
};

/// L2: the unit gradient; start on the sphere. Points are scaled back along the ray from x and then cut by the range, as in the
/// reference: this stays inside, but is not the nearest point of ball ∩ range.
template <class V>
class apgd_rule<l2, V> {
public:
    using T = lane_scalar<V>;
    using ball_type = l2::ball<V>;
    static constexpr bool momentum = true;

    explicit apgd_rule(std::size_t elements) : elements_(elements) {}

    void draw(const random_stream& draws, const std::uint64_t* ids, const T* x, const double* epsilon, T* v) const {
        alignas(lane_alignment) T length[lanes], scale[lanes];
        for (std::size_t l = 0; l < lanes; ++l) length[l] = static_cast<T>(std::min(epsilon[l], 1e30));
        fill_normal<V>(draws, ids, elements_, 1, v);
        const auto squares = squared_norm<V>(v, elements_, V(1));
        for (std::size_t l = 0; l < lanes; ++l)
            scale[l] = static_cast<T>(static_cast<double>(length[l]) / std::max(std::sqrt(squares.at[l]), 1e-30));
        const V factor = io::load(scale);
        for (std::size_t e = 0; e < elements_ * lanes; e += lanes)
            io::store(v + e, multiply_add(factor, io::load(v + e), io::load(x + e)));
    }
    [[nodiscard]] typename lane_values<V>::mask ascend(const T* z, const T* gradient, const T* step, const double*, T* v) const {
        std::copy_n(gradient, elements_ * lanes, v);
        return !move_along_unit<V>(z, v, elements_, step);
    }
    void place(const ball_type& ball, const T* x, const double* epsilon, T* v, T* z) const {
        auto squares = W::all(0);
        for_each_wide<V>(elements_, x, v, [&](std::size_t p, const D& from, const D& to) {
            const D d = to - from;
            squares[p] = multiply_add(d, d, squares[p]);
        });
        typename W::buffer norm;
        for (std::size_t p = 0; p < W::parts; ++p) W::store(norm, p, squares[p]);
        alignas(lane_alignment) T scale[lanes];
        for (std::size_t l = 0; l < lanes; ++l) {
            const double length = std::sqrt(norm.at[l]);
            scale[l] = length > epsilon[l] ? static_cast<T>(rounded_radius<T>(epsilon[l]) / length) : T(1);
        }
        const V factor = io::load(scale);
        for (std::size_t e = 0; e < elements_ * lanes; e += lanes) {
            const V from = io::load(x + e), to = io::load(v + e);
            io::store(v + e, choose(factor < V(1), multiply_add(factor, to - from, from), to));
        }
        ball.project(v, z);  // cuts by the range; else only moves what rounding left outside
    }

private:
    using io = lane_values<V>;
    using W = wide<V>;
    using D = typename W::value;
    static constexpr std::size_t lanes = io::size;
    std::size_t elements_;
};

/// L1 (Croce & Hein 2021): the signs of the largest slopes, each an equal share of the step; start x + N(0,I), projected.
template <class V>
class apgd_rule<l1, V> {
public:
    using T = lane_scalar<V>;
    using ball_type = l1::ball<V>;
    static constexpr bool momentum = false;

    explicit apgd_rule(std::size_t elements) : elements_(elements), magnitudes_(elements) {}

    void draw(const random_stream& draws, const std::uint64_t* ids, const T* x, const double*, T* v) const {
        fill_normal<V>(draws, ids, elements_, 1, v);
        for (std::size_t e = 0; e < elements_ * lanes; ++e) v[e] += x[e];
    }
    /// `share` [lane] is the part of the elements, in [0,1], that takes the step.
    [[nodiscard]] typename lane_values<V>::mask ascend(const T* z, const T* gradient, const T* step, const double* share, T* v) {
        const auto flawed = !summarize_gradient<V>(gradient, elements_).finite;
        alignas(lane_alignment) T flaw[lanes], limit[lanes], length[lanes];
        io::store(flaw, choose(flawed, V(1), V(0)));
        for (std::size_t l = 0; l < lanes; ++l) {
            limit[l] = std::numeric_limits<T>::infinity();
            length[l] = 0;
            if (flaw[l] != 0) continue;
            for (std::size_t e = 0; e < elements_; ++e) magnitudes_[e] = std::abs(gradient[e * lanes + l]);
            const double rank = (1 - share[l]) * static_cast<double>(elements_);
            const auto place = static_cast<std::size_t>(std::clamp(rank, 0., static_cast<double>(elements_ - 1)));
            const auto at = magnitudes_.begin() + static_cast<std::ptrdiff_t>(place);
            std::nth_element(magnitudes_.begin(), at, magnitudes_.end());
            limit[l] = *at;
            const auto count = std::count_if(at, magnitudes_.end(), [](T m) { return m > 0; });
            const auto equals = std::count_if(magnitudes_.begin(), at, [&](T m) { return m == limit[l] && m > 0; });
            if (count + equals > 0) length[l] = step[l] / static_cast<T>(count + equals);
        }
        const V threshold = io::load(limit), move = io::load(length);
        for (std::size_t e = 0; e < elements_ * lanes; e += lanes) {
            const V slope = io::load(gradient + e);
            const V signed_move = choose(slope > V(0), move, choose(slope < V(0), V(0) - move, V(0)));
            io::store(v + e, io::load(z + e) + choose(magnitude(slope) >= threshold, signed_move, V(0)));
        }
        return flawed;
    }
    void place(const ball_type& ball, const T*, const double*, T* v, T* z) const { ball.project(v, z); }

private:
    using io = lane_values<V>;
    static constexpr std::size_t lanes = io::size;
    std::size_t elements_;
    std::vector<T> magnitudes_;
};

}  // namespace saddle
