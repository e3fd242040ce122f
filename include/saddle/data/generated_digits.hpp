#pragma once
#include "saddle/core/philox.hpp"
#include "saddle/data/dataset.hpp"
#include "saddle/data/digit_glyphs.hpp"

#include <cmath>

namespace saddle {

namespace detail {

/// The draws of one image, one after the other. Only +, -, *, / and sqrt follow, so every machine gets the same pixels.
class digit_draws {
public:
    digit_draws(const random_stream& stream, std::uint64_t example) : stream_(stream), example_(example) {}
    double between(double low, double high) { return low + (high - low) * stream_.uniform(example_, next_++); }
    std::uint32_t below(std::size_t n) { return stream_.below(static_cast<std::uint32_t>(n), example_, next_++); }

private:
    const random_stream& stream_;
    std::uint64_t example_, next_ = 0;
};

/// Squared distances of the pixels of a 28x28 image to a set of line pieces, known within `reach` pixels of them.
class digit_canvas {
public:
    static constexpr std::size_t side = 28;

    explicit digit_canvas(double reach) : reach_(reach), squared_(side * side, 1e9) {}

    void line(glyph_point a, glyph_point b) {
        const double dx = b.x - a.x, dy = b.y - a.y, length = dx * dx + dy * dy + 1e-12;
        const auto [left, right] = range(a.x, b.x);
        const auto [top, bottom] = range(a.y, b.y);
        for (std::size_t row = top; row < bottom; ++row)
            for (std::size_t column = left; column < right; ++column) {
                const double px = static_cast<double>(column) - a.x, py = static_cast<double>(row) - a.y;
                const double along = std::clamp((px * dx + py * dy) / length, 0.0, 1.0);
                const double ex = px - along * dx, ey = py - along * dy;
                double& known = squared_[row * side + column];
                known = std::min(known, ex * ex + ey * ey);
            }
    }
    /// A Catmull-Rom curve through `points`, closed when it ends where it starts.
    void curve(const std::vector<glyph_point>& points) {
        const std::size_t last = points.size() - 1;
        const bool closed = last > 2 && points[0].x == points[last].x && points[0].y == points[last].y;
        for (std::size_t i = 0; i < last; ++i) {
            const glyph_point p = points[i], q = points[i + 1];
            const glyph_point before = i > 0 ? points[i - 1] : closed ? points[last - 1] : p;
            const glyph_point after = i + 1 < last ? points[i + 2] : closed ? points[1] : q;
            glyph_point from = p;
            for (int k = 1; k <= 4; ++k) {
                const double t = .25 * k;
                const auto at = [t](double z, double a, double b, double c) {
                    return a + .5 * t * (b - z + t * (2 * z - 5 * a + 4 * b - c + t * (3 * (a - b) + c - z)));
                };
                const glyph_point to{at(before.x, p.x, q.x, after.x), at(before.y, p.y, q.y, after.y)};
                line(from, to);
                from = to;
            }
        }
    }
    /// How much of a pixel a pen of radius `radius` with an edge `softness` wide covers: 0 to 1.
    [[nodiscard]] double coverage(std::size_t pixel, double radius, double softness) const {
        return std::clamp((radius - std::sqrt(squared_[pixel])) / softness + .5, 0.0, 1.0);
    }

private:
    [[nodiscard]] std::pair<std::size_t, std::size_t> range(double a, double b) const {
        const auto inside = [](double v) { return static_cast<std::size_t>(std::clamp(v, 0.0, static_cast<double>(side))); };
        return {inside(std::min(a, b) - reach_), inside(std::max(a, b) + reach_ + 1)};
    }
    double reach_;
    std::vector<double> squared_;
};

/// One image of `digit`, 28x28, pixels multiples of 1/255.
inline void draw_digit(std::size_t digit, const random_stream& stream, std::uint64_t example, std::span<float> out) {
    constexpr std::size_t side = digit_canvas::side;
    digit_draws draw(stream, example);
    const auto& ways = digit_glyphs()[digit];
    const glyph& form = ways[draw.below(ways.size())];

    const double height = draw.between(16, 21), width = height * draw.between(.75, 1.15), shear = draw.between(-.2, .2);
    const double half = draw.between(-.11, .11), cosine = (1 - half * half) / (1 + half * half),
                 sine = 2 * half / (1 + half * half);
    const double center_x = 13.5 + draw.between(-2, 2), center_y = 13.5 + draw.between(-2, 2);
    const double radius = draw.between(.9, 1.6), softness = draw.between(1, 1.8);
    const double paper = draw.between(0, .1), contrast = draw.between(.65, .9), tilt_x = draw.between(-.06, .06),
                 tilt_y = draw.between(-.06, .06);

    std::vector<glyph_point> points;
    for (const auto& p : form.points) {
        const double y = p.y - .5 + draw.between(-.04, .04), x = p.x - .35 + draw.between(-.04, .04) - shear * y;
        points.push_back({center_x + cosine * x * width - sine * y * height, center_y + sine * x * width + cosine * y * height});
    }
    digit_canvas ink(radius + softness), scratches(radius + softness);
    for (const auto stroke : form.strokes) {
        std::vector<glyph_point> path;
        for (const char name : stroke) path.push_back(points[static_cast<std::size_t>(name - 'a')]);
        ink.curve(path);
    }
    const double scratch_contrast = contrast * draw.between(.3, .7);
    for (std::uint32_t k = draw.below(3); k > 0; --k) {
        const glyph_point a{draw.between(-2, 29), draw.between(-2, 29)};
        const double dx = draw.between(-6, 6), dy = draw.between(-6, 6), bend = draw.between(-2, 2);
        scratches.curve({a, {a.x + .5 * dx + bend, a.y + .5 * dy - bend}, {a.x + dx, a.y + dy}});
    }

    const std::uint32_t grain = draw.below(3);
    constexpr std::uint64_t noise_start = 4096;  // far behind the draws above
    philox::block words{};
    for (std::size_t p = 0; p < side * side; ++p) {
        if (p % 16 == 0) words = stream.quad(example, noise_start + p / 16);
        const std::uint32_t byte = words[p / 4 % 4] >> (8 * (p % 4)) & 255u;
        const int noise = (static_cast<int>((byte & 15u) + (byte >> 4)) - 15) * static_cast<int>(grain) / 2;
        const std::size_t row = p / side, column = p % side;
        const double x = (static_cast<double>(column) - 13.5) / 14, y = (static_cast<double>(row) - 13.5) / 14;
        const double mark =
            std::max(contrast * ink.coverage(p, radius, softness), scratch_contrast * scratches.coverage(p, .6, 1.2));
        const double gray = std::max(0.0, paper + tilt_x * x + tilt_y * y + mark);
        const int level = static_cast<int>(std::floor(255 * gray + .5)) + noise;
        out[p] = static_cast<float>(std::clamp(level, 0, 255)) / 255.0f;
    }
}

}  // namespace detail

/// The built-in data set: `train_count` and `test_count` drawn digits [N,1,28,28] in [0,1], class of example i is i mod 10. Pure
/// function of (seed, part, index), the same on every machine: a longer set begins with the shorter one. The digits have low
/// contrast, uneven paper and stray strokes, so that perturbations of .1 matter. A count of 0 leaves that part empty. Own design,
/// no published source.
[[nodiscard]] inline split_dataset generated_digits(std::size_t train_count = 10'000, std::size_t test_count = 2'000,
                                                    std::uint64_t seed = 0) {
    split_dataset result;
    const auto fill = [&](dataset& part, std::size_t count, std::uint32_t which) {
        part = {"generated digits",
                images(count, {1, 28, 28}),
                labels(count),
                10,
                {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}};
        const random_stream stream({.seed = seed, .purpose = purpose::generated_data, .sample = which});
        for (std::size_t i = 0; i < count; ++i) {
            part.y[i] = static_cast<std::int32_t>(i % 10);
            detail::draw_digit(i % 10, stream, i, part.x[i]);
        }
    };
    fill(result.train, train_count, 0);
    fill(result.test, test_count, 1);
    return result;
}

}  // namespace saddle
