#pragma once
#include "saddle/core/images.hpp"

#if __has_include(<xtensor/containers/xadapt.hpp>)  // xtensor 0.26 sorted its headers into folders
#include <xtensor/containers/xadapt.hpp>
#include <xtensor/containers/xtensor.hpp>
#else
#include <xtensor/xadapt.hpp>
#include <xtensor/xtensor.hpp>
#endif

#include <array>

namespace saddle {

/// A view of `values` as an xtensor of the given extents, row-major; the memory stays the caller's.
///
/// Throws shape_error when the extents do not multiply to the number of values.
template <class T, std::size_t Rank>
[[nodiscard]] auto as_xtensor(std::span<T> values, const std::array<std::size_t, Rank>& extents) {
    std::size_t size = 1;
    for (const auto e : extents) size *= e;
    require<shape_error>(size == values.size(), "as_xtensor", "number of values", size, values.size());
    return xt::adapt(values.data(), values.size(), xt::no_ownership(), extents);
}

/// A view of images as an xtensor [N,C,H,W].
template <class T>
[[nodiscard]] auto as_xtensor(basic_images<T>& x) {
    return as_xtensor(x.values(), std::array<std::size_t, 4>{x.size(), x.each().channels, x.each().height, x.each().width});
}
template <class T>
[[nodiscard]] auto as_xtensor(const basic_images<T>& x) {
    return as_xtensor(x.values(), std::array<std::size_t, 4>{x.size(), x.each().channels, x.each().height, x.each().width});
}

/// Images [N,C,H,W] with the values of an xtensor expression of rank 4. Throws shape_error for another rank.
template <class T = float, class E>
[[nodiscard]] basic_images<T> images_from(const xt::xexpression<E>& expression) {
    const auto& e = expression.derived_cast();
    require<shape_error>(e.dimension() == 4, "images_from", "rank", 4, e.dimension());
    const auto extent = [&](std::size_t axis) { return static_cast<std::size_t>(e.shape()[axis]); };
    basic_images<T> x(extent(0), {extent(1), extent(2), extent(3)});
    auto view = as_xtensor(x);
    view = xt::cast<T>(e);
    return x;
}

}  // namespace saddle
