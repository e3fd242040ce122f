#pragma once
#include "saddle/core/images.hpp"
#include "saddle/projections/box_only.hpp"
#include "saddle/projections/l0.hpp"
#include "saddle/projections/l1.hpp"
#include "saddle/projections/l2.hpp"

namespace saddle {

/// What `verify_in_threat` found.
struct threat_check {
    std::size_t violations = 0;   ///< images outside ball or range, or with a value that is not finite
    std::size_t first = 0;        ///< the first such image
    double largest_distance = 0;  ///< over all finite images, in the projection's norm
    std::string reason;           ///< why `first` is outside; empty when all are inside
    [[nodiscard]] bool ok() const { return violations == 0; }
};

namespace detail {

/// Sum of non-negative doubles with its rounding errors carried along (Neumaier 1974): independent of the projections' own sums.
class careful_sum {
public:
    void add(double v) {
        const double next = sum_ + v;
        carry_ += sum_ >= v ? (sum_ - next) + v : (v - next) + sum_;
        sum_ = next;
    }
    [[nodiscard]] double value() const { return sum_ + carry_; }

private:
    double sum_ = 0, carry_ = 0;
};

template <class T>
[[nodiscard]] double distance(const linf&, std::span<const T> x, std::span<const T> z) {
    double largest = 0;
    for (std::size_t e = 0; e < x.size(); ++e)
        largest = std::max(largest, std::abs(static_cast<double>(z[e]) - static_cast<double>(x[e])));
    return largest;
}
template <class T>
[[nodiscard]] double distance(const l2&, std::span<const T> x, std::span<const T> z) {
    careful_sum squares;
    for (std::size_t e = 0; e < x.size(); ++e) {
        const double d = static_cast<double>(z[e]) - static_cast<double>(x[e]);
        squares.add(d * d);
    }
    return std::sqrt(squares.value());
}
template <class T>
[[nodiscard]] double distance(const l1&, std::span<const T> x, std::span<const T> z) {
    careful_sum sum;
    for (std::size_t e = 0; e < x.size(); ++e) sum.add(std::abs(static_cast<double>(z[e]) - static_cast<double>(x[e])));
    return sum.value();
}
template <class T>
[[nodiscard]] double distance(const box_only&, std::span<const T> x, std::span<const T> z) {
    return distance(linf{}, x, z);
}

template <class T>
[[nodiscard]] double distance(const l0& threat, std::span<const T> x, std::span<const T> z) {
    const std::size_t pixels = x.size() / threat.channels;
    std::size_t changed = 0;
    for (std::size_t p = 0; p < pixels; ++p) {
        bool any = false;
        for (std::size_t e = p; e < x.size(); e += pixels) any = any || x[e] < z[e] || x[e] > z[e] || z[e] != z[e];
        changed += any;
    }
    return static_cast<double>(changed);
}

/// A user's projection brings its own: `template <class T> static double distance(std::span<const T> x, std::span<const T> z)`.
template <class P, class T>
    requires requires(std::span<const T> v) { P::distance(v, v); }
[[nodiscard]] double distance(const P&, std::span<const T> x, std::span<const T> z) { return P::distance(x, z); }

/// Whether the real distance is <= epsilon.
template <class P, class T>
[[nodiscard]] bool within(const P&, std::span<const T> x, std::span<const T> z, double epsilon, double found) {
    if constexpr (std::is_same_v<P, box_only>) {
        return true;
    } else if constexpr (std::is_same_v<P, linf>) {
        for (std::size_t e = 0; e < x.size(); ++e) {
            const double a = static_cast<double>(x[e]), b = static_cast<double>(z[e]);
            if (distance_excess(std::max(a, b), std::min(a, b), epsilon) > 0) return false;
        }
        return true;
    } else if constexpr (std::is_same_v<P, l0>) {
        return found <= epsilon;
    } else {
        return found == 0 || found * (1 + 0x1p-50) <= epsilon;
    }
}

}  // namespace detail

/// Distance of each image of `z` from its clean image in the projection's norm, in double. Throws shape_error for unlike sets.
template <class P, class T>
[[nodiscard]] std::vector<double> distances(const P& projection, const basic_images<T>& x, const basic_images<T>& z) {
    require<shape_error>(x.size() == z.size() && x.each() == z.each(), "distances", "images", text(x.size(), " of ", x.each()),
                         text(z.size(), " of ", z.each()));
    std::vector<double> all(x.size());
    for (std::size_t i = 0; i < x.size(); ++i)
        all[i] = detail::distance(projection, std::span<const T>(x[i]), std::span<const T>(z[i]));
    return all;
}

/// Checks, independently of the attack that made them, that all images of `z` are finite, in [0,1] and within epsilon of `x`.
///
/// `epsilons` gives each image its own radius; empty means projection.epsilon for all. The distance is compared in real
/// arithmetic (L2 and L1: rounded up by four units of a double). Throws shape_error for unlike sets.
template <class P, class T>
[[nodiscard]] threat_check verify_in_threat(const basic_images<T>& x, const basic_images<T>& z, const P& projection,
                                            std::span<const double> epsilons = {}) {
    const auto all = distances(projection, x, z);
    require<shape_error>(epsilons.empty() || epsilons.size() == x.size(), "verify_in_threat", "number of epsilons", x.size(),
                         epsilons.size());
    threat_check check;
    for (std::size_t i = 0; i < x.size(); ++i) {
        const double epsilon = epsilons.empty() ? projection.epsilon : epsilons[i];
        const auto values = z[i];
        const auto bad = std::find_if(values.begin(), values.end(), [](T v) { return !(v >= T(0) && v <= T(1)); });
        std::string reason;
        if (bad != values.end())
            reason = text("element ", bad - values.begin(), " is ", *bad, ", outside [0,1]");
        else if (!detail::within(projection, x[i], values, epsilon, all[i]))
            reason = text(P::name, " distance ", all[i], " exceeds epsilon ", epsilon);
        if (bad == values.end()) check.largest_distance = std::max(check.largest_distance, all[i]);
        if (reason.empty()) continue;
        if (check.violations++ == 0) {
            check.first = i;
            check.reason = std::move(reason);
        }
    }
    return check;
}

}  // namespace saddle
