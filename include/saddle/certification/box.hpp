#pragma once
#include "saddle/certification/node_bounds.hpp"

namespace saddle {

namespace detail {

/// Lower bounds of logit[label] - logit[j] for every j from intervals: the difference is folded into the last layer if that is
/// linear, which is tighter than comparing ends.
template <class V, bool Lines>
void interval_margins(const node_bounds<V, Lines>& bounds, std::size_t label, double* margin) {
    using T = typename V::value_type;
    const auto& network = bounds.network();
    const auto& last = network.nodes().back();
    const auto& z = bounds.interval(network.size() - 1);
    const std::size_t classes = network.classes();
    if (last.kind != operation_kind::convolution) {
        for (std::size_t j = 0; j < classes; ++j) margin[j] = j == label ? 0 : double{z.lo[label]} - double{z.hi[j]};
        return;
    }
    const auto& x = bounds.interval(last.input);
    const std::size_t inputs = x.lo.size();
    const auto& rounding = bounds.rounding();
    const double relative = 1.01 * (rounding.program_sum(inputs + 1) + 2 * rounding.bounds_sum(2));
    std::vector<double> sum(classes), size(classes);
    for (std::size_t k = 0; k < inputs; ++k) {
        const T* const w = last.forward_weights.data() + k * last.outputs_padded;
        const double lo = x.lo[k], hi = x.hi[k], largest = std::max(std::abs(lo), std::abs(hi)), own = w[label];
        for (std::size_t j = 0; j < classes; ++j) {
            const double difference = own - w[j];
            sum[j] += difference >= 0 ? difference * lo : difference * hi;
            size[j] += (std::abs(own) + std::abs(double{w[j]})) * largest;
        }
    }
    for (std::size_t j = 0; j < classes; ++j) {
        const double own = last.shift[label], other = last.shift[j];
        const double error = relative * (size[j] + std::abs(own) + std::abs(other));
        margin[j] = j == label ? 0 : sum[j] + own - other - error - rounding.underflow();
    }
}

}  // namespace detail

/// Box (interval bound propagation, Gowal et al. 2019), the property folded into the last layer.
struct box {
    static constexpr std::string_view name = "Box";

    template <class V>
    class analysis {
    public:
        using T = typename V::value_type;

        analysis(const bound_network<T>& network, const box&, rounding_model rounding) : bounds_(network, rounding) {}

        /// Lower bounds of logit[label] - logit[j] over the box [C,H,W] for every j, 0 at j = label.
        template <class Value>
        void margins(const Value* lower, const Value* upper, std::size_t label, double* margin) {
            bounds_.begin(lower, upper);
            const auto& network = bounds_.network();
            const bool fold = network.nodes().back().kind == operation_kind::convolution;
            for (std::size_t i = 1; i + fold < network.size(); ++i) bounds_.propagate(i);
            detail::interval_margins(bounds_, label, margin);
        }
        [[nodiscard]] const node_bounds<V, false>& bounds() const { return bounds_; }

    private:
        node_bounds<V, false> bounds_;
    };
};

}  // namespace saddle
