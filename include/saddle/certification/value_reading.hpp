#pragma once
#include "saddle/certification/bound_network.hpp"

namespace saddle::detail {

/// How the values of a node are read: which of them a line does not describe.
enum class value_reading {
    linear,
    piecewise,  ///< by an activation with a kink at 0
    smooth,     ///< by one that bends everywhere
    maximum
};

/// The reading that rows of node i serve; linear where rows cannot improve its interval.
template <class T>
[[nodiscard]] value_reading reading_of(const bound_network<T>& network, std::size_t i) {
    using enum operation_kind;
    const auto& node = network[i];
    if (i == 0 || node.is_activation()) return value_reading::linear;
    std::size_t below = node.input;  // one sum of independent values has an exact interval
    while (below != 0 && (network[below].kind == scale_shift || network[below].kind == flatten)) below = network[below].input;
    if (below == 0 && node.second == none && node.kind != max_pool) return value_reading::linear;
    auto most = value_reading::linear;
    for (const auto& reader : network.nodes()) {
        if (reader.input != i) continue;
        const bool smooth = reader.function == activation_function::sigmoid || reader.function == activation_function::tanh;
        if (reader.kind == max_pool) most = value_reading::maximum;
        if (reader.is_activation()) most = std::max(most, smooth ? value_reading::smooth : value_reading::piecewise);
    }
    return most;
}

}  // namespace saddle::detail
