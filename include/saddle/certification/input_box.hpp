#pragma once
#include "saddle/core/fingerprint.hpp"
#include "saddle/core/images.hpp"

#include <charconv>
#include <cmath>
#include <limits>
#include <numeric>

namespace saddle {

namespace detail {

/// The shortest text that reads back as the same number.
[[nodiscard]] inline std::string exact_number(double v) {
    char digits[64];
    return {digits, std::to_chars(digits, digits + sizeof digits, v).ptr};
}

/// The smallest intervals of T around x ± epsilon, cut with [0,1]: outward, so that they hold the real ball. Two loops, each of one
/// width of masks and without branches, so that compilers vectorise them.
template <class T>
inline void outward_intervals(std::span<const T> x, double epsilon, std::span<T> lower, std::span<T> upper) {
    constexpr std::size_t chunk = 64;
    T low[chunk], high[chunk], over[chunk], under[chunk];
    const auto ulp = [](T v) { return std::abs(v) * std::numeric_limits<T>::epsilon() + std::numeric_limits<T>::min(); };
    for (std::size_t first = 0; first < x.size(); first += chunk) {
        const std::size_t count = std::min(chunk, x.size() - first);
        for (std::size_t i = 0; i < count; ++i) {
            const double below = static_cast<double>(x[first + i]) - epsilon, above = static_cast<double>(x[first + i]) + epsilon;
            low[i] = static_cast<T>(below);
            high[i] = static_cast<T>(above);
            over[i] = static_cast<T>(static_cast<double>(low[i]) - below);  // the sign survives the cast, or it is 0
            under[i] = static_cast<T>(static_cast<double>(high[i]) - above);
        }
        for (std::size_t i = 0; i < count; ++i) {
            const T lo = over[i] >= 0 ? low[i] - ulp(low[i]) : low[i], hi = under[i] <= 0 ? high[i] + ulp(high[i]) : high[i];
            lower[first + i] = lo > T(0) ? lo : T(0);
            upper[first + i] = hi < T(1) ? hi : T(1);
        }
    }
}

}  // namespace detail

/// A precondition: an interval for every pixel of an image. A box is called with the image's number, its pixels and the ends to fill,
/// all [C,H,W]; `validate` throws invalid_argument for settings that mean nothing. A box that is to be saved with a partition also
/// says what it is: `describe()`, a text that two different boxes do not share.
template <class B, class T>
concept InputBox = requires(const B& box, std::size_t image, std::span<const T> x, std::span<T> end) {
    box(image, x, end, end);
    box.validate(image, std::string_view{});
};

/// The Linf ball of radius epsilon around each image, cut with [0,1] and rounded outward.
struct linf_box {
    double epsilon = .1;

    [[nodiscard]] std::string describe() const { return "Linf ball, epsilon " + detail::exact_number(epsilon); }
    void validate(std::size_t, std::string_view where) const {
        require(epsilon >= 0 && epsilon <= 1, where, "epsilon", "a number in [0,1]", epsilon);
    }
    template <class T>
    void operator()(std::size_t, std::span<const T> x, std::span<T> lower, std::span<T> upper) const {
        if (epsilon == 0) {
            std::copy(x.begin(), x.end(), lower.begin());
            std::copy(x.begin(), x.end(), upper.begin());
            return;
        }
        detail::outward_intervals(x, epsilon, lower, upper);
    }
};

/// Brightening by delta (catalogue C7, AI2): a pixel of at least 1 - delta may take any value up to 1, all others stay.
struct brightening {
    double delta = .1;

    [[nodiscard]] std::string describe() const { return "brightening, delta " + detail::exact_number(delta); }
    void validate(std::size_t, std::string_view where) const {
        require(delta >= 0 && delta <= 1, where, "delta", "a number in [0,1]", delta);
    }
    template <class T>
    void operator()(std::size_t, std::span<const T> x, std::span<T> lower, std::span<T> upper) const {
        for (std::size_t i = 0; i < x.size(); ++i) {
            lower[i] = x[i];
            upper[i] = static_cast<double>(x[i]) >= 1 - delta ? T(1) : x[i];
        }
    }
};

/// One interval per pixel of every image, as given: lower and upper ends [N,C,H,W], lower <= upper, finite.
template <class T>
struct given_boxes {
    const basic_images<T>& lower;
    const basic_images<T>& upper;

    [[nodiscard]] std::string describe() const {
        const std::uint64_t sum = fingerprint(std::as_bytes(upper.values()), fingerprint(std::as_bytes(lower.values())));
        return text("given boxes, fingerprint ", sum);
    }
    void validate(std::size_t images, std::string_view where) const {
        require<shape_error>(lower.size() == images && upper.size() == images && lower.each() == upper.each(), where,
                             "numbers of lower and upper ends", images, text(lower.size(), " and ", upper.size()));
        for (std::size_t i = 0; i < lower.values().size(); ++i)
            if (!(lower.values()[i] <= upper.values()[i]) || !std::isfinite(lower.values()[i]) ||
                !std::isfinite(upper.values()[i]))
                throw data_error(text(where, ": box of image ", i / lower.each().size(), ", element ", i % lower.each().size(),
                                      "; expected finite lower <= upper, found ", lower.values()[i], " and ", upper.values()[i]));
    }
    void operator()(std::size_t image, std::span<const T>, std::span<T> lo, std::span<T> hi) const {
        std::copy(lower[image].begin(), lower[image].end(), lo.begin());
        std::copy(upper[image].begin(), upper[image].end(), hi.begin());
    }
};

}  // namespace saddle
