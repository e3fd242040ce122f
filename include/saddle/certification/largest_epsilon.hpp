#pragma once
#include "saddle/certification/certify.hpp"

namespace saddle {

/// An Linf ball of its own radius around each image, cut with [0,1] and rounded outward.
struct linf_boxes {
    std::span<const double> epsilon;  ///< one per image

    void validate(std::size_t images, std::string_view where) const {
        require<shape_error>(epsilon.size() == images, where, "number of radii", images, epsilon.size());
        for (const double e : epsilon) linf_box{e}.validate(images, where);
    }
    template <class T>
    void operator()(std::size_t image, std::span<const T> x, std::span<T> lower, std::span<T> upper) const {
        linf_box{epsilon[image]}(image, x, lower, upper);
    }
};

/// How the largest certified radius is searched for.
struct radius_settings {
    double upper = .5;        ///< no larger radius is tried, in (0,1]
    double tolerance = 1e-4;  ///< the search ends when the bracket is this narrow, > 0
    certify_settings certify{};
};

/// What the search found about N images.
struct radius_result {
    std::string domain;
    soundness level = soundness::float_program;
    double upper = 0, tolerance = 0;    ///< of the search
    std::vector<double> certified;      ///< [N] the largest radius proven, 0 if none; NaN where the image is misclassified
    std::vector<double> refused;        ///< [N] the smallest radius tried and not proven; infinity if `upper` itself was proven
    labels predictions;                 ///< of the images themselves; -1: the logits were not finite
    std::vector<std::size_t> attempts;  ///< [N] boxes tried
    std::vector<double> seconds;        ///< [N] spent on each image, by one thread

    /// Share of all images whose radius is at least epsilon, in [0,1].
    [[nodiscard]] double certified_accuracy(double epsilon) const {
        std::size_t n = 0;
        for (const double c : certified) n += c >= epsilon;
        return certified.empty() ? 0 : static_cast<double>(n) / static_cast<double>(certified.size());
    }
};

namespace detail {

/// The images of `x` and labels that `list` names.
template <class T>
[[nodiscard]] std::pair<basic_images<T>, labels> gathered(const basic_images<T>& x, const labels& y,
                                                          const std::vector<std::size_t>& list) {
    basic_images<T> part(list.size(), x.each());
    labels part_labels(list.size());
    for (std::size_t k = 0; k < list.size(); ++k) {
        std::copy(x[list[k]].begin(), x[list[k]].end(), part[k].begin());
        part_labels[k] = y[list[k]];
    }
    return {std::move(part), std::move(part_labels)};
}

}  // namespace detail

/// The largest Linf radius that D proves for each image, by bisection (catalogue C6): first settings.upper, then the middle of what is
/// proven and what is not, until they are settings.tolerance apart.
///
/// `certified` was proven itself. Bounds are not monotone in the radius, so a larger one may be provable, too. An image that is
/// classified correctly has radius 0 at least, by its own prediction. All images take a step together; the bits are the same for any
/// number of threads and any order. Throws like `certify`, and invalid_argument for settings that mean nothing.
template <class D, class BoundScalar = void, class M, class T>
radius_result largest_certified_epsilon(const M& model, const basic_images<T>& x, const labels& y, worker_pool& pool,
                                        const D& domain = {}, const radius_settings& settings = {}) {
    require(settings.upper > 0 && settings.upper <= 1, "largest_certified_epsilon", "upper", "a number in (0,1]", settings.upper);
    require(settings.tolerance > 0, "largest_certified_epsilon", "tolerance", "a positive number", settings.tolerance);
    require(settings.certify.falsified.empty(), "largest_certified_epsilon", "falsified flags", "none: they belong to one radius",
            settings.certify.falsified.size());
    const std::size_t count = x.size();
    constexpr double infinity = std::numeric_limits<double>::infinity();
    radius_result result{.domain = std::string(D::name),
                         .level = settings.certify.level,
                         .upper = settings.upper,
                         .tolerance = settings.tolerance,
                         .certified = std::vector<double>(count, 0.),
                         .refused = std::vector<double>(count, infinity),
                         .predictions = labels(count),
                         .attempts = std::vector<std::size_t>(count),
                         .seconds = std::vector<double>(count)};
    std::vector<std::size_t> open(count);
    std::vector<double> next(count, settings.upper);
    for (std::size_t i = 0; i < count; ++i) open[i] = i;
    auto how = settings.certify;
    how.progress = {};
    detail::with_certified_program(model, [&](const auto& program) {
        while (!open.empty()) {
            const auto [images, truth] = detail::gathered(x, y, open);
            const auto found = certify<D, BoundScalar>(program, images, truth, linf_boxes{next}, pool, domain, how);
            std::vector<std::size_t> still_open;
            std::vector<double> later;
            for (std::size_t k = 0; k < open.size(); ++k) {
                const std::size_t i = open[k];
                result.predictions[i] = found.predictions[k];
                result.seconds[i] += found.seconds[k];
                if (found.status[k] == certificate::misclassified) {
                    result.certified[i] = result.refused[i] = std::numeric_limits<double>::quiet_NaN();
                    continue;
                }
                ++result.attempts[i];
                (found.status[k] == certificate::verified ? result.certified : result.refused)[i] = next[k];
                const double low = result.certified[i], high = result.refused[i], middle = (low + high) / 2;
                if (high == infinity || high - low <= settings.tolerance || middle <= low || middle >= high) continue;
                still_open.push_back(i);
                later.push_back(middle);
            }
            open = std::move(still_open);
            next = std::move(later);
            if (settings.certify.progress) settings.certify.progress(count - open.size(), count);
        }
    });
    return result;
}
/// The same with a pool of its own, of settings.certify.threads threads.
template <class D, class BoundScalar = void, class M, class T>
radius_result largest_certified_epsilon(const M& model, const basic_images<T>& x, const labels& y, const D& domain = {},
                                        const radius_settings& settings = {}) {
    worker_pool pool(settings.certify.threads);
    return largest_certified_epsilon<D, BoundScalar>(model, x, y, pool, domain, settings);
}

/// How a curve over radii is computed.
struct curve_settings {
    /// Take an image that is not verified at a smaller radius as unverified at larger ones without trying. Saves most of the time, and
    /// may miss a proof, since bounds are not monotone in the radius.
    bool skip_unverified = false;
    certify_settings certify{};
};

/// Certification of the same images at several radii.
struct certified_curve_result {
    std::vector<double> epsilons;               ///< as asked for
    std::vector<certification_result> results;  ///< one per radius; margins of what was skipped are NaN
};

/// Certifies all images at each of the Linf radii, which may come in any order (with skip_unverified the smaller ones are run first).
/// Throws like `certify`.
template <class D, class BoundScalar = void, class M, class T>
certified_curve_result certified_curve(const M& model, const basic_images<T>& x, const labels& y,
                                       std::span<const double> epsilons, worker_pool& pool, const D& domain = {},
                                       const curve_settings& settings = {}) {
    require(settings.certify.falsified.empty(), "certified_curve", "falsified flags", "none: they belong to one radius",
            settings.certify.falsified.size());
    certified_curve_result curve{{epsilons.begin(), epsilons.end()}, std::vector<certification_result>(epsilons.size())};
    std::vector<std::size_t> order(epsilons.size()), all(x.size());
    for (std::size_t k = 0; k < order.size(); ++k) order[k] = k;
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
    std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return epsilons[a] < epsilons[b]; });
    detail::with_certified_program(model, [&](const auto& program) {
        const certification_result* before = nullptr;
        for (const std::size_t k : order) {
            auto& result = curve.results[k];
            auto list = all;
            if (before && settings.skip_unverified)
                std::erase_if(list, [&](std::size_t i) { return before->status[i] != certificate::verified; });
            if (list.size() == all.size()) {
                result = certify<D, BoundScalar>(program, x, y, linf_box{epsilons[k]}, pool, domain, settings.certify);
            } else {
                const auto [images, truth] = detail::gathered(x, y, list);
                const auto found =
                    certify<D, BoundScalar>(program, images, truth, linf_box{epsilons[k]}, pool, domain, settings.certify);
                result = *before;
                std::fill(result.margins.begin(), result.margins.end(), std::numeric_limits<double>::quiet_NaN());
                std::fill(result.margin.begin(), result.margin.end(), std::numeric_limits<double>::quiet_NaN());
                std::fill(result.seconds.begin(), result.seconds.end(), 0.);
                const std::size_t classes = program.classes();
                for (std::size_t j = 0; j < list.size(); ++j) {
                    result.status[list[j]] = found.status[j];
                    result.margin[list[j]] = found.margin[j];
                    result.seconds[list[j]] = found.seconds[j];
                    std::copy_n(found.margins.begin() + static_cast<std::ptrdiff_t>(j * classes), classes,
                                result.margins.begin() + static_cast<std::ptrdiff_t>(list[j] * classes));
                }
            }
            before = &result;
        }
    });
    return curve;
}
/// The same with a pool of its own, of settings.certify.threads threads.
template <class D, class BoundScalar = void, class M, class T>
certified_curve_result certified_curve(const M& model, const basic_images<T>& x, const labels& y,
                                       std::span<const double> epsilons, const D& domain = {},
                                       const curve_settings& settings = {}) {
    worker_pool pool(settings.certify.threads);
    return certified_curve<D, BoundScalar>(model, x, y, epsilons, pool, domain, settings);
}

}  // namespace saddle
