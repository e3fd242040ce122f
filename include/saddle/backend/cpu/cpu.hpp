#pragma once
#include "saddle/backend/cpu/interval_trainer.hpp"
#include "saddle/backend/cpu/program.hpp"
#include "saddle/backend/cpu/trainer.hpp"

namespace saddle::backend {

/// The fast backend for processors: one SIMD register of lanes a block, one thread a block. The architecture is part of the type.
template <class Arch>
struct basic_cpu {
    template <class T>
    using program = cpu_backend::program<lanes<T, Arch>>;
    template <class T>
    using trainer_program = cpu_backend::trainer_program<lanes<T, Arch>>;
    template <class T>
    using interval_trainer = cpu_backend::interval_trainer<lanes<T, Arch>>;

    template <class L, class In, class T>
        requires requires { custom_kernels_of<L, In, T>(); }
    [[nodiscard]] static custom_operation custom_kernels() { return custom_kernels_of<L, In, T>(); }
};

using cpu = basic_cpu<xsimd::default_arch>;

}  // namespace saddle::backend

#ifdef SADDLE_EXTERN_KERNELS
#include "saddle/backend/cpu/extern_kernels.hpp"
#endif
