#pragma once
#include "saddle/certification/affine_value.hpp"
#include "saddle/certification/generator_map.hpp"
#include "saddle/certification/node_bounds.hpp"

#include <tuple>

namespace saddle {

/// DeepZ (Singh et al. 2018): every value is an affine form Σ a_g ε_g, |ε_g| <= 1, beside a small interval that holds its constant
/// part and all rounding; an input pixel that may change and every unstable activation have a generator of their own.
///
/// Linear layers are exact, activations keep one slope and gain a generator where they bend, a maximum passes the form of the input
/// that dominates its window, or else becomes its interval with a generator of its own.
struct zonotope {
    bool intersect = false;                     ///< cut every interval with plain interval propagation; DeepZ does not
    std::size_t memory = std::size_t{1} << 30;  ///< bytes that coefficients of one thread, or on a device, may take

    static constexpr std::string_view name = "DeepZ";

    template <class V>
    class analysis;
};

/// The zonotope of one input box after another. One per thread; all memory is kept from box to box.
///
/// Generators are lanes: a linear layer is the forward pass without bias on registers of them, in the windows they reach.
template <class V>
class zonotope::analysis {
public:
    using T = typename V::value_type;

    analysis(const bound_network<T>& network, const zonotope& settings, rounding_model rounding)
        : network_(network), settings_(settings), rounding_(rounding), bounds_(network, rounding), convolutions_(network.size()),
          states_(network.size()) {
        for (std::size_t i = 0; i < network.size(); ++i) {
            const auto& node = network[i];
            auto& s = states_[i];
            for (auto* ends : {&s.core, &s.range}) ends->lo.resize(node.size()), ends->hi.resize(node.size());
            s.radius.resize(node.size());
            s.live.assign(node.shape.pixels(), node.shape.channels, [](std::size_t) { return true; });
            if (i == 0 || node.is_activation() || node.kind == operation_kind::max_pool) s.order = morton_order(node.shape);
        }
        for (std::size_t i = 1; i < network.size(); ++i)
            if (network[i].is_activation() && network[i].function == activation_function::relu && network[i].input != 0)
                states_[network[i].input].feeds_relu = network[network[i].input].consumers == 1;
    }

    /// Lower bounds of logit[label] - logit[j] over the box [C,H,W] for every j, 0 at j = label. Throws invalid_argument when the
    /// coefficients need more memory than the settings allow.
    template <class Value>
    void margins(const Value* lower, const Value* upper, std::size_t label, double* margin);

    /// The interval of every value of node i, from the last call of `margins`; [y][x][channel]. Not of the logits.
    [[nodiscard]] const node_interval<T>& interval(std::size_t i) const { return states_[i].range; }
    /// Registers of generators in the last zonotope.
    [[nodiscard]] std::size_t registers() const { return next_id_; }
    /// Multiply-adds that the convolutions executed so far, idle lanes included.
    [[nodiscard]] double multiply_adds() const { return multiply_adds_; }
    /// Bytes that the coefficients hold now.
    [[nodiscard]] std::size_t bytes() const;

private:
    using map = generator_map<V>;
    using part = typename map::part;
    using affine_value = detail::affine_value<T>;
    struct state {
        node_interval<T> core;       ///< the form without its generators
        node_interval<T> range;      ///< of the values
        std::vector<double> radius;  ///< at least the sum of |coefficient| of each value
        live_channels live;
        map generators;
        std::vector<std::uint32_t> order;  ///< of positions, where generators are born
        std::size_t readers = 0;           ///< nodes that have not read it yet
        bool feeds_relu = false;           ///< and nothing else
    };
    static constexpr std::size_t chunk = 64;  ///< parts whose |coefficients| are added in T

    template <class Value>
    void begin(const Value* lower, const Value* upper);
    void transform(std::size_t i);
    void find_range(std::size_t i);
    void through_convolution(std::size_t i);
    void multiply(std::size_t i, const T* weights);
    void through_activation(std::size_t i);
    void through_scale_shift(std::size_t i);
    void through_add(std::size_t i);
    void through_max_pool(std::size_t i);
    void through_average_pool(std::size_t i);
    void through_flatten(std::size_t i);
    void fold_margins(std::size_t label, double* margin);
    void compare_logits(std::size_t label, double* margin);

    void scale_generators(std::size_t i, bool per_channel);
    void take_generators(std::size_t i);
    void release(std::size_t i);
    void open(std::size_t i);
    void allocate(std::size_t i);
    [[nodiscard]] bool reach(std::size_t i, part& window) const;
    void start_magnitudes(std::size_t i);
    void add_magnitudes(std::size_t value, const T* coefficients);
    void flush_magnitudes(std::size_t i);
    [[nodiscard]] affine_value value(std::size_t i, std::size_t j) const {
        return {states_[i].core.lo[j], states_[i].core.hi[j], states_[i].radius[j]};
    }
    void set_value(std::size_t i, std::size_t j, const affine_value& v) {
        states_[i].core.lo[j] = v.lo, states_[i].core.hi[j] = v.hi;
        states_[i].radius[j] = v.radius;
    }

    const bound_network<T>& network_;
    zonotope settings_;
    rounding_model rounding_;
    node_bounds<V, false> bounds_;
    std::vector<detail::interval_convolution<V, 2>> convolutions_;
    std::vector<state> states_;
    std::vector<lane_vector<T>> spare_;
    node_interval<T> widened_;
    lane_vector<T> magnitudes_, difference_;
    std::vector<T> slope_, fresh_;
    std::vector<std::size_t> offsets_, chosen_;
    std::vector<detail::row_source<T>> sources_;
    std::size_t next_id_ = 0, parts_added_ = 0;
    double multiply_adds_ = 0;
};

}  // namespace saddle

#include "saddle/certification/zonotope_convolution.hpp"
#include "saddle/certification/zonotope_linear.hpp"
#include "saddle/certification/zonotope_run.hpp"
