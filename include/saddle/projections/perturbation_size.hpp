#pragma once
#include "saddle/core/images.hpp"

namespace saddle {

/// Linf, L2, L1 (in double) and L0 of z - x for images [C,H,W]; L0 counts pixels with any channel changed.
struct perturbation_size {
    double linf = 0, l2 = 0, l1 = 0, l0 = 0;
    friend bool operator==(const perturbation_size&, const perturbation_size&) = default;
};

template <class T>
[[nodiscard]] perturbation_size measure_perturbation(std::span<const T> x, std::span<const T> z, extents each) {
    perturbation_size size;
    double squares = 0;
    for (std::size_t e = 0; e < x.size(); ++e) {
        const double d = std::abs(static_cast<double>(z[e]) - static_cast<double>(x[e]));
        size.linf = std::max(size.linf, d);
        squares += d * d;
        size.l1 += d;
    }
    size.l2 = std::sqrt(squares);
    for (std::size_t p = 0; p < each.pixels(); ++p) {
        bool changed = false;
        for (std::size_t c = 0; c < each.channels; ++c) changed = changed || x[c * each.pixels() + p] != z[c * each.pixels() + p];
        size.l0 += changed;
    }
    return size;
}

}  // namespace saddle
