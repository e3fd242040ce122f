#pragma once
#include "saddle/core/images.hpp"

#include <limits>

namespace saddle {

/// How `adversarial_labels` chooses what the true class gives away.
struct adversarial_label_settings {
    double budget = .5;  ///< eps_y in [0,1): 1 - y'_c
    double ratio = 0;    ///< beta > 0: y'_c / max_{k != c} y'_k instead of a budget, which then differs from image to image
    double gamma = .01;  ///< > 0
};

namespace detail {

/// -log p_k of one vector of logits, with p + 1e-8 as in the authors' code.
template <class T>
void label_costs(std::span<const T> logits, std::vector<double>& v) {
    double top = -std::numeric_limits<double>::infinity(), sum = 0;
    for (const T z : logits) top = std::max(top, static_cast<double>(z));
    for (const T z : logits) sum += std::exp(static_cast<double>(z) - top);
    v.resize(logits.size());
    for (std::size_t k = 0; k < v.size(); ++k) v[k] = -std::log(std::exp(static_cast<double>(logits[k]) - top) / sum + 1e-8);
}

}  // namespace detail

/// The labels [N][K] that raise the cross-entropy most, in closed form (bilateral adversarial training, Wang & Zhang 2019).
///
/// With v_k = -log p_k of the clean image, c its class, v_MC and v_LL the smallest and largest of the others:
/// y'_k = eps_y/(K-1) · (v_k - v_MC + gamma)/(mean_{k != c} v_k - v_MC + gamma), y'_c = 1 - eps_y. With a ratio beta, eps_y = 1/(1 +
/// beta (v_LL - v_MC + gamma)/sum_{k != c}(v_k - v_MC + gamma)), which makes y'_c / max y'_k exactly beta. Equal v give label smoothing.
/// Throws invalid_argument for settings out of range, shape_error unless there are N K logits, data_error for labels out of range,
/// numeric_error for logits that are not finite.
template <class T>
[[nodiscard]] std::vector<T> adversarial_labels(std::span<const T> logits, const labels& y, std::size_t classes,
                                                const adversarial_label_settings& s = {}) {
    constexpr std::string_view where = "adversarial_labels";
    require(classes >= 2, where, "classes", "at least 2", classes);
    require(s.budget >= 0 && s.budget < 1, where, "budget", "a number in [0,1)", s.budget);
    require(s.ratio >= 0 && std::isfinite(s.ratio), where, "ratio", "a finite number >= 0", s.ratio);
    require(s.gamma > 0 && std::isfinite(s.gamma), where, "gamma", "a finite number > 0", s.gamma);
    require<shape_error>(logits.size() == y.size() * classes, where, "number of logits", y.size() * classes, logits.size());
    require_valid_labels(y, y.size(), classes, where);
    std::vector<T> soft(logits.size());
    std::vector<double> v;
    for (std::size_t i = 0; i < y.size(); ++i) {
        const auto own = static_cast<std::size_t>(y[i]);
        const auto row = logits.subspan(i * classes, classes);
        for (const T z : row)
            if (!std::isfinite(z))
                throw numeric_error(text(where, ": logits of image ", i, "; expected finite numbers, found ", z));
        detail::label_costs(row, v);
        double least = std::numeric_limits<double>::infinity(), most = -least, sum = 0;
        for (std::size_t k = 0; k < classes; ++k)
            if (k != own) least = std::min(least, v[k]), most = std::max(most, v[k]);
        for (std::size_t k = 0; k < classes; ++k)
            if (k != own) sum += v[k] - least + s.gamma;
        const double budget = s.ratio > 0 ? 1 / (1 + s.ratio * (most - least + s.gamma) / sum) : s.budget;
        for (std::size_t k = 0; k < classes; ++k)
            soft[i * classes + k] = static_cast<T>(k == own ? 1 - budget : budget * (v[k] - least + s.gamma) / sum);
    }
    return soft;
}

}  // namespace saddle
