#pragma once
#include "saddle/backend/cuda/bfloat16.cuh"

#include <cuda_runtime.h>

/// The host's version of backend/cuda/ptx.cuh, found before it by the include path of the tests: the same functions, with the
/// fragment layouts of the PTX manual (sections on mma.m16n8k8, mma.m16n8k16 and ldmatrix) written out.
namespace saddle::cuda {

template <class T>
T* shared_memory() {
    return reinterpret_cast<T*>(cuda_emulator::shared_memory);
}

/// Sixteen bytes to shared memory, zeros where not `valid`; they arrive when the thread waits for their group.
inline void copy_async_16(void* shared, const void* global, bool valid) {
    std::array<char, 16> bytes{};
    const auto at = reinterpret_cast<std::uintptr_t>(shared);
    if (at % 16 != 0 || (valid && reinterpret_cast<std::uintptr_t>(global) % 16 != 0))
        throw cuda_emulator::kernel_error("copy_async_16: an address that is no multiple of 16");
    if (valid) std::memcpy(bytes.data(), global, 16);
    cuda_emulator::machine::instance().current().copies.push_back([=] { std::memcpy(shared, bytes.data(), 16); });
}
inline void copy_async_commit() {
    auto& me = cuda_emulator::machine::instance().current();
    me.groups.push_back(std::move(me.copies));
    me.copies.clear();
}
template <int Pending>
inline void copy_async_wait() {
    auto& groups = cuda_emulator::machine::instance().current().groups;
    while (groups.size() > static_cast<std::size_t>(Pending)) {
        for (const auto& copy : groups.front()) copy();
        groups.erase(groups.begin());
    }
}

namespace detail {

template <bool Transposed>
inline void load_matrix(std::uint32_t (&r)[4], const void* row) {
    auto& machine = cuda_emulator::machine::instance();
    const auto lane = machine.current().number % 32;
    if (reinterpret_cast<std::uintptr_t>(row) % 16 != 0)
        throw cuda_emulator::kernel_error("load_matrix: a row that is no multiple of 16");
    const auto rows = machine.offer(row, Transposed ? "ldmatrix.trans" : "ldmatrix");
    for (std::size_t m = 0; m < 4; ++m) {
        std::uint16_t pair[2];
        for (std::size_t i = 0; i < 2; ++i) {
            const std::size_t from = Transposed ? 2 * (lane % 4) + i : lane / 4,
                              column = Transposed ? lane / 4 : 2 * (lane % 4) + i;
            std::memcpy(&pair[i], static_cast<const std::uint16_t*>(rows[8 * m + from]) + column, 2);
        }
        std::memcpy(&r[m], pair, 4);
    }
}

struct fragments {
    std::uint32_t a[4], b[2];
};

}  // namespace detail

inline void load_matrix(std::uint32_t (&r)[4], const void* row) { detail::load_matrix<false>(r, row); }
inline void load_matrix_transposed(std::uint32_t (&r)[4], const void* row) { detail::load_matrix<true>(r, row); }

inline std::uint32_t round_to_tf32(float v) {
    std::uint32_t bits;
    std::memcpy(&bits, &v, 4);
    if ((bits & 0x7f800000u) == 0x7f800000u) return bits;
    return (bits + 0x1000u) & 0xffffe000u;
}

inline std::uint32_t pack_bfloat16(float low, float high) {
    return static_cast<std::uint32_t>(bfloat16(low).bits) | static_cast<std::uint32_t>(bfloat16(high).bits) << 16;
}

/// d += a · b, a 16×8, b 8×8.
inline void multiply_tf32(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
    auto& machine = cuda_emulator::machine::instance();
    const auto lane = machine.current().number % 32;
    detail::fragments mine;
    std::memcpy(mine.a, a, sizeof a);
    std::memcpy(mine.b, b, sizeof b);
    const auto all = machine.offer(mine, "mma.m16n8k8.tf32");
    const auto value = [](std::uint32_t bits) {
        float v;
        bits &= 0xffffe000u;
        std::memcpy(&v, &bits, 4);
        return v;
    };
    for (std::size_t i = 0; i < 4; ++i) {
        const std::size_t row = lane / 4 + 8 * (i / 2), column = 2 * (lane % 4) + i % 2;
        float sum = d[i];
        for (std::size_t k = 0; k < 8; ++k)
            sum += value(all[row % 8 * 4 + k % 4].a[row / 8 + 2 * (k / 4)]) * value(all[column * 4 + k % 4].b[k / 4]);
        d[i] = sum;
    }
}

/// d += a · b, a 16×16, b 16×8.
inline void multiply_bf16(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
    auto& machine = cuda_emulator::machine::instance();
    const auto lane = machine.current().number % 32;
    detail::fragments mine;
    std::memcpy(mine.a, a, sizeof a);
    std::memcpy(mine.b, b, sizeof b);
    const auto all = machine.offer(mine, "mma.m16n8k16.bf16");
    const auto value = [](std::uint32_t pair, std::size_t half) {
        const std::uint32_t bits = half == 0 ? pair << 16 : pair & 0xffff0000u;
        float v;
        std::memcpy(&v, &bits, 4);
        return v;
    };
    for (std::size_t i = 0; i < 4; ++i) {
        const std::size_t row = lane / 4 + 8 * (i / 2), column = 2 * (lane % 4) + i % 2;
        float sum = d[i];
        for (std::size_t k = 0; k < 16; ++k) {
            const std::size_t owner = k % 8 / 2;
            sum +=
                value(all[row % 8 * 4 + owner].a[row / 8 + 2 * (k / 8)], k % 2) * value(all[column * 4 + owner].b[k / 8], k % 2);
        }
        d[i] = sum;
    }
}

}  // namespace saddle::cuda
