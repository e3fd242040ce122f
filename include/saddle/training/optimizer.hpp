#pragma once
#include "saddle/core/arena.hpp"
#include "saddle/nn/plan.hpp"
#include "saddle/training/elementwise.hpp"

#include <array>
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

/// An optimizer whose update is one formula per element, which other hardware can run where it keeps the weights (docs/training.md):
///   template <class T> rule_type rule(state<T>&, double rate) const;   // of the next update, which it counts
/// The rule is trivially copyable, tells the number of arrays that it carries from update to update (`kept`), and maps
/// (parameter, gradient, T weight_decay, V (&values)[kept]) to the new parameter, for numbers and registers V. The state has `ranges`
/// and `arrays()`, the vectors of the kept values, empty where they are not used.
template <class O, class T>
concept ElementwiseOptimizer = Optimizer<O, T> && requires(const O& o, typename O::template state<T>& state) {
    o.template rule<T>(state, 1.);
    state.ranges;
    state.arrays();
};

/// Runs an ElementwiseOptimizer's update on the processor; the same bits for any number of threads.
template <class T, class Arch, class O>
void apply_rule(const O& optimizer, typename O::template state<T>& s, std::span<T> parameters, std::span<const T> gradient,
                double rate, worker_pool& pool) {
    const auto rule = optimizer.template rule<T>(s, rate);
    constexpr std::size_t kept = decltype(rule)::kept;
    const auto arrays = s.arrays();
    const bool keeps = !arrays[0]->empty();
    for (const auto& range : s.ranges) {
        const T decay = static_cast<T>(range.weight_decay);
        for_each_value<T, Arch>(pool, range.first, range.count, [&]<class V>(std::size_t i, width_of<V>) {
            V values[kept];
            for (std::size_t k = 0; k < kept; ++k) values[k] = keeps ? read_values<V>(&(*arrays[k])[i]) : V(0);
            const V p = rule(read_values<V>(&parameters[i]), read_values<V>(&gradient[i]), decay, values);
            if (keeps)
                for (std::size_t k = 0; k < kept; ++k) write_values(&(*arrays[k])[i], values[k]);
            write_values(&parameters[i], p);
        });
    }
}

namespace detail {

inline void require_at_least_zero(double value, std::string_view where, std::string_view what) {
    require(value >= 0 && std::isfinite(value), where, what, "a finite number >= 0", value);
}
inline void require_fraction(double value, std::string_view where, std::string_view what) {
    require(value >= 0 && value < 1, where, what, "a number in [0,1)", value);
}

}  // namespace detail

}  // namespace saddle
