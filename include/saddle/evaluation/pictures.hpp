#pragma once
#include "saddle/core/images.hpp"
#include "saddle/evaluation/format.hpp"
#include "saddle/evaluation/report.hpp"
#include "saddle/io/png.hpp"

namespace saddle {

namespace detail {

/// The magnitude that gets the end of the colour scale; 0 when every value is 0 or not finite.
inline double color_scale(const grid_cell& cell) {
    double largest = 0, squares = 0;
    for (const float v : cell.values)
        if (std::isfinite(v)) largest = std::max(largest, std::abs(static_cast<double>(v)));
    if (cell.kind != value_kind::gradient || largest == 0) return largest;
    for (const float v : cell.values)
        if (std::isfinite(v)) squares += (v / largest) * (v / largest);
    return std::min(largest, 3 * largest * std::sqrt(squares / static_cast<double>(cell.values.size())));
}

/// White at 0, red towards 1, blue towards -1.
inline void put_diverging(double v, std::uint8_t* rgb) {
    constexpr double zero[] = {247, 247, 247}, plus[] = {178, 24, 43}, minus[] = {33, 102, 172};
    const double share = std::min(1., std::abs(v));
    for (int k = 0; k < 3; ++k)
        rgb[k] = static_cast<std::uint8_t>(std::lround(zero[k] + ((v < 0 ? minus : plus)[k] - zero[k]) * share));
}

}  // namespace detail

/// Colours of a cell. Images are shown as they are; perturbations and gradients of grey images from blue (negative) over white to
/// red, of colour images per channel around the middle grey. Throws shape_error unless C is 1 or 3 and the number of values is
/// right.
[[nodiscard]] inline picture to_picture(const grid_cell& cell) {
    if (cell.kind == value_kind::intensity) return to_picture(std::span<const float>(cell.values), cell.size);
    const double scale = detail::color_scale(cell);
    std::vector<float> middle(cell.values.size());
    std::transform(cell.values.begin(), cell.values.end(), middle.begin(), [scale](float v) {
        return std::isfinite(v) && scale > 0 ? static_cast<float>(std::clamp(.5 + .5 * v / scale, 0., 1.)) : .5f;
    });
    picture out = to_picture(std::span<const float>(middle), cell.size);
    if (cell.size.channels == 3) return out;
    out.size.channels = 3;
    out.pixels.resize(3 * middle.size());
    for (std::size_t i = 0; i < middle.size(); ++i) detail::put_diverging(2. * middle[i] - 1, &out.pixels[3 * i]);
    return out;
}

/// What the pictures of one attack show: the images, what the attack made of them, the labels, the predictions before and after.
struct attacked_images {
    const images& original;
    const images& adversarial;
    const labels& truth;
    const labels& clean_prediction;
    const labels& prediction;
    std::vector<std::string> class_names = {};  ///< empty: the numbers
};

/// A grid original / perturbation / adversarial of the given examples. Throws shape_error when sizes differ or an example does
/// not exist.
[[nodiscard]] inline picture_grid adversarial_grid(std::string title, const attacked_images& a,
                                                   const std::vector<std::size_t>& examples) {
    const std::size_t n = a.original.size();
    require<shape_error>(
        a.adversarial.size() == n && a.adversarial.each() == a.original.each() && a.truth.size() == n &&
            a.clean_prediction.size() == n && a.prediction.size() == n,
        "adversarial_grid", "images, labels and predictions", text(n, " of each, of one shape"),
        text(a.adversarial.size(), ", ", a.truth.size(), ", ", a.clean_prediction.size(), ", ", a.prediction.size()));
    const auto name = [&](std::int32_t k) {
        const bool named = k >= 0 && static_cast<std::size_t>(k) < a.class_names.size();
        return named ? a.class_names[static_cast<std::size_t>(k)] : k < 0 ? std::string("none") : std::to_string(k);
    };
    picture_grid grid{std::move(title), "", {"original", "perturbation", "adversarial"}, {}};
    for (const auto i : examples) {
        require<shape_error>(i < n, "adversarial_grid", "example", text("less than ", n), i);
        const auto x = a.original[i], z = a.adversarial[i];
        std::vector<float> difference(x.size());
        for (std::size_t k = 0; k < x.size(); ++k) difference[k] = z[k] - x[k];
        float largest = 0;
        for (const float v : difference) largest = std::max(largest, std::abs(v));
        const auto cell = [&](value_kind kind, std::vector<float> values, std::string caption, bool wrong) {
            return grid_cell{kind, a.original.each(), std::move(values), std::move(caption), wrong};
        };
        const auto predicted = [&](std::int32_t k) { return name(a.truth[i]) + " → " + name(k); };
        grid.rows.push_back(
            {cell(value_kind::intensity, {x.begin(), x.end()}, predicted(a.clean_prediction[i]),
                  a.clean_prediction[i] != a.truth[i]),
             cell(value_kind::difference, std::move(difference), "± " + short_text(largest), false),
             cell(value_kind::intensity, {z.begin(), z.end()}, predicted(a.prediction[i]), a.prediction[i] != a.truth[i])});
    }
    return grid;
}

}  // namespace saddle
