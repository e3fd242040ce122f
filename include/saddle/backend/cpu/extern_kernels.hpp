#pragma once
#include "saddle/backend/cpu/cpu.hpp"

/// For programs of many source files: the kernels of backend::cpu in float are compiled by one of them alone. Every file includes
/// this header in place of backend/cpu/cpu.hpp, and one file includes backend/cpu/define_kernels.hpp. All must be compiled with the
/// same -march; files of another one have kernels of their own and leave this header out. docs/backends.md
namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE {

extern template class machine<lanes<float, xsimd::default_arch>>;
extern template class gradient_store<lanes<float, xsimd::default_arch>>;
extern template class trainer_program<lanes<float, xsimd::default_arch>>;

}  // namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE
