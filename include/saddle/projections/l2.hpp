#pragma once
#include "saddle/projections/draws.hpp"
#include "saddle/projections/exact.hpp"
#include "saddle/projections/projection.hpp"
#include "saddle/projections/slopes.hpp"

namespace saddle {

/// What a radius means for images stored as T of `elements` elements: bound and aim of the square of the distance, and how far
/// t shrinks at a time while a stored image is too far.
template <class T>
struct l2_limits {
    double radius, bound, aim, tick;
    SADDLE_HOST_DEVICE l2_limits(double epsilon, std::size_t elements)
        : radius(epsilon < 1e-150 ? 0 : smaller(epsilon, 1e100)), bound(square_below(radius)) {  // its square is a normal double
        const double rounded = rounded_radius<T>(radius);
        aim = rounded * rounded / sum_bound(elements);
        tick = smaller(pixel_rounding<T> * (1 + 1 / larger(radius, 1e-300)), 0x1p-10);
    }
};

/// The L2 balls of one block, cut with the data range.
///
/// The nearest point of ball ∩ range to v is clip(x + t (v - x)) with the largest t in [0,1] that keeps the distance <= epsilon:
/// not project-then-clip. s = t² is the root of the concave, piecewise linear sum_i min(s d_i², room_i²) = epsilon², which Newton
/// steps from the left reach in finitely many passes. Then t shrinks until the stored image's distance, summed in double and
/// rounded up, is <= epsilon.
template <class V>
class l2_ball {
public:
    using T = lane_scalar<V>;
    static constexpr std::size_t lanes = lane_values<V>::size;

    [[nodiscard]] static std::size_t memory(std::size_t) { return 0; }

    template <class Options>
    l2_ball(const Options&, std::size_t elements, std::span<T>) : elements_(elements) {}

    void centre(const T* x, const double* epsilon) {
        x_ = x;
        for (std::size_t l = 0; l < lanes; ++l) {
            const l2_limits<T> limits(epsilon[l], elements_);
            radius_.at[l] = limits.radius;
            bound_.at[l] = limits.bound;
            aim_.at[l] = limits.aim;
            tick_.at[l] = limits.tick;
        }
    }

    /// Uniform in the ball: a Gaussian direction times epsilon · U^(1/d).
    void uniform_start(const random_stream& draws, const std::uint64_t* ids, T* v) const {
        fill_normal<V>(draws, ids, elements_, 1, v);
        const auto squares = squared_norm<V>(v, elements_, V(1));
        alignas(lane_alignment) T length[lanes];
        for (std::size_t l = 0; l < lanes; ++l) {
            const double u = (draws.bits(ids[l], 4 * (elements_ / 2 + 1)) + .5) * 0x1p-32;
            const double radius = radius_.at[l] * std::pow(u, 1 / static_cast<double>(elements_));
            length[l] = static_cast<T>(std::min(radius, 1e30) / std::max(std::sqrt(squares.at[l]), 1e-30));
        }
        const V factor = io::load(length);
        for (std::size_t e = 0; e < elements_ * lanes; e += lanes)
            io::store(v + e, multiply_add(factor, io::load(v + e), io::load(x_ + e)));
    }

    void project(const T* v, T* z) const {
        auto inside_sum = W::all(0), total = W::all(0);
        for_each_wide<V>(elements_, x_, v, [&](std::size_t p, const D& x, const D& wanted) {
            const D at = usable_pixel(wanted, x), d = at - x, kept = clip_to_range(at) - x;
            inside_sum[p] = multiply_add(kept, kept, inside_sum[p]);
            total[p] = multiply_add(d, d, total[p]);
        });
        registers t;
        typename W::buffer shrink{};
        masks inside;
        bool all_inside = true;
        for (std::size_t p = 0; p < W::parts; ++p) {
            inside[p] = inside_sum[p] * D(sum_bound(elements_)) <= W::load(bound_, p);
            t[p] = choose(inside[p], D(1), W::load(aim_, p) / total[p]);  // t² where the range cuts nothing
            all_inside = all_inside && !any_lane(!inside[p]);
        }
        if (!all_inside) find_root(v, inside, t);
        for (std::size_t p = 0; p < W::parts; ++p) t[p] = sqrt_of(t[p]);
        while (!store(v, z, inside, t, shrink)) {
        }
    }

    [[nodiscard]] typename lane_values<V>::mask step(T* z, T* gradient, const T* size) const {
        const auto finite = move_along_unit<V>(z, gradient, elements_, size);
        project(gradient, z);
        return !finite;
    }

private:
    using io = lane_values<V>;
    using W = wide<V>;
    using D = typename W::value;
    using registers = typename W::registers;
    using masks = std::array<typename W::mask, W::parts>;

    static D sqrt_of(const D& v) {
        using std::sqrt;
        return sqrt(v);
    }

    /// Newton from the left on s, for lanes outside; lanes that have arrived keep their s, so no lane depends on another.
    void find_root(const T* v, const masks& inside, registers& s) const {
        masks arrived = inside;
        for (int pass = 0; pass < 60; ++pass) {
            auto free = W::all(0), cut = W::all(0);
            for_each_wide<V>(elements_, x_, v, [&](std::size_t p, const D& x, const D& wanted) {
                const D d = usable_pixel(wanted, x) - x, room = choose(d > D(0), D(1) - x, x);
                const D square = d * d, limit = room * room;
                const auto full = s[p] * square >= limit;
                free[p] = free[p] + choose(full, D(0), square);
                cut[p] = cut[p] + choose(full, limit, D(0));
            });
            bool all_arrived = true;
            for (std::size_t p = 0; p < W::parts; ++p) {
                const D next = choose(free[p] > D(0), (W::load(aim_, p) - cut[p]) / free[p], D(1));
                const auto moves = !arrived[p] && next > s[p] * D(1 + 1e-12);
                s[p] = choose(moves, smaller(next, D(1)), s[p]);
                arrived[p] = !moves;
                all_arrived = all_arrived && !any_lane(moves);
            }
            if (all_arrived) return;
        }
    }

    /// z = clip(x + t d), or clip(v) inside. Shrinks t where the stored image is still too far; false when any lane was.
    bool store(const T* v, T* z, const masks& inside, registers& t, typename W::buffer& shrink) const {
        auto sum = W::all(0);
        typename W::buffer x, at;
        for (std::size_t e = 0; e < elements_; ++e) {
            T* out = z + e * lanes;
            W::widen(x_ + e * lanes, x);
            W::widen(v + e * lanes, at);
            for (std::size_t p = 0; p < W::parts; ++p) {
                const D centre = W::load(x, p), here = usable_pixel(W::load(at, p), centre);
                W::store(at, p, clip_to_range(choose(inside[p], here, multiply_add(t[p], here - centre, centre))));
            }
            W::narrow(at, out);
            W::widen(out, at);
            for (std::size_t p = 0; p < W::parts; ++p) {
                const D d = W::load(at, p) - W::load(x, p);
                sum[p] = multiply_add(d, d, sum[p]);
            }
        }
        bool done = true;
        for (std::size_t p = 0; p < W::parts; ++p) {
            const auto fits = sum[p] * D(sum_bound(elements_)) <= W::load(bound_, p);
            const D less = choose(W::load(shrink, p) > D(0), W::load(shrink, p) * D(2), W::load(tick_, p));
            W::store(shrink, p, choose(fits, W::load(shrink, p), less));
            t[p] = choose(fits, t[p], choose(less < D(1), t[p] * (D(1) - less), D(0)));
            done = done && !any_lane(!fits);
        }
        return done;
    }

    std::size_t elements_;
    const T* x_ = nullptr;
    typename W::buffer radius_, bound_, aim_, tick_;
};

/// ‖x' - x‖2 <= epsilon. Ascent: gradient / ‖gradient‖2. Uniform start: uniform in the ball.
struct l2 {
    static constexpr std::string_view name = "l2";
    double epsilon = .5;

    template <class V>
    using ball = l2_ball<V>;
    void validate(std::string_view where) const { require_epsilon(epsilon, where); }
};

}  // namespace saddle
