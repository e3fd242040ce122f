#pragma once
#include "saddle/backend/cpu/cpu.hpp"

/// For programs of many source files: with the macro SADDLE_EXTERN_KERNELS, backend/cpu/cpu.hpp includes this header, and the
/// kernels of backend::cpu in float are compiled by the one file alone that includes backend/cpu/define_kernels.hpp. All must be
/// compiled with the same -march; files of another one have kernels of their own and leave the macro out. docs/backends.md
namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE {

extern template class machine<lanes<float, xsimd::default_arch>>;
extern template class gradient_store<lanes<float, xsimd::default_arch>>;
extern template class trainer_program<lanes<float, xsimd::default_arch>>;
extern template void run_gradient<lanes<float, xsimd::default_arch>, float>(const gradient_job&, std::span<const float* const>,
                                                                            std::span<const float* const>, std::size_t, float*);

}  // namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE
