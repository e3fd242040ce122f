#pragma once
#include "saddle/backend/cuda/bfloat16.cuh"

#include <cuda_runtime.h>

/// What only a device can do, one leaf function each: shared memory, and all PTX of the backend (asynchronous copies, matrix
/// loads and multiplications of a warp). Needs sm_80 or newer.
namespace saddle::cuda {

/// The dynamic shared memory of a block, as an array of T. Every kernel reaches it here.
template <class T>
__device__ inline T* shared_memory() {
    extern __shared__ __align__(1024) unsigned char saddle_shared_memory[];
    return reinterpret_cast<T*>(saddle_shared_memory);
}

namespace detail {

__device__ inline unsigned shared_address(const void* p) { return static_cast<unsigned>(__cvta_generic_to_shared(p)); }

}  // namespace detail

/// Starts a copy of 16 bytes into shared memory; both addresses are multiples of 16. Not `valid`: zeros, and nothing is read.
__device__ inline void copy_async_16(void* shared, const void* global, bool valid) {
    const int bytes = valid ? 16 : 0;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(detail::shared_address(shared)), "l"(global), "r"(bytes)
                 : "memory");
}
/// Ends a group of this thread's copies.
__device__ inline void copy_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
/// Waits until at most `Pending` groups of this thread are under way.
template <int Pending>
__device__ inline void copy_async_wait() {
    asm volatile("cp.async.wait_group %0;" ::"n"(Pending) : "memory");
}

/// Four 8×8 matrices of 16-bit values: lane l gives the address of row l % 8 of matrix l / 8 and gets row l / 4, columns 2(l %
/// 4) and the next of each.
__device__ inline void load_matrix(std::uint32_t (&r)[4], const void* row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(detail::shared_address(row))
                 : "memory");
}
/// The same, each matrix transposed.
__device__ inline void load_matrix_transposed(std::uint32_t (&r)[4], const void* row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(detail::shared_address(row))
                 : "memory");
}

/// The nearest TF32 value (10 bits of mantissa), ties away from zero, as the bits of a float.
__device__ inline std::uint32_t round_to_tf32(float v) {
    std::uint32_t bits;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(v));
    return bits;
}
/// Two bfloat16 in one word.
__device__ inline std::uint32_t pack_bfloat16(float low, float high) {
    std::uint32_t bits;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
    return bits;
}

/// d += a · b, a 16×8, b 8×8. Lane l holds a(l/4 + 8(i%2), l%4 + 4(i/2)), b(l%4 + 4i, l/4), d(l/4 + 8(i/2), 2(l%4) + i%2).
__device__ inline void multiply_tf32(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
/// d += a · b, a 16×16, b 16×8, two values a word: lane l holds a(l/4 + 8(i%2), 2(l%4) + 8(i/2) + {0,1}), b(2(l%4) + 8i + {0,1},
/// l/4).
__device__ inline void multiply_bf16(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

}  // namespace saddle::cuda
