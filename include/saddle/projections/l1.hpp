#pragma once
#include "saddle/projections/draws.hpp"
#include "saddle/projections/exact.hpp"
#include "saddle/projections/projection.hpp"
#include "saddle/projections/top_slopes.hpp"

namespace saddle {

/// What a radius means for images stored as T of `elements` elements: bound and aim of the distance.
template <class T>
struct l1_limits {
    double radius, bound, aim;
    SADDLE_HOST_DEVICE l1_limits(double epsilon, std::size_t elements)
        : radius(smaller(epsilon, 1e100)), bound(radius * (1 - 0x1p-52)), aim(rounded_radius<T>(radius) / sum_bound(elements)) {}
};

/// How far the range lets an element move in the direction of d.
template <class D>
[[nodiscard]] SADDLE_HOST_DEVICE inline D room_towards(const D& d, const D& x) {
    return choose(d > D(0), D(1) - x, x);
}
/// How far an element moves: |d| less lambda, at most as far as the range allows.
template <class D>
[[nodiscard]] SADDLE_HOST_DEVICE inline D shortened_move(const D& distance, const D& lambda, const D& room) {
    return smaller(larger(distance - lambda, D(0)), room);
}

/// The L1 balls of one block, cut with the data range.
///
/// The nearest point of ball ∩ range to v moves element i by clip(|d_i| - lambda, 0, room_i) towards v, with the smallest
/// lambda >= 0 that keeps the sum <= epsilon: neither radial rescaling nor project-then-clip. lambda is the root of a decreasing,
/// piecewise linear function: Newton steps inside a bracket, the secant of the bracket where they leave it, and now and then its
/// middle. Then lambda grows until the stored
/// image's distance, summed in double and rounded up, is <= epsilon.
template <class V>
class l1_ball {
public:
    using T = lane_scalar<V>;
    static constexpr std::size_t lanes = lane_values<V>::size;

    [[nodiscard]] static std::size_t memory(std::size_t) { return 0; }

    template <class Options>
    l1_ball(const Options& options, std::size_t elements, std::span<T>)
        : elements_(elements), largest_(std::min(options.largest, elements)) {}

    void centre(const T* x, const double* epsilon) {
        x_ = x;
        for (std::size_t l = 0; l < lanes; ++l) {
            const l1_limits<T> limits(epsilon[l], elements_);
            radius_.at[l] = limits.radius;
            bound_.at[l] = limits.bound;
            aim_.at[l] = limits.aim;
        }
    }

    /// Uniform in the ball: spacings of the unit simplex (normalised exponentials, one more than elements) with random signs.
    void uniform_start(const random_stream& draws, const std::uint64_t* ids, T* v) const {
        using std::log;
        auto total = W::all(0);
        typename W::buffer u;
        for_each_quad<lanes>(draws, ids, elements_ / 4 + 1, [&](std::size_t q, const auto& words) {
            for (std::size_t i = 0; i < 4 && 4 * q + i <= elements_; ++i) {
                for (std::size_t l = 0; l < lanes; ++l) u.at[l] = ((words[i][l] >> 1) + .5) * 0x1p-31;
                for (std::size_t p = 0; p < W::parts; ++p) {
                    const D spacing = D(0) - log(W::load(u, p));
                    total[p] = total[p] + spacing;
                    W::store(u, p, spacing);
                }
                if (4 * q + i == elements_) break;
                T* out = v + (4 * q + i) * lanes;
                for (std::size_t l = 0; l < lanes; ++l) out[l] = static_cast<T>(words[i][l] & 1 ? u.at[l] : -u.at[l]);
            }
        });
        alignas(lane_alignment) T length[lanes];
        for (std::size_t p = 0; p < W::parts; ++p) W::store(u, p, W::load(radius_, p) / total[p]);
        for (std::size_t l = 0; l < lanes; ++l) length[l] = static_cast<T>(std::min(u.at[l], 1e30));
        const V factor = io::load(length);
        for (std::size_t e = 0; e < elements_ * lanes; e += lanes)
            io::store(v + e, multiply_add(factor, io::load(v + e), io::load(x_ + e)));
    }

    void project(const T* v, T* z) const {
        auto inside_sum = W::all(0), peak = W::all(0);
        for_each_wide<V>(elements_, x_, v, [&](std::size_t p, const D& x, const D& wanted) {
            const D at = usable_pixel(wanted, x);
            inside_sum[p] = inside_sum[p] + magnitude(clip_to_range(at) - x);
            peak[p] = larger(peak[p], magnitude(at - x));
        });
        registers lambda = W::all(0);
        masks inside;
        bool all_inside = true;
        for (std::size_t p = 0; p < W::parts; ++p) {
            inside[p] = inside_sum[p] * D(sum_bound(elements_)) <= W::load(bound_, p);
            all_inside = all_inside && !any_lane(!inside[p]);
        }
        if (!all_inside) find_root(v, inside, peak, lambda);
        registers growth = W::all(pixel_rounding<T>);
        while (!store(v, z, inside, lambda, growth)) {
        }
    }

    [[nodiscard]] typename lane_values<V>::mask step(T* z, T* gradient, const T* size) const {
        const auto finite = move_along_largest<V>(z, gradient, elements_, size, largest_);
        project(gradient, z);
        return !finite;
    }

private:
    using io = lane_values<V>;
    using W = wide<V>;
    using D = typename W::value;
    using registers = typename W::registers;
    using masks = std::array<typename W::mask, W::parts>;

    void find_root(const T* v, const masks& inside, const registers& peak, registers& lambda) const {
        const D tolerance(1e-13 + (sum_bound(elements_) - 1));
        masks arrived = inside;
        registers below = W::all(0), above = peak;  // the sum is > epsilon at `below`, <= epsilon at `above`
        registers excess_below = W::all(0), excess_above;
        for (std::size_t p = 0; p < W::parts; ++p) excess_above[p] = D(0) - W::load(aim_, p);
        for (std::size_t p = 0; p < W::parts; ++p) {
            const auto nothing = !(W::load(aim_, p) > D(0));
            lambda[p] = choose(nothing, peak[p], lambda[p]);
            arrived[p] = arrived[p] || nothing;
        }
        for (int pass = 0; pass < 200; ++pass) {
            auto sum = W::all(0), slope = W::all(0);
            for_each_wide<V>(elements_, x_, v, [&](std::size_t p, const D& x, const D& wanted) {
                const D d = usable_pixel(wanted, x) - x, rest = magnitude(d) - lambda[p], room = room_towards(d, x);
                sum[p] = sum[p] + smaller(larger(rest, D(0)), room);
                slope[p] = slope[p] + choose(rest > D(0) && rest < room, D(1), D(0));
            });
            bool all_arrived = true;
            const auto usual = pass % 8 == 7 ? no_lane<D>() : !no_lane<D>();
            for (std::size_t p = 0; p < W::parts; ++p) {
                const D excess = sum[p] - W::load(aim_, p);
                const auto far = excess > D(0);
                below[p] = choose(far, lambda[p], below[p]);
                excess_below[p] = choose(far, excess, excess_below[p]);
                above[p] = choose(far, above[p], lambda[p]);
                excess_above[p] = choose(far, excess_above[p], excess);
                const D width = above[p] - below[p], newton = lambda[p] + excess / larger(slope[p], D(1));
                const D secant = below[p] + width * (excess_below[p] / (excess_below[p] - excess_above[p]));
                const D guess = choose(newton > below[p] && newton < above[p], newton, secant);
                const D next = choose(guess > below[p] && guess < above[p] && usual, guess, below[p] + D(.5) * width);
                const auto close = magnitude(excess) <= tolerance * W::load(aim_, p) || width <= D(1e-15) * peak[p];
                const auto moves = !arrived[p] && !close;
                lambda[p] = choose(moves, next, lambda[p]);
                arrived[p] = !moves;
                all_arrived = all_arrived && !any_lane(moves);
            }
            if (all_arrived) return;
        }
    }

    /// Stores the shortened moves, or clip(v) inside. Enlarges lambda where the stored image is still too far; false when any
    /// lane was.
    bool store(const T* v, T* z, const masks& inside, registers& lambda, registers& growth) const {
        auto sum = W::all(0);
        typename W::buffer x, at;
        for (std::size_t e = 0; e < elements_; ++e) {
            T* out = z + e * lanes;
            W::widen(x_ + e * lanes, x);
            W::widen(v + e * lanes, at);
            for (std::size_t p = 0; p < W::parts; ++p) {
                const D centre = W::load(x, p), here = usable_pixel(W::load(at, p), centre), d = here - centre;
                const D move = shortened_move(magnitude(d), lambda[p], room_towards(d, centre));
                W::store(at, p, clip_to_range(choose(inside[p], here, centre + choose(d < D(0), D(0) - move, move))));
            }
            W::narrow(at, out);
            W::widen(out, at);
            for (std::size_t p = 0; p < W::parts; ++p) sum[p] = sum[p] + magnitude(W::load(at, p) - W::load(x, p));
        }
        bool done = true;
        for (std::size_t p = 0; p < W::parts; ++p) {
            const auto fits = sum[p] * D(sum_bound(elements_)) <= W::load(bound_, p);
            lambda[p] = choose(fits, lambda[p], lambda[p] + growth[p]);
            growth[p] = choose(fits, growth[p], growth[p] * D(2));
            done = done && !any_lane(!fits);
        }
        return done;
    }

    std::size_t elements_, largest_;
    const T* x_ = nullptr;
    typename W::buffer radius_, bound_, aim_;
};

/// sum_i |x'_i - x_i| <= epsilon. Ascent: `largest` elements of the largest slope magnitude that can still move inside the data
/// range share the step equally, each with its slope's sign. Uniform start: simplex spacings with random signs.
struct l1 {
    static constexpr std::string_view name = "l1";
    double epsilon = 12;
    std::size_t largest = 1;

    template <class V>
    using ball = l1_ball<V>;
    void validate(std::string_view where) const {
        require_epsilon(epsilon, where);
        require(largest >= 1, where, "l1 largest", "at least 1", largest);
    }
};

}  // namespace saddle
