#pragma once
#include "saddle/backend/cpu/extern_kernels.hpp"

/// Compiles the kernels that backend/cpu/extern_kernels.hpp declares: for one source file of a program.
namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE {

template class machine<lanes<float, xsimd::default_arch>>;
template class gradient_store<lanes<float, xsimd::default_arch>>;
template class trainer_program<lanes<float, xsimd::default_arch>>;
template void run_gradient<lanes<float, xsimd::default_arch>, float>(const gradient_job&, std::span<const float* const>,
                                                                     std::span<const float* const>, std::size_t, float*);

}  // namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE
