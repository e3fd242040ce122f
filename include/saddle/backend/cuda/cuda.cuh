#pragma once
#include "saddle/backend/cuda/custom.cuh"
#include "saddle/backend/cuda/program.cuh"
#include "saddle/backend/cuda/trainer.cuh"

namespace saddle::backend {

/// The backend for NVIDIA devices of compute capability 8.0 and newer: one lane an image, the whole batch at once. The
/// arithmetic of convolutions and linear layers is part of the type: saddle::cuda::fp32, tf32 or bf16.
template <class Precision>
struct basic_cuda {
    template <class T>
    struct checked {
        static_assert(std::is_same_v<T, float>, "saddle: the CUDA backend computes models in float (docs/backends.md)");
    };
    template <class T>
    using program = saddle::cuda::program<std::enable_if_t<sizeof(checked<T>) != 0, Precision>>;
    template <class T>
    using trainer_program = saddle::cuda::trainer_program<std::enable_if_t<sizeof(checked<T>) != 0, Precision>>;

    /// Its programs are not certified as the processor's: saddle/certification/cuda/certified_program.cuh.
    static constexpr bool certifies_apart = true;

    template <class L, class In, class T>
        requires ElementwiseLayer<L>
    [[nodiscard]] static custom_operation custom_kernels() { return saddle::cuda::custom_kernels_of<Precision, L>(); }
};

/// The same in bf16 or TF32 with the kernels by wgmma switched on, as program.use_wgmma(true) does. Making its programs throws
/// cuda_error where the device or the build has none.
template <class Precision>
struct cuda_wgmma : basic_cuda<Precision> {
    template <class T>
    struct program : basic_cuda<Precision>::template program<T> {
        program(const plan& p, std::span<const float> parameters, std::span<const float> buffers)
            : basic_cuda<Precision>::template program<T>(p, parameters, buffers) {
            this->use_wgmma(true);
        }
    };
    template <class T>
    struct trainer_program : basic_cuda<Precision>::template trainer_program<T> {
        trainer_program(const plan& p, worker_pool& pool) : basic_cuda<Precision>::template trainer_program<T>(p, pool) {
            this->use_wgmma(true);
        }
    };
};

using cuda_fp32 = basic_cuda<saddle::cuda::fp32>;
using cuda_tf32 = basic_cuda<saddle::cuda::tf32>;
using cuda_bf16 = basic_cuda<saddle::cuda::bf16>;
/// The default, PyTorch's too for convolutions.
using cuda = cuda_tf32;

}  // namespace saddle::backend
