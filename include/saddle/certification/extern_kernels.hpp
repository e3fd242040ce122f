#pragma once
#include "saddle/certification/deep_poly.hpp"

/// For programs of many source files: with the macro SADDLE_EXTERN_KERNELS, certification/deep_poly.hpp includes this header, and
/// DeepPoly in float is compiled by the one file alone that includes certification/define_kernels.hpp. docs/backends.md
namespace saddle {

extern template void detail::row_sums<lanes<float>, float>(const detail::row_source<float>*, const detail::row_source<float>*,
                                                           std::size_t, std::size_t, const std::uint32_t*, std::size_t,
                                                           const detail::row_target<float>&);
extern template bound_network<float>::bound_network(const cpu_backend::machine<lanes<float>>&);
extern template class node_bounds<lanes<float>, true>;
extern template class back_substitution<lanes<float>>;
extern template class deep_poly::analysis<lanes<float>>;

}  // namespace saddle
