#pragma once
#include "saddle/backend/cuda/matrix_layout.cuh"
#include "saddle/backend/cuda/ptx.cuh"

#include <cudaTypedefs.h>
#include <utility>

/// The host's version of backend/cuda/ptx_sm90.cuh, found before it by the include path of the tests: barriers as counters,
/// copies of boxes that arrive as late as they can, products that read shared memory when they are waited for.
namespace saddle::cuda {

using arrival_barrier = std::uint64_t;

namespace detail {

/// What a barrier's 8 bytes hold.
struct barrier_state {
    std::uint16_t expected, missing;  ///< arrivals of a phase, and how many of them are not yet here
    std::uint32_t phase : 1,
        bytes : 31;  ///< parity of the phase under way; bytes that have been announced less those that came, biased

    static constexpr std::uint32_t none = 1u << 30;

    [[nodiscard]] static barrier_state of(const arrival_barrier* b) {
        barrier_state s;
        std::memcpy(&s, b, sizeof s);
        return s;
    }
    void leave_at(arrival_barrier* b) {
        if (missing == 0 && bytes == none) {
            phase ^= 1u;
            missing = expected;
        }
        std::memcpy(b, this, sizeof *this);
    }
};
static_assert(sizeof(barrier_state) == sizeof(arrival_barrier));

inline void arrive_with(arrival_barrier* b, std::uint32_t bytes) {
    auto& machine = cuda_emulator::machine::instance();
    machine.signal(b);
    const cuda_emulator::unseen internals;
    auto s = barrier_state::of(b);
    if (s.missing == 0) throw cuda_emulator::kernel_error("arrive: more arrivals than the barrier's phase has");
    --s.missing;
    s.bytes += bytes;
    s.leave_at(b);
}

}  // namespace detail

inline unsigned shared_offset(const void* p) {
    return static_cast<unsigned>(static_cast<const unsigned char*>(p) - cuda_emulator::shared_memory);
}

inline void make_barrier(arrival_barrier* b, unsigned arrivals) {
    const cuda_emulator::unseen internals;
    if (shared_offset(b) % 8 != 0) throw cuda_emulator::kernel_error("make_barrier: an address that is no multiple of 8");
    const auto count = static_cast<std::uint16_t>(arrivals);
    detail::barrier_state s{count, count, 0, detail::barrier_state::none};
    s.leave_at(b);
}
inline void publish_barriers() {}
inline void arrive_and_expect(arrival_barrier* b, unsigned bytes) { detail::arrive_with(b, bytes); }
inline void arrive(arrival_barrier* b) { detail::arrive_with(b, 0); }
inline void wait_for_phase(arrival_barrier* b, unsigned parity) {
    cuda_emulator::machine::instance().wait_until([=] { return detail::barrier_state::of(b).phase != parity; }, "wait_for_phase",
                                                  b);
}

inline void copy_box_async(void* shared, const CUtensorMap* tensor, int x, int y, int z, arrival_barrier* b) {
    const unsigned to = shared_offset(shared);
    if (to % 128 != 0) throw cuda_emulator::kernel_error("copy_box_async: an address that is no multiple of 128");
    cuda_emulator::machine::instance().later([=, map = *tensor] {
        const long long at[3] = {x, y, z};
        unsigned offset = to;
        for (cuuint32_t k = 0; k < map.box[2]; ++k)
            for (cuuint32_t j = 0; j < map.box[1]; ++j)
                for (cuuint32_t i = 0; i < map.box[0]; ++i, offset += map.each) {
                    const cuuint32_t within[3] = {i, j, k};
                    const unsigned char* from = map.base;
                    bool inside = true;
                    for (std::size_t d = 0; d < 3; ++d) {
                        const long long place = at[d] + within[d];
                        inside = inside && place >= 0 && place < static_cast<long long>(map.extent[d]);
                        from += place * static_cast<long long>(map.stride[d]);
                    }
                    std::uint32_t value = 0;
                    if (inside) std::memcpy(&value, from, map.each);
                    if (map.to_tf32) value = cuda_emulator::copied_as_tf32(value);
                    std::memcpy(cuda_emulator::shared_memory + swizzled(offset, map.swizzle), &value, map.each);
                }
        auto s = detail::barrier_state::of(b);
        s.bytes -= offset - to;
        s.leave_at(b);
    });
}

inline void warpgroup_fence() { cuda_emulator::machine::instance().current().fenced = true; }
inline void warpgroup_commit() {
    auto& me = cuda_emulator::machine::instance().current();
    me.product_groups.push_back(std::move(me.products));
    me.products.clear();
}
template <int Pending>
inline void warpgroup_wait() {
    auto& me = cuda_emulator::machine::instance().current();
    auto& groups = me.product_groups;
    me.fenced = false;  // what follows may touch registers
    while (groups.size() > static_cast<std::size_t>(Pending)) {
        for (const auto& product : groups.front()) product();
        groups.erase(groups.begin());
    }
}
template <int Count>
inline void pin_registers(float (&)[Count]) {}

namespace detail {

/// This thread's sums of a product over `Depth` values of k, of the thread's two rows and all columns.
template <unsigned Depth, int Count, class Left, class Right>
void add_products(float (&d)[Count], int thread, const Left& left, const Right& right) {
    float rows[2][Depth];
    for (int half = 0; half < 2; ++half)
        for (unsigned k = 0; k < Depth; ++k) rows[half][k] = left(half, k);
    for (int i = 0; i < Count; i += 4)
        for (int j = 0; j < 2; ++j) {
            float low = 0, high = 0;
            for (unsigned k = 0; k < Depth; ++k) {
                const float value = right(static_cast<unsigned>(accumulator_column(thread, i + j)), k);
                low += rows[0][k] * value;
                high += rows[1][k] * value;
            }
            d[i + j] += low;
            d[i + 2 + j] += high;
        }
}

inline void require_fence() {
    if (!cuda_emulator::machine::instance().current().fenced)
        throw cuda_emulator::kernel_error("wgmma: no warpgroup_fence since the last warpgroup_wait");
}

/// What the lanes of a warp hold in registers, read when the first of them waits for the product.
struct held_operand {
    const std::uint32_t* at[32];
    std::uint32_t value[32][4];
    bool read = false;

    [[nodiscard]] float look(std::size_t lane, std::size_t i) {
        if (!std::exchange(read, true))
            for (std::size_t l = 0; l < 32; ++l) std::memcpy(value[l], at[l], sizeof value[l]);
        return std::bit_cast<float>(value[lane][i] & 0xffffe000u);
    }
};

}  // namespace detail

template <class T, bool Rows, int Count>
inline void multiply_warpgroup(float (&d)[Count], std::uint64_t a, std::uint64_t b) {
    static_assert(Rows || sizeof(T) == 2, "saddle: operands of 4 bytes have the axis that is summed over contiguous");
    detail::require_fence();
    auto& machine = cuda_emulator::machine::instance();
    struct operands {
        std::uint64_t a, b;
    };
    for (const auto& other : machine.offer(operands{a, b}, "wgmma"))
        if (other.a != a || other.b != b) throw cuda_emulator::kernel_error("wgmma: lanes with different descriptors");
    constexpr unsigned each = sizeof(T);
    const int thread = static_cast<int>(machine.current().number % 128);
    machine.current().products.push_back([&d, a, b, thread] {
        const auto value = [](std::uint64_t descriptor, unsigned row, unsigned k) {
            const unsigned at = Rows ? row_address(descriptor, row, each * k) : operand_address(descriptor, row, k);
            std::uint32_t bits = 0;
            std::memcpy(reinterpret_cast<unsigned char*>(&bits) + 4 - each, cuda_emulator::shared_memory + at, each);
            return std::bit_cast<float>(each == 4 ? bits & 0xffffe000u : bits);
        };
        detail::add_products<32 / each>(
            d, thread,
            [&](int half, unsigned k) { return value(a, static_cast<unsigned>(accumulator_row(thread, 2 * half)), k); },
            [&](unsigned column, unsigned k) { return value(b, column, k); });
    });
}
template <int Count>
inline void multiply_warpgroup(float (&d)[Count], const std::uint32_t (&a)[4], std::uint64_t b) {
    detail::require_fence();
    auto& machine = cuda_emulator::machine::instance();
    struct operands {
        const std::uint32_t* a;
        std::uint64_t b;
        detail::held_operand* held;
    };
    const int thread = static_cast<int>(machine.current().number % 128);
    detail::held_operand* held = nullptr;
    if (thread % 32 == 0) {
        auto made = std::make_shared<detail::held_operand>();
        held = made.get();
        machine.current().kept.push_back(std::move(made));
    }
    const auto all = machine.offer(operands{a, b, held}, "wgmma");
    {
        const cuda_emulator::unseen internals;
        held = all[0].held;
        for (std::size_t l = 0; l < 32; ++l) {
            if (all[l].b != b) throw cuda_emulator::kernel_error("wgmma: lanes with different descriptors");
            held->at[l] = all[l].a;
        }
    }
    machine.current().products.push_back([&d, held, b, thread] {
        const auto row = static_cast<std::size_t>(thread % 32 / 4 * 4);
        detail::add_products<8>(
            d, thread,
            [&](int half, unsigned k) {
                const cuda_emulator::unseen internals;
                return held->look(row + k % 4, static_cast<std::size_t>(half) + 2 * (k / 4));
            },
            [&](unsigned column, unsigned k) {
                std::uint32_t v;
                std::memcpy(&v, cuda_emulator::shared_memory + row_address(b, column, 4 * k), 4);
                return std::bit_cast<float>(v & 0xffffe000u);
            });
    });
}

}  // namespace saddle::cuda
