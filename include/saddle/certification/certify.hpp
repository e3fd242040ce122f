#pragma once
#include "saddle/certification/bound_network.hpp"
#include "saddle/certification/certification_result.hpp"
#include "saddle/certification/input_box.hpp"
#include "saddle/certification/relaxable.hpp"
#include "saddle/core/image_blocks.hpp"
#include "saddle/core/worker_pool.hpp"
#include "saddle/nn/model.hpp"

#include <chrono>
#include <memory>
#include <span>

namespace saddle {

/// How certification is run, apart from what it computes.
struct certify_settings {
    std::size_t threads = 0;  ///< of the pool made when none is passed; 0: one per hardware thread
    soundness level = soundness::float_program;
    std::function<void(std::size_t done, std::size_t total)> progress{};  ///< after every image, from one thread at a time
    const std::atomic<bool>* stop = nullptr;  ///< when it becomes true, certification ends with `interrupted`
    /// [N] 1 where a point of the image's box is known to be misclassified (`falsify`): unverified without an analysis. Empty: none.
    std::span<const std::uint8_t> falsified{};
};

/// An abstract domain: settings with a `name` and an `analysis<V>(network, settings, rounding)` whose
/// `margins(lower, upper, label, margin)` fills lower bounds of logit[label] - logit[j] over a box [C,H,W].
template <class D, class V>
concept Domain = std::constructible_from < typename D::template analysis<V>,
const bound_network<typename V::value_type>&, const D&,
    rounding_model > &&requires(typename D::template analysis<V>& a, const typename V::value_type* end, double* margin) {
    { D::name } -> std::convertible_to<std::string_view>;
    a.margins(end, end, std::size_t{0}, margin);
};

namespace detail {

/// The class of the largest logit, the lower one of equals; -1 where one is not finite. Logits are `stride` apart.
template <class T>
[[nodiscard]] inline std::int32_t predicted_class(const T* logits, std::size_t classes, std::size_t stride) {
    std::size_t best = 0;
    for (std::size_t k = 0; k < classes; ++k) {
        if (!std::isfinite(logits[k * stride])) return -1;
        if (logits[k * stride] > logits[best * stride]) best = k;
    }
    return static_cast<std::int32_t>(best);
}

/// Logits [N][K] of all images.
template <class V, class T>
[[nodiscard]] std::vector<T> logits_of(const cpu_backend::program<V>& program, const basic_images<T>& x, worker_pool& pool) {
    struct worker_state {
        decltype(program.make_session()) session;
        lane_vector<T> input, logits;
    };
    std::vector<std::unique_ptr<worker_state>> workers(pool.size());
    const std::size_t count = x.size(), classes = program.classes();
    std::vector<T> z(count * classes);
    pool.for_each((count + V::size - 1) / V::size, [&](std::size_t block, std::size_t worker) {
        auto& state = workers[worker];
        if (!state)
            state.reset(new worker_state{program.make_session(), lane_vector<T>(x.each().size() * V::size),
                                         lane_vector<T>(program.classes() * V::size)});
        const std::size_t first = block * V::size, valid = std::min(V::size, count - first);
        load_block(x, first, valid, V::size, state->input.data());
        state->session.forward(state->input.data(), state->logits.data());
        for (std::size_t l = 0; l < valid; ++l)
            for (std::size_t k = 0; k < classes; ++k) z[(first + l) * classes + k] = state->logits[k * V::size + l];
    });
    return z;
}

/// Checks what certification is asked for; the result's empty form, with predictions of these logits [N][K].
template <class D, class T, class Box, class Logits>
[[nodiscard]] certification_result start_certification(extents input, std::size_t classes, const basic_images<T>& x,
                                                       const labels& y, const Box& box, const certify_settings& settings,
                                                       Logits&& logits) {
    const std::size_t count = x.size();
    require<shape_error>(x.empty() || x.each() == input, "certify", "extents of the images", input, x.each());
    require_valid_images(x, "certify");
    require_valid_labels(y, count, classes, "certify");
    box.validate(count, "certify");
    require<shape_error>(settings.falsified.empty() || settings.falsified.size() == count, "certify", "number of falsified flags",
                         count, settings.falsified.size());
    certification_result result;
    result.domain = D::name;
    result.level = settings.level;
    result.status.resize(count);
    result.margins.assign(count * classes, std::numeric_limits<double>::quiet_NaN());
    result.margin.assign(count, std::numeric_limits<double>::quiet_NaN());
    result.predictions.resize(count);
    result.seconds.resize(count);
    const std::vector<T> z = logits();
    for (std::size_t i = 0; i < count; ++i) result.predictions[i] = predicted_class(z.data() + i * classes, classes, 1);
    return result;
}

/// Decides what needs no analysis: true for an image that is classified correctly and not falsified.
[[nodiscard]] inline bool needs_analysis(certification_result& result, std::size_t i, const labels& y,
                                         const certify_settings& settings) {
    if (result.predictions[i] != y[i]) return false;
    result.status[i] = certificate::unverified;
    return settings.falsified.empty() || !settings.falsified[i];
}

/// The status and the smallest margin of image i from its margins.
inline void conclude(certification_result& result, std::size_t i, std::size_t classes, std::size_t label) {
    const double* const margins = result.margins.data() + i * classes;
    double smallest = std::numeric_limits<double>::infinity();
    bool proven = true;
    for (std::size_t k = 0; k < classes; ++k) {
        if (k == label) continue;
        proven = proven && margins[k] >= 0;
        if (!(margins[k] >= smallest)) smallest = margins[k];
    }
    result.margin[i] = smallest;
    result.status[i] = proven ? certificate::verified : certificate::unverified;
}

template <class BoundScalar, class D, class V, class Box>
certification_result run_certification(const D& domain, const cpu_backend::program<V>& program,
                                       const basic_images<typename V::value_type>& x, const labels& y, const Box& box,
                                       worker_pool& pool, const certify_settings& settings) {
    using T = typename V::value_type;
    using B = lanes<BoundScalar>;
    const std::size_t count = x.size(), elements = x.each().size(), classes = program.classes();
    certification_result result =
        start_certification<D>(program.input(), classes, x, y, box, settings, [&] { return logits_of(program, x, pool); });
    const bound_network<BoundScalar> network(program.steps());
    const auto rounding = rounding_model::of<T, BoundScalar>(settings.level);
    struct worker_state {
        typename D::template analysis<B> analysis;
        std::vector<T> lower, upper;
    };
    std::vector<std::unique_ptr<worker_state>> workers(pool.size());
    std::mutex reporting;
    std::size_t done = 0;
    pool.for_each(count, [&](std::size_t i, std::size_t worker) {
        if (settings.stop && settings.stop->load(std::memory_order_relaxed)) throw interrupted("certify: stopped on request");
        const auto start = std::chrono::steady_clock::now();
        if (needs_analysis(result, i, y, settings)) {
            auto& state = workers[worker];
            if (!state)
                state.reset(new worker_state{typename D::template analysis<B>(network, domain, rounding),
                                             std::vector<T>(elements), std::vector<T>(elements)});
            box(i, x[i], std::span<T>(state->lower), std::span<T>(state->upper));
            const auto label = static_cast<std::size_t>(y[i]);
            state->analysis.margins(state->lower.data(), state->upper.data(), label, result.margins.data() + i * classes);
            conclude(result, i, classes, label);
            result.seconds[i] = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        }
        if (settings.progress) {
            std::lock_guard lock(reporting);
            settings.progress(++done, count);
        }
    });
    return result;
}

template <class M>
inline constexpr bool certifiable = true;
template <class Network, class Shape, class Backend, class T>
inline constexpr bool certifiable<model<Network, Shape, Backend, T>> = has_relaxation<Network>;

/// The program that a model of this backend is certified by: the processor's without Winograd, unless the backend has one of its own.
template <class Backend, class T>
struct certified_program {
    static_assert(
        !requires { Backend::certifies_apart; },
        "saddle: this backend certifies its models itself: include saddle/certification/cuda/certified_program.cuh "
        "(docs/certification.md)");
    [[nodiscard]] static auto make(const plan& p, std::span<const T> parameters, std::span<const T> buffers) {
        return cpu_backend::program<lanes<T>>(p, parameters, buffers, {.winograd = false});
    }
    /// What bounds asked for in BoundScalar are computed in.
    template <class BoundScalar>
    static constexpr std::string_view arithmetic = std::is_same_v<BoundScalar, float> ? "float" : "double";
};

/// Calls f with the program to certify: the model's own, or a program as it is.
template <class M, class F>
decltype(auto) with_certified_program(const M& model, F&& f) {
    if constexpr (requires { model.structure(); }) {
        using maker = certified_program<typename M::backend, typename M::value_type>;
        const auto program = maker::make(model.structure(), model.parameters(), model.buffers());
        return f(program);
    } else {
        return f(model);
    }
}

}  // namespace detail

/// Proves or fails to prove that every image of `x` [N,C,H,W] keeps its label `y` on its box: `certify<deep_poly>(model, x, y, linf_box{.1})`.
///
/// `model` is a model with weights, whose program without Winograd is certified, or such a program; `box` says what is asked of each
/// image (linf_box, brightening, given_boxes); BoundScalar is the arithmetic of the bounds, the program's unless double is asked for. One
/// thread works on one image; the bits are the same for any number of threads and any order. Throws data_error, shape_error or
/// invalid_argument for bad input, numeric_error for weights that are not finite, and `interrupted` when settings.stop becomes true.
template <class D, class BoundScalar = void, class M, class T, class Box>
certification_result certify(const M& model, const basic_images<T>& x, const labels& y, const Box& box, worker_pool& pool,
                             const D& domain = {}, const certify_settings& settings = {}) {
    using scalar = std::conditional_t<std::is_void_v<BoundScalar>, T, BoundScalar>;
    constexpr bool relaxed = detail::certifiable<M>, is_domain = Domain<D, lanes<scalar>>, is_box = InputBox<Box, T>;
    static_assert(relaxed,
                  "saddle: this network has a layer without a relaxation (group_norm, softplus, silu or a layer of your own): "
                  "it cannot be certified (docs/certification.md)");
    static_assert(is_domain,
                  "saddle: this type is not a domain: it has no name or no analysis<V> with margins() (docs/certification.md)");
    static_assert(is_box,
                  "saddle: this type is not an input box: it has no validate() or cannot be called with an image and its ends "
                  "(docs/certification.md)");
    if constexpr (relaxed && is_domain && is_box)
        return detail::with_certified_program(model, [&](const auto& program) {
            if constexpr (requires { program.template certify<scalar>(domain, x, y, box, pool, settings); })
                return program.template certify<scalar>(domain, x, y, box, pool, settings);
            else
                return detail::run_certification<scalar>(domain, program, x, y, box, pool, settings);
        });
}

/// Tells which images need no proof: 1 where points[i] lies in the box of image i and the program that `certify` covers gives another
/// class a larger logit than y[i], so that no sound domain verifies the image.
///
/// `points` [N,C,H,W] may come from any attack on `x` [N,C,H,W]; what lies outside the box or ties does not count. Throws like certify.
template <class M, class T, class Box>
[[nodiscard]] std::vector<std::uint8_t> falsify(const M& model, const basic_images<T>& x, const labels& y, const Box& box,
                                                const basic_images<T>& points, worker_pool& pool) {
    return detail::with_certified_program(model, [&](const auto& program) {
        require<shape_error>(x.empty() || x.each() == program.input(), "falsify", "extents of the images", program.input(),
                             x.each());
        require<shape_error>(points.size() == x.size() && (x.empty() || points.each() == x.each()), "falsify",
                             "points for images", text(x.size(), " of ", x.each()), text(points.size(), " of ", points.each()));
        const std::size_t classes = program.classes();
        require_valid_labels(y, x.size(), classes, "falsify");
        box.validate(x.size(), "falsify");
        std::vector<std::uint8_t> found(x.size());
        using detail::logits_of;
        const std::vector<T> z = logits_of(program, points, pool);
        struct ends {
            std::vector<T> lower, upper;
        };
        std::vector<ends> workers(pool.size());
        pool.for_each(x.size(), [&](std::size_t i, std::size_t worker) {
            auto& [lower, upper] = workers[worker];
            lower.resize(x.each().size()), upper.resize(x.each().size());
            box(i, x[i], std::span<T>(lower), std::span<T>(upper));
            bool inside = true, broken = false;
            for (std::size_t e = 0; e < lower.size(); ++e)
                inside = inside && points[i][e] >= lower[e] && points[i][e] <= upper[e];
            const T* const logits = z.data() + i * classes;
            for (std::size_t k = 0; k < classes; ++k) broken = broken || logits[k] > logits[y[i]];
            found[i] = inside && broken;
        });
        return found;
    });
}

/// The same with a pool of its own, of settings.threads threads.
template <class D, class BoundScalar = void, class M, class T, class Box>
certification_result certify(const M& model, const basic_images<T>& x, const labels& y, const Box& box, const D& domain = {},
                             const certify_settings& settings = {}) {
    worker_pool pool(settings.threads);
    return certify<D, BoundScalar>(model, x, y, box, pool, domain, settings);
}

}  // namespace saddle
