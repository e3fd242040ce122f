#pragma once
#include "saddle/core/arena.hpp"
#include "saddle/projections/l1.hpp"
#include "saddle/projections/l2.hpp"
#include "saddle/projections/linf.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

namespace saddle {

/// The shortest way, in the norm of a projection, from points t in [0,1]^n to the hyperplanes <w, z> = b inside [0,1]^n, for one block
/// (Croce & Hein 2020, FAB, eq. 7 to 9); to the corner nearest to the hyperplane where it does not meet the box.
///
/// With r_i the room of element i in the direction that changes <w, z> as wanted and c = |<w, t> - b|: Linf moves min(lambda, r_i), L2
/// min(lambda |w_i|, r_i), lambda the root of sum_i |w_i| move_i = c, reached by Newton steps from the left in finitely many passes,
/// as the sum is concave and piecewise linear; L1 moves the elements of the largest |w_i| as far as they go. Sums are in double.
template <class Projection, class V>
    requires std::same_as<Projection, linf> || std::same_as<Projection, l2> || std::same_as<Projection, l1>
class hyperplane_step {
public:
    using T = lane_scalar<V>;
    static constexpr std::size_t lanes = lane_values<V>::size;

    explicit hyperplane_step(std::size_t elements) : elements_(elements), order_(is_l1 ? elements : 0) {}

    /// d <- the step; `excess` [lane] is <w, t> - b. Returns the steps' lengths. t, w, d [elements][lane]; w finite.
    [[nodiscard]] typename wide<V>::buffer find(const T* t, const T* w, const typename wide<V>::buffer& excess, T* d) {
        if constexpr (is_l1)
            return find_largest(t, w, excess, d);
        else
            return find_root(t, w, excess, d);
    }
    /// The norm dual to the projection's, of each lane of w.
    [[nodiscard]] typename wide<V>::buffer dual_norm(const T* w) const {
        auto sum = W::all(0);
        for_each_wide<V>(elements_, w, w, [&](std::size_t p, const D& v, const D&) {
            if constexpr (is_l1)
                sum[p] = larger(sum[p], magnitude(v));
            else if constexpr (is_l2)
                sum[p] = multiply_add(v, v, sum[p]);
            else
                sum[p] = sum[p] + magnitude(v);
        });
        return lengths(sum);
    }

private:
    using W = wide<V>;
    using D = typename W::value;
    static constexpr bool is_l1 = std::same_as<Projection, l1>, is_l2 = std::same_as<Projection, l2>;

    [[nodiscard]] static typename W::buffer lengths(const typename W::registers& sums) {
        typename W::buffer all;
        for (std::size_t p = 0; p < W::parts; ++p) W::store(all, p, sums[p]);
        if (is_l2)
            for (double& v : all.at) v = std::sqrt(v);
        return all;
    }
    /// How far an element at t can go, and how far it would go for lambda. side: 1 where <w, t> must become smaller, else -1.
    [[nodiscard]] static D room(const D& t, const D& w, const D& side) { return choose(side * w > D(0), t, D(1) - t); }
    [[nodiscard]] static D wish(const D& lambda, const D& size) { return is_l2 ? lambda * size : lambda; }

    [[nodiscard]] typename W::buffer find_root(const T* t, const T* w, const typename W::buffer& excess, T* d) {
        constexpr double beyond = 1e300;
        typename W::registers lambda = W::all(0), side, need;
        std::array<typename W::mask, W::parts> arrived;
        for (std::size_t p = 0; p < W::parts; ++p) {
            const D c = W::load(excess, p);
            side[p] = choose(c < D(0), D(-1), D(1));
            need[p] = magnitude(c);
            arrived[p] = no_lane<D>();
        }
        for (bool first = true, moves = true; moves; first = false) {
            auto open = W::all(0), full = W::all(0);
            for_each_wide<V>(elements_, t, w, [&](std::size_t p, const D& at, const D& weight) {
                const D size = magnitude(weight), limit = room(at, weight, side[p]);
                const auto stops = first ? no_lane<D>() : wish(lambda[p], size) >= limit;
                open[p] = open[p] + choose(stops, D(0), is_l2 ? size * size : size);
                full[p] = full[p] + choose(stops, size * limit, D(0));
            });
            moves = false;
            for (std::size_t p = 0; p < W::parts; ++p) {
                const D next = choose(open[p] > D(0), (need[p] - full[p]) / open[p], D(beyond));
                const auto goes = !arrived[p] && next > lambda[p] * D(1 + 1e-14);
                lambda[p] = choose(goes, smaller(next, D(beyond)), lambda[p]);
                arrived[p] = !goes;
                moves = moves || any_lane(goes);
            }
        }
        auto length = W::all(0);
        typename W::buffer at, weight;
        for (std::size_t e = 0; e < elements_; ++e) {
            W::widen(t + e * lanes, at);
            W::widen(w + e * lanes, weight);
            for (std::size_t p = 0; p < W::parts; ++p) {
                const D v = W::load(weight, p), size = magnitude(v);
                const D step = choose(size > D(0), smaller(wish(lambda[p], size), room(W::load(at, p), v, side[p])), D(0));
                length[p] = is_l2 ? multiply_add(step, step, length[p]) : larger(length[p], step);
                W::store(at, p, choose(side[p] * v > D(0), D(0) - step, step));
            }
            W::narrow(at, d + e * lanes);
        }
        return lengths(length);
    }

    [[nodiscard]] typename W::buffer find_largest(const T* t, const T* w, const typename W::buffer& excess, T* d) {
        typename W::buffer length;
        std::fill_n(d, elements_ * lanes, T(0));
        for (std::size_t l = 0; l < lanes; ++l) {
            const double side = excess.at[l] < 0 ? -1 : 1;
            const auto size = [&](std::uint32_t e) { return std::abs(static_cast<double>(w[e * lanes + l])); };
            const auto reach = [&](std::uint32_t e) {
                const auto at = static_cast<double>(t[e * lanes + l]);
                return side * static_cast<double>(w[e * lanes + l]) > 0 ? at : 1 - at;
            };
            const auto before = [&](std::uint32_t a, std::uint32_t b) {
                const double sa = size(a), sb = size(b);
                return sa > sb || (!(sb > sa) && a < b);
            };
            std::iota(order_.begin(), order_.end(), 0u);
            auto low = order_.begin(), high = order_.end();
            double need = std::abs(excess.at[l]);
            while (high - low > 1) {  // halves the candidates for the element that goes only part of its way
                const auto middle = low + (high - low) / 2;
                std::nth_element(low, middle, high, before);
                double gain = 0;
                for (auto e = low; e != middle; ++e) gain += size(*e) * reach(*e);
                if (gain >= need) {
                    high = middle;
                } else {
                    need -= gain;
                    low = middle;
                }
            }
            length.at[l] = 0;
            const auto go = [&](std::uint32_t e, double step) {
                if (!(size(e) > 0)) return;
                length.at[l] += step;
                d[e * lanes + l] = static_cast<T>(side * static_cast<double>(w[e * lanes + l]) > 0 ? -step : step);
            };
            for (auto e = order_.begin(); e != low; ++e) go(*e, reach(*e));
            if (size(*low) > 0) go(*low, std::min(need / size(*low), reach(*low)));
        }
        return length;
    }

    std::size_t elements_;
    std::vector<std::uint32_t> order_;
};

}  // namespace saddle
