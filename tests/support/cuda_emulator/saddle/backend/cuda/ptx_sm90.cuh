#pragma once
#include "saddle/backend/cuda/matrix_layout.cuh"
#include "saddle/backend/cuda/ptx.cuh"

#include <cudaTypedefs.h>

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
                for (cuuint32_t i = 0; i < map.box[0]; ++i, offset += 2) {
                    const cuuint32_t within[3] = {i, j, k};
                    const unsigned char* from = map.base;
                    bool inside = true;
                    for (std::size_t d = 0; d < 3; ++d) {
                        const long long place = at[d] + within[d];
                        inside = inside && place >= 0 && place < static_cast<long long>(map.extent[d]);
                        from += place * static_cast<long long>(map.stride[d]);
                    }
                    std::uint16_t value = 0;
                    if (inside) std::memcpy(&value, from, 2);
                    std::memcpy(cuda_emulator::shared_memory + swizzled(offset, map.swizzle), &value, 2);
                }
        auto s = detail::barrier_state::of(b);
        s.bytes -= offset - to;
        s.leave_at(b);
    });
}

inline void warpgroup_fence() {}
inline void warpgroup_commit() {
    auto& me = cuda_emulator::machine::instance().current();
    me.product_groups.push_back(std::move(me.products));
    me.products.clear();
}
template <int Pending>
inline void warpgroup_wait() {
    auto& groups = cuda_emulator::machine::instance().current().product_groups;
    while (groups.size() > static_cast<std::size_t>(Pending)) {
        for (const auto& product : groups.front()) product();
        groups.erase(groups.begin());
    }
}
template <int Count>
inline void pin_registers(float (&)[Count]) {}

/// d += a · b, a 64×16, b 16×2·Count, this thread's sums.
template <int Count>
inline void multiply_warpgroup(float (&d)[Count], std::uint64_t a, std::uint64_t b) {
    auto& machine = cuda_emulator::machine::instance();
    struct operands {
        std::uint64_t a, b;
    };
    for (const auto& other : machine.offer(operands{a, b}, "wgmma"))
        if (other.a != a || other.b != b) throw cuda_emulator::kernel_error("wgmma: lanes with different descriptors");
    const int thread = static_cast<int>(machine.current().number % 128);
    machine.current().products.push_back([&d, a, b, thread] {
        const auto value = [](std::uint64_t descriptor, int row, unsigned k) {
            bfloat16 v;
            std::memcpy(&v, cuda_emulator::shared_memory + operand_address(descriptor, static_cast<unsigned>(row), k), 2);
            return static_cast<float>(v);
        };
        float left[2][16];
        for (int half = 0; half < 2; ++half)
            for (unsigned k = 0; k < 16; ++k) left[half][k] = value(a, accumulator_row(thread, 2 * half), k);
        for (int i = 0; i < Count; i += 4)
            for (int j = 0; j < 2; ++j) {
                float low = 0, high = 0;
                for (unsigned k = 0; k < 16; ++k) {
                    const float right = value(b, accumulator_column(thread, i + j), k);
                    low += left[0][k] * right;
                    high += left[1][k] * right;
                }
                d[i + j] += low;
                d[i + 2 + j] += high;
            }
    });
}

}  // namespace saddle::cuda
