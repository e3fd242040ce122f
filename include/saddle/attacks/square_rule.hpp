#pragma once
#include "saddle/attacks/profile.hpp"
#include "saddle/core/shape.hpp"
#include "saddle/projections/l1.hpp"
#include "saddle/projections/l2.hpp"
#include "saddle/projections/linf.hpp"

#include <vector>

namespace saddle {

/// One proposal of the Square attack for one image: the size of its windows and its draws.
struct square_proposal {
    random_stream draws;
    std::uint64_t id = 0;
    std::size_t size = 0;
    attack_profile profile = attack_profile::official;

    /// First row (axis 0) or column (axis 1) of window 0 or 1 in an extent of `length`. The reference never draws the last place.
    [[nodiscard]] std::size_t place(std::size_t window, std::size_t axis, std::size_t length) const {
        const std::size_t room = length - size;
        const std::size_t places = profile == attack_profile::official ? std::max<std::size_t>(room, 1) : room + 1;
        return draws.below(static_cast<std::uint32_t>(places), id, 2 * window + axis);
    }
    [[nodiscard]] bool transposed() const { return bit(4); }
    [[nodiscard]] bool positive(std::size_t channel) const { return bit(8 + channel); }
    [[nodiscard]] bool bit(std::size_t element) const { return draws.bits(id, element) >> 31; }
};

/// What of the Square attack depends on the norm. `start` and `propose` write lane l of z, `propose` returns false if that is its
/// best image again; `settle` makes that lane of z and of the best images equal again, whichever won. Between them, `place` brings all lanes of z into ball and range.
template <class Projection, class V>
class square_rule;

/// Linf: vertical stripes of ± epsilon; then a window of ± 2 epsilon per channel, cut to the ball: every element is at an end of its
/// interval.
template <class V>
class square_rule<linf, V> {
public:
    using T = lane_scalar<V>;
    static constexpr std::size_t lanes = lane_values<V>::size;
    static constexpr bool odd_sizes = false;

    square_rule(const linf& projection, extents image, std::span<const std::size_t>)
        : image_(image), memory_(linf::ball<V>::memory(image.size())), beyond_(image.size() * lanes), low_(beyond_.size()),
          high_(beyond_.size()), ball_(projection, image.size(), memory_) {}

    void centre(const T* x, const double* epsilon) {
        ball_.centre(x, epsilon);
        std::fill(beyond_.begin(), beyond_.end(), T(-2));
        ball_.project(beyond_.data(), low_.data());
        std::fill(beyond_.begin(), beyond_.end(), T(2));
        ball_.project(beyond_.data(), high_.data());
    }
    void start(std::size_t l, const square_proposal& p, T* z) {
        window_[l] = {0, 0, image_.height, image_.width};
        for_window(l, [&](std::size_t c, std::size_t, std::size_t column, std::size_t i) {
            z[i] = p.bit(c * image_.width + column) ? high_[i] : low_[i];
        });
    }
    bool propose(std::size_t l, const square_proposal& p, const T* best, T* z) {
        window_[l] = {p.place(0, 0, image_.height), p.place(0, 1, image_.width), p.size, p.size};
        bool differs = false;
        for (std::size_t c = 0; c < image_.channels; ++c) {
            const auto& end = p.positive(c) ? high_ : low_;
            for_channel(l, c, [&](std::size_t, std::size_t, std::size_t i) {
                z[i] = end[i];
                differs = differs || z[i] != best[i];
            });
        }
        return differs;
    }
    void place(const T*, T*) const {}
    void settle(std::size_t l, const T* from, T* to) const {
        for_window(l, [&](std::size_t, std::size_t, std::size_t, std::size_t i) { to[i] = from[i]; });
    }

private:
    struct window {
        std::size_t row = 0, column = 0, height = 0, width = 0;
    };
    template <class F>
    void for_channel(std::size_t l, std::size_t c, F&& f) const {
        const auto& w = window_[l];
        for (std::size_t r = w.row; r < w.row + w.height; ++r)
            for (std::size_t k = w.column; k < w.column + w.width; ++k)
                f(r, k, ((c * image_.height + r) * image_.width + k) * lanes + l);
    }
    template <class F>
    void for_window(std::size_t l, F&& f) const {
        for (std::size_t c = 0; c < image_.channels; ++c)
            for_channel(l, c, [&](std::size_t r, std::size_t k, std::size_t i) { f(c, r, k, i); });
    }

    extents image_;
    lane_vector<T> memory_, beyond_, low_, high_;
    linf::ball<V> ball_;
    std::array<window, lanes> window_{};
};

/// L2 and L1: a tiling of bumps of two signs; then one window gets a bump and the norm that another window gives up.
template <class Projection, class V>
    requires std::same_as<Projection, l2> || std::same_as<Projection, l1>
class square_rule<Projection, V> {
public:
    using T = lane_scalar<V>;
    static constexpr std::size_t lanes = lane_values<V>::size;
    static constexpr bool odd_sizes = true;

    /// `sizes`: of the windows that proposals will have.
    square_rule(const Projection& projection, extents image, std::span<const std::size_t> sizes)
        : image_(image), memory_(ball_type::memory(image.size())), delta_(image.size()), fresh_(image.pixels()),
          bumps_(std::min(image.height, image.width) + 1), ball_(projection, image.size(), memory_) {
        for (const std::size_t s : sizes) prepare_bump(s);
        prepare_bump(tile());
    }

    void centre(const T* x, const double* epsilon) {
        x_ = x;
        epsilon_ = epsilon;
        ball_.centre(x, epsilon);
    }
    void start(std::size_t l, const square_proposal& p, T* z) {
        const std::size_t s = tile(), rows = image_.height / s, columns = image_.width / s;
        const std::size_t top = (image_.height - rows * s) / 2, left = (image_.width - columns * s) / 2;
        std::fill(delta_.begin(), delta_.end(), 0.);
        for (std::size_t t = 0; t < rows * columns; ++t) {
            const std::size_t first = t * (image_.channels + 1);
            const bool transposed = p.bit(first);
            for (std::size_t c = 0; c < image_.channels; ++c) {
                const double sign = p.bit(first + 1 + c) ? 1 : -1;
                for_square(c, top + t / columns * s, left + t % columns * s, s,
                           [&](std::size_t i, std::size_t j, double& d) { d = sign * bump(s, i, j, transposed); });
            }
        }
        write(l, z);
    }
    bool propose(std::size_t l, const square_proposal& p, const T* best, T* z) {
        const std::size_t s = p.size, elements = image_.size();
        const std::size_t top = p.place(0, 0, image_.height), left = p.place(0, 1, image_.width);
        const std::size_t other_top = p.place(1, 0, image_.height), other_left = p.place(1, 1, image_.width);
        double all = 0;
        for (std::size_t e = 0; e < elements; ++e) {
            delta_[e] = static_cast<double>(best[e * lanes + l]) - static_cast<double>(x_[e * lanes + l]);
            all += measure(delta_[e]);
        }
        const double room = std::max(measure(epsilon_[l]) - all, 0.), channels = static_cast<double>(image_.channels);
        const bool transposed = p.transposed();
        for (std::size_t c = 0; c < image_.channels; ++c) {
            double inside = 0, either = 0, size = 0;
            for_square(c, top, left, s, [&](std::size_t, std::size_t, double& d) { inside += measure(d); });
            for_square(c, other_top, other_left, s, [&](std::size_t i, std::size_t j, double& d) {
                const std::size_t r = other_top + i, k = other_left + j;
                if (r < top || r >= top + s || k < left || k >= left + s) either += measure(d);
            });
            either += inside;
            const double sign = p.positive(c) ? 1 : -1, unit = 1e-12 + norm(inside);
            for_square(c, top, left, s, [&](std::size_t i, std::size_t j, double& d) {
                const double value = sign * bump(s, i, j, transposed) + d / unit;
                fresh_[i * s + j] = value;
                size += measure(value);
            });
            const double length =
                (is_l1 ? (room / channels + either) * channels : std::sqrt(room / channels + either)) / (1e-12 + norm(size));
            for_square(c, other_top, other_left, s, [&](std::size_t, std::size_t, double& d) { d = 0; });
            for_square(c, top, left, s, [&](std::size_t i, std::size_t j, double& d) { d = length * fresh_[i * s + j]; });
        }
        write(l, z);
        return true;
    }
    /// z = nearest point of ball and range to the proposals in `from`.
    void place(const T* from, T* z) const { ball_.project(from, z); }
    void settle(std::size_t l, const T* from, T* to) const {
        for (std::size_t i = l; i < image_.size() * lanes; i += lanes) to[i] = from[i];
    }

private:
    using ball_type = typename Projection::template ball<V>;
    static constexpr bool is_l1 = std::same_as<Projection, l1>;

    [[nodiscard]] static double measure(double d) { return is_l1 ? std::abs(d) : d * d; }
    [[nodiscard]] static double norm(double sum) { return is_l1 ? sum : std::sqrt(sum); }
    [[nodiscard]] std::size_t tile() const { return std::max<std::size_t>(std::min(image_.height, image_.width) / 5, 1); }
    [[nodiscard]] double bump(std::size_t s, std::size_t i, std::size_t j, bool transposed) const {
        return transposed ? bumps_[s][j * s + i] : bumps_[s][i * s + j];
    }
    template <class F>
    void for_square(std::size_t c, std::size_t top, std::size_t left, std::size_t s, F&& f) {
        for (std::size_t i = 0; i < s; ++i)
            for (std::size_t j = 0; j < s; ++j) f(i, j, delta_[(c * image_.height + top + i) * image_.width + left + j]);
    }
    /// Lane l of z = x + delta, for L2 at length epsilon; `place` does the rest.
    void write(std::size_t l, T* z) const {
        double factor = 1;
        if constexpr (!is_l1) {
            double squares = 0;
            for (const double d : delta_) squares += d * d;
            factor = rounded_radius<T>(epsilon_[l]) / (1e-12 + std::sqrt(squares));
        }
        for (std::size_t e = 0; e < delta_.size(); ++e)
            z[e * lanes + l] = static_cast<T>(static_cast<double>(x_[e * lanes + l]) + factor * delta_[e]);
    }
    /// The bump of size s: an upper half of nested rectangles of weight 1/n² (L1: 1/n⁴) around a centre, the lower half its negative;
    /// of norm 1.
    void prepare_bump(std::size_t s) {
        auto& table = bumps_[s];
        if (!table.empty()) return;
        table.assign(s * s, 0.);
        add_half(table, s, 0, s / 2, 1);
        add_half(table, s, s / 2, s - s / 2, -1);
        normalize(table.data(), table.size());
    }
    void add_half(std::vector<double>& table, std::size_t s, std::size_t first, std::size_t height, double sign) const {
        if (height == 0) return;
        const auto rows = static_cast<std::ptrdiff_t>(height), columns = static_cast<std::ptrdiff_t>(s);
        const std::ptrdiff_t row = rows / 2, column = columns / 2;
        double* half = table.data() + first * s;
        for (std::ptrdiff_t n = 0; n <= std::max(row, column); ++n) {
            const auto count = static_cast<double>(n + 1);
            const double weight = sign / (is_l1 ? count * count * count * count : count * count);
            for (std::ptrdiff_t r = std::max<std::ptrdiff_t>(row - n, 0); r < std::min(row + n + 1, rows); ++r)
                for (std::ptrdiff_t k = std::max<std::ptrdiff_t>(column - n, 0); k < std::min(column + n + 1, columns); ++k)
                    half[r * columns + k] += weight;
        }
        normalize(half, height * s);
    }
    static void normalize(double* values, std::size_t count) {
        double sum = 0;
        for (std::size_t i = 0; i < count; ++i) sum += measure(values[i]);
        for (std::size_t i = 0; i < count; ++i) values[i] /= norm(sum);
    }

    extents image_;
    lane_vector<T> memory_;
    std::vector<double> delta_, fresh_;
    std::vector<std::vector<double>> bumps_;  ///< by size
    ball_type ball_;
    const T* x_ = nullptr;
    const double* epsilon_ = nullptr;
};

}  // namespace saddle
