#pragma once
#include "saddle/core/error.hpp"

#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <span>
#include <vector>
#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace saddle {

/// Alignment of every block of lanes: one cache line, the widest SIMD register.
inline constexpr std::size_t lane_alignment = 64;

/// Allocator of memory aligned for lanes.
template <class T>
struct lane_allocator {
    using value_type = T;
    lane_allocator() = default;
    template <class U>
    lane_allocator(const lane_allocator<U>&) {}
    [[nodiscard]] T* allocate(std::size_t n) {
        if (n > std::numeric_limits<std::size_t>::max() / sizeof(T)) throw std::bad_array_new_length();
        const std::size_t bytes = n * sizeof(T);
        void* const memory = ::operator new(bytes, alignment_of(bytes));
#if defined(__linux__)
        if (bytes >= huge) (void)madvise(memory, bytes, MADV_HUGEPAGE);  // a wish: fewer address translations
#endif
        return static_cast<T*>(memory);
    }
    void deallocate(T* p, std::size_t n) { ::operator delete(p, alignment_of(n * sizeof(T))); }
    template <class U>
    friend bool operator==(const lane_allocator&, const lane_allocator<U>&) {
        return true;
    }

private:
    static constexpr std::size_t huge = std::size_t{4} << 20, huge_page = std::size_t{2} << 20;  ///< from where huge pages pay
    static std::align_val_t alignment_of(std::size_t bytes) {
        return std::align_val_t{bytes >= huge ? huge_page : lane_alignment};
    }
};

/// A vector whose data starts on a cache line.
template <class T>
using lane_vector = std::vector<T, lane_allocator<T>>;

/// Memory for one attack or one training block: reserved once, then handed out without allocation.
class arena {
public:
    arena() = default;
    explicit arena(std::size_t bytes) : bytes_(bytes) {}

    /// Grows to at least `bytes`; everything handed out before is void. Contents start as zeros.
    void reserve(std::size_t bytes) {
        if (bytes > bytes_.size()) bytes_ = lane_vector<std::byte>(bytes);
        used_ = 0;
    }
    void reset() { used_ = 0; }
    [[nodiscard]] std::size_t capacity() const { return bytes_.size(); }

    /// Room that `count` values of T take, alignment included.
    template <class T>
    [[nodiscard]] static constexpr std::size_t room(std::size_t count) {
        return (count * sizeof(T) + lane_alignment - 1) / lane_alignment * lane_alignment;
    }
    /// The next `count` values of T, on a cache line, not initialised. Throws error when the arena is full.
    template <class T>
    [[nodiscard]] std::span<T> take(std::size_t count) {
        const std::size_t bytes = room<T>(count);
        require<error>(used_ + bytes <= bytes_.size(), "arena::take", "bytes", text("at most ", bytes_.size() - used_), bytes);
        T* first = reinterpret_cast<T*>(bytes_.data() + used_);
        used_ += bytes;
        return {first, count};
    }

private:
    lane_vector<std::byte> bytes_;
    std::size_t used_ = 0;
};

}  // namespace saddle
