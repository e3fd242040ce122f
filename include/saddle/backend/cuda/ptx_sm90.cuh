#pragma once
#include "saddle/backend/cuda/matrix_layout.cuh"
#include "saddle/backend/cuda/ptx.cuh"

#include <cudaTypedefs.h>

/// What only sm_90a can do, one leaf function each: barriers in shared memory, copies of boxes of a tensor, and products of a
/// warpgroup (128 threads, the first one a multiple of 128). Kernels that call these are empty when compiled for another device.
namespace saddle::cuda {

/// A barrier in shared memory that counts arrivals and bytes.
using arrival_barrier = std::uint64_t;

/// An address in shared memory as descriptors have it.
__device__ inline unsigned shared_offset(const void* p) { return detail::shared_address(p); }

/// One thread makes a barrier of so many arrivals a phase, then publish_barriers, then all threads meet: copies must see it too.
__device__ inline void make_barrier(arrival_barrier* b, unsigned arrivals) {
    asm volatile("mbarrier.init.shared.b64 [%0], %1;" ::"r"(shared_offset(b)), "r"(arrivals) : "memory");
}
__device__ inline void publish_barriers() {
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}
/// Arrives, and lets the phase wait for so many bytes of copies too.
__device__ inline void arrive_and_expect(arrival_barrier* b, unsigned bytes) {
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_offset(b)), "r"(bytes) : "memory");
}
__device__ inline void arrive(arrival_barrier* b) {
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_offset(b)) : "memory");
}
/// True when the phase of that parity is over: 0 for the first, 1 for the second, 0 again for the third.
__device__ inline bool phase_is_over(arrival_barrier* b, unsigned parity) {
    unsigned over;
    asm volatile("{\n.reg .pred p;\nmbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\nselp.u32 %0, 1, 0, p;\n}"
                 : "=r"(over)
                 : "r"(shared_offset(b)), "r"(parity)
                 : "memory");
    return over != 0;
}
/// Waits for its end. One that does not come within some ten seconds never will: the kernel stops, and the host sees a launch that
/// failed instead of a device that hangs.
__device__ inline void wait_for_phase(arrival_barrier* b, unsigned parity) {
    constexpr long long most_cycles = 1ll << 34;
    if (phase_is_over(b, parity)) return;
    const long long begun = clock64();
    while (!phase_is_over(b, parity))
        if (clock64() - begun > most_cycles) __trap();
}

/// Starts the copy of the box at (x,y,z) of a tensor, x contiguous, to shared memory; its bytes arrive at the barrier. Values
/// past the tensor's end are zeros.
__device__ inline void copy_box_async(void* shared, const CUtensorMap* tensor, int x, int y, int z, arrival_barrier* b) {
    asm volatile(
        "cp.async.bulk.tensor.3d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3, %4}], [%5];" ::"r"(
            shared_offset(shared)),
        "l"(tensor), "r"(x), "r"(y), "r"(z), "r"(shared_offset(b))
        : "memory");
}

/// Before the first product, and after other instructions have touched the sums.
__device__ inline void warpgroup_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
/// Ends a group of products.
__device__ inline void warpgroup_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
/// Waits until at most `Pending` groups of products are under way.
template <int Pending>
__device__ inline void warpgroup_wait() {
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(Pending) : "memory");
}
/// Keeps the compiler from moving sums across this point.
template <int Count>
__device__ inline void pin_registers(float (&d)[Count]) {
#pragma unroll
    for (int i = 0; i < Count; ++i) asm volatile("" : "+f"(d[i])::"memory");
}

/// The registers of 32 to 128 sums, as text and as operands.
#define SADDLE_REGISTERS_32                                                                                                      \
    "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15"                                                       \
    ", %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define SADDLE_REGISTERS_64                                                                                                      \
    SADDLE_REGISTERS_32 ", %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47"                       \
                        ", %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define SADDLE_REGISTERS_80 SADDLE_REGISTERS_64 ", %64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79"
#define SADDLE_REGISTERS_128                                                                                                     \
    SADDLE_REGISTERS_80 ", %80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95"                       \
                        ", %96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111"           \
                        ", %112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127"
#define SADDLE_SUMS_16(i)                                                                                                        \
    "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3]), "+f"(d[i + 4]), "+f"(d[i + 5]), "+f"(d[i + 6]), "+f"(d[i + 7]),  \
        "+f"(d[i + 8]), "+f"(d[i + 9]), "+f"(d[i + 10]), "+f"(d[i + 11]), "+f"(d[i + 12]), "+f"(d[i + 13]), "+f"(d[i + 14]),     \
        "+f"(d[i + 15])
#define SADDLE_SUMS_32 SADDLE_SUMS_16(0), SADDLE_SUMS_16(16)
#define SADDLE_SUMS_64 SADDLE_SUMS_32, SADDLE_SUMS_16(32), SADDLE_SUMS_16(48)
#define SADDLE_SUMS_80 SADDLE_SUMS_64, SADDLE_SUMS_16(64)
#define SADDLE_SUMS_128 SADDLE_SUMS_80, SADDLE_SUMS_16(80), SADDLE_SUMS_16(96), SADDLE_SUMS_16(112)

/// d += a · b for b of COLUMNS columns, COUNT sums a thread; O0 to O4 are the numbers of the operands after the sums. The sums lie
/// as accumulator_row and accumulator_column say. Begun here, done when warpgroup_wait says so.
///
/// With T = bfloat16, a 64×16, b 16×COLUMNS: from shared memory, both by operand_descriptor or, with Rows, both by row_descriptor.
/// In TF32, a 64×8, b 8×COLUMNS, of floats whose last 13 bits are not read: with T = float both by row_descriptor; or a in registers as
/// fragment_row and fragment_column say.
#define SADDLE_WARPGROUP_PRODUCTS(COLUMNS, COUNT, O0, O1, O2, O3, O4)                                                            \
    template <class T, bool Rows>                                                                                                \
    __device__ inline void multiply_warpgroup(float(&d)[COUNT], std::uint64_t a, std::uint64_t b) {                              \
        static_assert(Rows || sizeof(T) == 2, "saddle: operands of 4 bytes have the axis that is summed over contiguous");       \
        if constexpr (sizeof(T) == 4)                                                                                            \
            asm volatile("wgmma.mma_async.sync.aligned.m64n" #COLUMNS "k8.f32.tf32.tf32 {" SADDLE_REGISTERS_##COUNT              \
                         "}, %" #O0 ", %" #O1 ", 1, 1, 1;"                                                                       \
                         : SADDLE_SUMS_##COUNT                                                                                   \
                         : "l"(a), "l"(b));                                                                                      \
        else                                                                                                                     \
            asm volatile("wgmma.mma_async.sync.aligned.m64n" #COLUMNS "k16.f32.bf16.bf16 {" SADDLE_REGISTERS_##COUNT             \
                         "}, %" #O0 ", %" #O1 ", 1, 1, 1, %" #O2 ", %" #O2 ";"                                                   \
                         : SADDLE_SUMS_##COUNT                                                                                   \
                         : "l"(a), "l"(b), "n"(Rows ? 0 : 1));                                                                   \
    }                                                                                                                            \
    __device__ inline void multiply_warpgroup(float(&d)[COUNT], const std::uint32_t(&a)[4], std::uint64_t b) {                   \
        asm volatile("wgmma.mma_async.sync.aligned.m64n" #COLUMNS "k8.f32.tf32.tf32 {" SADDLE_REGISTERS_##COUNT                  \
                     "}, {%" #O0 ", %" #O1 ", %" #O2 ", %" #O3 "}, %" #O4 ", 1, 1, 1;"                                           \
                     : SADDLE_SUMS_##COUNT                                                                                       \
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));                                                      \
    }
SADDLE_WARPGROUP_PRODUCTS(64, 32, 32, 33, 34, 35, 36)
SADDLE_WARPGROUP_PRODUCTS(128, 64, 64, 65, 66, 67, 68)
SADDLE_WARPGROUP_PRODUCTS(160, 80, 80, 81, 82, 83, 84)
SADDLE_WARPGROUP_PRODUCTS(256, 128, 128, 129, 130, 131, 132)

#undef SADDLE_WARPGROUP_PRODUCTS
#undef SADDLE_SUMS_128
#undef SADDLE_SUMS_80
#undef SADDLE_SUMS_64
#undef SADDLE_SUMS_32
#undef SADDLE_SUMS_16
#undef SADDLE_REGISTERS_128
#undef SADDLE_REGISTERS_80
#undef SADDLE_REGISTERS_64
#undef SADDLE_REGISTERS_32

}  // namespace saddle::cuda
