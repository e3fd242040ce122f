#pragma once
#include "saddle/core/shape.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

namespace saddle {

/// Class indices, one per image.
using labels = std::vector<std::int32_t>;

/// Owned images [N,C,H,W], contiguous, values in [0,1] by convention.
template <class T>
class basic_images {
public:
    using value_type = T;

    basic_images() = default;
    /// `count` images of extents [C,H,W], zero-filled.
    basic_images(std::size_t count, extents each) : each_(each), count_(count), values_(count * each.size()) {}

    [[nodiscard]] std::size_t size() const { return count_; }
    [[nodiscard]] bool empty() const { return count_ == 0; }
    [[nodiscard]] extents each() const { return each_; }
    [[nodiscard]] std::span<T> operator[](std::size_t i) { return {values_.data() + i * each_.size(), each_.size()}; }
    [[nodiscard]] std::span<const T> operator[](std::size_t i) const { return {values_.data() + i * each_.size(), each_.size()}; }
    [[nodiscard]] T* data() { return values_.data(); }
    [[nodiscard]] const T* data() const { return values_.data(); }
    [[nodiscard]] std::span<T> values() { return values_; }
    [[nodiscard]] std::span<const T> values() const { return values_; }

    /// Images first .. first+count-1. Throws shape_error when they do not exist.
    [[nodiscard]] basic_images slice(std::size_t first, std::size_t count) const {
        require<shape_error>(first + count <= count_, "images::slice", "range past the end", text("at most ", count_),
                             first + count);
        basic_images part(count, each_);
        std::copy_n(values_.data() + first * each_.size(), count * each_.size(), part.values_.data());
        return part;
    }

    friend bool operator==(const basic_images&, const basic_images&) = default;

private:
    extents each_{};
    std::size_t count_ = 0;
    std::vector<T> values_;
};

using images = basic_images<float>;

/// Throws data_error unless every value is a finite number in [0,1]; names the first image and pixel that is not.
template <class T>
void require_valid_images(const basic_images<T>& x, std::string_view where) {
    const auto valid = [](T v) { return v >= T(0) && v <= T(1); };
    const auto values = x.values();
    constexpr std::size_t chunk = 64;  // of a constant size, so that it becomes SIMD code
    std::size_t first = 0;
    for (bool all = true; first + chunk <= values.size(); first += chunk) {
        for (std::size_t k = 0; k < chunk; ++k) all &= valid(values[first + k]);
        if (!all) break;
    }
    for (std::size_t i = first; i < values.size(); ++i)
        if (!valid(values[i]))
            throw data_error(text(where, ": image ", i / x.each().size(), ", element ", i % x.each().size(),
                                  "; expected a value in [0,1], found ", values[i]));
}

/// Throws unless there is one label in [0, classes) per image.
inline void require_valid_labels(const labels& y, std::size_t count, std::size_t classes, std::string_view where) {
    require<shape_error>(y.size() == count, where, "number of labels", count, y.size());
    for (std::size_t i = 0; i < y.size(); ++i)
        if (y[i] < 0 || static_cast<std::size_t>(y[i]) >= classes)
            throw data_error(text(where, ": label of image ", i, "; expected 0 to ", classes - 1, ", found ", y[i]));
}

}  // namespace saddle
