#pragma once
#include "saddle/certification/extern_kernels.hpp"

/// Compiles the kernels that certification/extern_kernels.hpp declares: for one source file of a program.
namespace saddle {

template void detail::row_sums<lanes<float>, float>(const detail::row_source<float>*, const detail::row_source<float>*,
                                                    std::size_t, std::size_t, const std::uint32_t*, std::size_t,
                                                    const detail::row_target<float>&);
template bound_network<float>::bound_network(const cpu_backend::machine<lanes<float>>&);
template class node_bounds<lanes<float>, true>;
template class back_substitution<lanes<float>>;
template class deep_poly::analysis<lanes<float>>;

}  // namespace saddle
