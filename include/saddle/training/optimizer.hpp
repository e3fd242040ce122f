#pragma once
#include "saddle/core/arena.hpp"
#include "saddle/nn/plan.hpp"
#include "saddle/training/elementwise.hpp"

#include <cmath>
#include <span>

namespace saddle {

/// A part of the flat parameter vector that one set of constants updates.
struct parameter_range {
    std::size_t first = 0, count = 0;
    double weight_decay = 0;
};

/// Neighbouring parameters with the same weight decay joined; those of one dimension (biases, normalisation) get none unless
/// `decay_vectors`.
[[nodiscard]] inline std::vector<parameter_range> make_ranges(const plan& p, double weight_decay, bool decay_vectors) {
    std::vector<parameter_range> ranges;
    for (const auto& info : p.parameters) {
        const double decay = decay_vectors || info.dimensions.size() > 1 ? weight_decay : 0;
        if (!ranges.empty() && ranges.back().weight_decay == decay)
            ranges.back().count += info.size;
        else
            ranges.push_back({info.offset, info.size, decay});
    }
    return ranges;
}

/// An optimizer: run-time constants, and a nested `state<T>` made by `start<T>(plan)` that it alone changes.
///   void validate(std::string_view where) const;                                                       // throws
///   invalid_argument template <class T> state<T> start(const plan&) const; template <class T> void update(state<T>&, span<T>
///   parameters, span<const T> gradient, double rate, worker_pool&) const; template <class V> void describe(V&& visit) const; //
///   visit(name, constant): what a checkpoint must match
/// `rate` is the learning rate of this step (the optimizer's own times the schedule's factor). The state offers
/// `fields(archive)`.
template <class O, class T>
concept Optimizer = requires(const O& o, typename O::template state<T>& state, const plan& p, std::span<T> parameters,
                             std::span<const T> gradient, worker_pool& pool) {
    o.validate(std::string_view());
    { o.learning_rate } -> std::convertible_to<double>;
    { o.template start<T>(p) } -> std::same_as<typename O::template state<T>>;
    o.update(state, parameters, gradient, 1., pool);
};

namespace detail {

inline void require_at_least_zero(double value, std::string_view where, std::string_view what) {
    require(value >= 0 && std::isfinite(value), where, what, "a finite number >= 0", value);
}
inline void require_fraction(double value, std::string_view where, std::string_view what) {
    require(value >= 0 && value < 1, where, what, "a number in [0,1)", value);
}

}  // namespace detail

}  // namespace saddle
