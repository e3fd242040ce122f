#pragma once
#include "saddle/backend/cpu/extern_kernels.hpp"

/// Compiles the kernels that backend/cpu/extern_kernels.hpp declares: for one source file of a program.
namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE {

template class machine<lanes<float, xsimd::default_arch>>;
template class gradient_store<lanes<float, xsimd::default_arch>>;
template class trainer_program<lanes<float, xsimd::default_arch>>;

}  // namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE
