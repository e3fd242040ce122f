#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <functional>
#include <limits>
#include <memory>
#include <setjmp.h>
#include <stdexcept>
#include <string>
#include <ucontext.h>
#include <vector>
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

/// Runs a CUDA kernel on the host: one fiber a thread, one block at a time, on whichever host thread launches.
///
/// A fiber runs until it meets a barrier, so a kernel that forgets one reads NaN (shared memory starts as NaN) or what another
/// order of threads would not give it: run forwards and in reverse. Under ThreadSanitizer the fibers count as threads and only
/// barriers order them, so the missing barrier is a reported race; under AddressSanitizer shared memory past what the launch
/// asked for is poisoned.
namespace cuda_emulator {

struct index3 {
    unsigned x = 0, y = 0, z = 0;
};

inline constexpr std::size_t shared_limit = 227 * 1024, stack_size = std::size_t{256} << 10, warp_size = 32;

/// The order in which a block's threads take turns.
inline bool reverse_order = false;

/// What a kernel did wrong: threads that wait at different barriers, a warp's operation without all its lanes.
struct kernel_error : std::logic_error {
    using std::logic_error::logic_error;
};

#if defined(__SANITIZE_THREAD__)
extern "C" void AnnotateIgnoreReadsBegin(const char*, int);
extern "C" void AnnotateIgnoreReadsEnd(const char*, int);
extern "C" void AnnotateIgnoreWritesBegin(const char*, int);
extern "C" void AnnotateIgnoreWritesEnd(const char*, int);
/// What the emulator itself reads and writes is no race of the kernel.
struct unseen {
    unseen() {
        AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
        AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
    }
    ~unseen() {
        AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
        AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
    }
};
#else
struct unseen {
    unseen() {}
};
#endif

enum class wait_for { nothing, block, warp, event };

struct fiber {
    ucontext_t context{};
    jmp_buf jump{};
    bool entered = false;
    std::unique_ptr<char[]> stack;
    index3 thread{};
    std::size_t number = 0;
    wait_for waits = wait_for::nothing;
    const char* place = nullptr;  ///< the operation that it waits in
    bool done = true;
    std::size_t turn = 0;                                    ///< of the warp's exchanges
    std::vector<std::function<void()>> copies;               ///< asynchronous copies not yet committed
    std::vector<std::vector<std::function<void()>>> groups;  ///< committed ones
    std::vector<std::function<void()>> products;             ///< asynchronous products not yet committed
    std::vector<std::shared_ptr<void>> kept;                 ///< what products read that other threads made, until the block ends
    std::vector<std::vector<std::function<void()>>> product_groups;
    bool fenced = false;          ///< registers may be read by products: a fence since the last wait for some
    std::function<bool()> event;  ///< what it waits for
#if defined(__SANITIZE_THREAD__)
    void* sanitizer = nullptr;
#endif
#if defined(__SANITIZE_ADDRESS__)
    void* fake_stack = nullptr;
#endif
};

/// What the lanes of a warp hand each other; two turns are kept, since a fast lane may begin the next one.
struct exchange {
    alignas(16) unsigned char value[2][warp_size][64];
};

class machine {
public:
    static machine& instance() {
        static machine it;
        return it;
    }

    index3 thread_index, block_index, block_extent, grid_extent;

    /// Runs every block of a grid; `shared` bytes of `shared_memory` belong to the block. Throws kernel_error.
    void run(index3 grid, index3 block, std::size_t shared, unsigned char* shared_memory, const std::function<void()>& kernel) {
        const unseen internals;
        const std::size_t threads = std::size_t{block.x} * block.y * block.z;
        if (threads == 0 || threads > 1024)
            throw kernel_error("launch: 1 to 1024 threads a block, not " + std::to_string(threads));
        if (shared > shared_limit) throw kernel_error("launch: " + std::to_string(shared) + " bytes of shared memory");
        kernel_ = &kernel;
        block_extent = block;
        grid_extent = grid;
        while (fibers_.size() < threads) add_fiber();
        exchanges_.resize((threads + warp_size - 1) / warp_size);
        for (unsigned z = 0; z < grid.z; ++z)
            for (unsigned y = 0; y < grid.y; ++y)
                for (unsigned x = 0; x < grid.x; ++x) {
                    block_index = {x, y, z};
                    poison(shared_memory, shared);
                    run_block(threads);
                }
        unpoison(shared_memory);
    }

    fiber& current() {
        const unseen internals;
        return *current_;
    }

    void wait(wait_for what, const char* place) {
        const unseen internals;
        fiber& me = *current_;
        me.waits = what;
        me.place = place;
        [[maybe_unused]] void* const barrier =
            what == wait_for::warp ? static_cast<void*>(&exchanges_[me.number / warp_size]) : static_cast<void*>(&votes_);
#if defined(__SANITIZE_THREAD__)
        __tsan_release(barrier);
        __tsan_release(&end_);  // should the block be given up here
#endif
        leave(me);
#if defined(__SANITIZE_THREAD__)
        __tsan_acquire(barrier);
#endif
    }

    /// Waits until `happened` says so; `object` is what signal orders this thread by.
    void wait_until(std::function<bool()> happened, const char* place, [[maybe_unused]] void* object) {
        const unseen internals;
        fiber& me = *current_;
        me.event = std::move(happened);
        me.waits = wait_for::event;
        me.place = place;
#if defined(__SANITIZE_THREAD__)
        __tsan_release(&end_);  // should the block be given up here
#endif
        leave(me);
#if defined(__SANITIZE_THREAD__)
        __tsan_acquire(object);
#endif
    }
    /// What this thread has done comes before what threads do that have waited for `object`.
    void signal([[maybe_unused]] void* object) {
#if defined(__SANITIZE_THREAD__)
        __tsan_release(object);
#endif
    }
    /// Work of no thread, done as late as it can be: when no thread can go on without it.
    void later(std::function<void()> work) {
        const unseen internals;
        pending_.push_back(std::move(work));
    }

    /// Each lane of the warp offers a value and receives all of them.
    template <class T>
    std::array<T, warp_size> offer(const T& mine, const char* place) {
        static_assert(sizeof(T) <= sizeof(exchange::value[0][0]));
        const unseen internals;
        fiber& me = *current_;
        auto& turn = exchanges_[me.number / warp_size].value[me.turn++ % 2];
        std::memcpy(turn[me.number % warp_size], &mine, sizeof(T));
        wait(wait_for::warp, place);
        std::array<T, warp_size> all;
        for (std::size_t l = 0; l < warp_size; ++l) std::memcpy(&all[l], turn[l], sizeof(T));
        return all;
    }

    /// True in every thread when it is in any; a barrier of the block.
    bool any(bool mine) {
        const unseen internals;
        votes_[current_->number] = mine;
        wait(wait_for::block, "__syncthreads_or");
        bool result = false;
        for (std::size_t i = 0; i < threads_; ++i) result = result || votes_[i];
        wait(wait_for::block, "__syncthreads_or");
        return result;
    }

private:
    void add_fiber() {
        auto f = std::make_unique<fiber>();
        f->number = fibers_.size();
        f->stack = std::make_unique<char[]>(stack_size);
        getcontext(&f->context);
        f->context.uc_stack.ss_sp = f->stack.get();
        f->context.uc_stack.ss_size = stack_size;
        f->context.uc_link = nullptr;
        const auto address = reinterpret_cast<std::uintptr_t>(f.get());
        makecontext(&f->context, reinterpret_cast<void (*)()>(&begin), 2, static_cast<unsigned>(address),
                    static_cast<unsigned>(address >> 32));
#if defined(__SANITIZE_THREAD__)
        f->sanitizer = __tsan_create_fiber(0);
#endif
        fibers_.push_back(std::move(f));
    }
    static void begin(unsigned low, unsigned high) {
        fiber& me = *reinterpret_cast<fiber*>(std::uintptr_t{low} | std::uintptr_t{high} << 32);
        machine& m = instance();
#if defined(__SANITIZE_ADDRESS__)
        __sanitizer_finish_switch_fiber(nullptr, &m.host_bottom_, &m.host_size_);
#endif
        for (;;) {
#if defined(__SANITIZE_THREAD__)
            __tsan_acquire(&m.start_);
#endif
            try {
                (*m.kernel_)();
            } catch (...) {
                m.failure_ = std::current_exception();
            }
            const unseen internals;
            me.done = true;
            me.waits = wait_for::nothing;
#if defined(__SANITIZE_THREAD__)
            __tsan_release(&m.end_);
#endif
            m.leave(me);
        }
    }

    void enter(fiber& f) {
        current_ = &f;
        thread_index = f.thread;
#if defined(__SANITIZE_THREAD__)
        void* const host = __tsan_get_current_fiber();
        host_ = host;
        __tsan_switch_to_fiber(f.sanitizer, __tsan_switch_to_fiber_no_sync);
#endif
#if defined(__SANITIZE_ADDRESS__)
        __sanitizer_start_switch_fiber(&host_fake_, f.stack.get(), stack_size);
#endif
        switch_context(host_context_, host_jump_, f.context, f.jump, f.entered);
        f.entered = true;
#if defined(__SANITIZE_ADDRESS__)
        __sanitizer_finish_switch_fiber(host_fake_, nullptr, nullptr);
#endif
    }
    void leave(fiber& me) {
#if defined(__SANITIZE_THREAD__)
        __tsan_switch_to_fiber(host_, __tsan_switch_to_fiber_no_sync);
#endif
#if defined(__SANITIZE_ADDRESS__)
        __sanitizer_start_switch_fiber(&me.fake_stack, host_bottom_, host_size_);
#endif
        switch_context(me.context, me.jump, host_context_, host_jump_, true);
#if defined(__SANITIZE_ADDRESS__)
        __sanitizer_finish_switch_fiber(me.fake_stack, &host_bottom_, &host_size_);
#endif
    }

    /// Goes from one context to another. Without sanitizers only the first entry saves the signal mask, which costs two system
    /// calls.
    static void switch_context([[maybe_unused]] ucontext_t& from, [[maybe_unused]] jmp_buf& from_jump, ucontext_t& to,
                               [[maybe_unused]] jmp_buf& to_jump, [[maybe_unused]] bool entered) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
        swapcontext(&from, &to);
#else
        if (_setjmp(from_jump) != 0) return;
        if (entered) _longjmp(to_jump, 1);
        setcontext(&to);
#endif
    }

    void run_block(std::size_t threads) {
        threads_ = threads;
        failure_ = nullptr;
        for (std::size_t i = 0; i < threads; ++i) {
            fiber& f = *fibers_[i];
            f.thread = {static_cast<unsigned>(i % block_extent.x), static_cast<unsigned>(i / block_extent.x % block_extent.y),
                        static_cast<unsigned>(i / block_extent.x / block_extent.y)};
            f.done = false;
            f.waits = wait_for::nothing;
            f.turn = 0;
            f.copies.clear();
            f.groups.clear();
            f.products.clear();
            f.kept.clear();
            f.product_groups.clear();
            f.fenced = false;
        }
        pending_.clear();
#if defined(__SANITIZE_THREAD__)
        __tsan_release(&start_);
#endif
        for (;;) {
            bool ran = false, all_done = true;
            for (std::size_t n = 0; n < threads; ++n) {
                fiber& f = *fibers_[reverse_order ? threads - 1 - n : n];
                if (f.done || f.waits != wait_for::nothing) continue;
                enter(f);
                ran = true;
                if (failure_) return abandon(threads);
            }
            for (std::size_t i = 0; i < threads; ++i) all_done = all_done && fibers_[i]->done;
            if (all_done) break;
            if (release(threads)) continue;
            if (!ran && !pending_.empty()) {
                const auto first = reverse_order ? pending_.end() - 1 : pending_.begin();
                const auto work = std::move(*first);
                pending_.erase(first);
                work();
                continue;
            }
            if (!ran) {
                failure_ = std::make_exception_ptr(kernel_error("threads of a block wait at different barriers"));
                return abandon(threads);
            }
        }
        if (!pending_.empty()) {
            failure_ = std::make_exception_ptr(kernel_error("a block ended before its asynchronous copies"));
            return abandon(threads);
        }
#if defined(__SANITIZE_THREAD__)
        __tsan_acquire(&end_);
#endif
    }
    /// Lets those go on whose barrier is complete.
    bool release(std::size_t threads) {
        bool any = false;
        for (std::size_t i = 0; i < threads; ++i) {
            if (fibers_[i]->waits != wait_for::event || !fibers_[i]->event()) continue;
            fibers_[i]->waits = wait_for::nothing;
            any = true;
        }
        for (std::size_t first = 0; first < threads; first += warp_size) {
            const std::size_t last = std::min(first + warp_size, threads);
            std::size_t waiting = 0;
            for (std::size_t i = first; i < last; ++i) waiting += fibers_[i]->waits == wait_for::warp;
            if (waiting != last - first) continue;
            for (std::size_t i = first; i < last; ++i) {
                if (std::string(fibers_[i]->place) != fibers_[first]->place) return false;
                fibers_[i]->waits = wait_for::nothing;
            }
            any = true;
        }
        std::size_t alive = 0, waiting = 0;
        for (std::size_t i = 0; i < threads; ++i) {
            alive += !fibers_[i]->done;
            waiting += fibers_[i]->waits == wait_for::block;
        }
        if (waiting < alive || waiting == 0) return any;
        for (std::size_t i = 0; i < threads; ++i)
            if (!fibers_[i]->done) fibers_[i]->waits = wait_for::nothing;
        return true;
    }
    /// After an error the fibers' stacks hold what cannot be unwound; they are made anew.
    void abandon(std::size_t) {
#if defined(__SANITIZE_THREAD__)
        __tsan_acquire(&end_);
#endif
        auto kept = std::move(fibers_);
        fibers_.clear();
        for (auto& f : kept) lost_.push_back(std::move(f));
        std::rethrow_exception(failure_);
    }

    static void poison(unsigned char* memory, std::size_t used) {
#if defined(__SANITIZE_ADDRESS__)
        __asan_unpoison_memory_region(memory, shared_limit);
#endif
        const float nan = std::numeric_limits<float>::quiet_NaN();
        for (std::size_t i = 0; i + sizeof nan <= used; i += sizeof nan) std::memcpy(memory + i, &nan, sizeof nan);
#if defined(__SANITIZE_ADDRESS__)
        __asan_poison_memory_region(memory + used, shared_limit - used);
#endif
    }
    static void unpoison([[maybe_unused]] unsigned char* memory) {
#if defined(__SANITIZE_ADDRESS__)
        __asan_unpoison_memory_region(memory, shared_limit);
#endif
    }
    const std::function<void()>* kernel_ = nullptr;
    std::vector<std::unique_ptr<fiber>> fibers_, lost_;
    std::vector<exchange> exchanges_;
    std::vector<std::function<void()>> pending_;
    bool votes_[1024]{};
    fiber* current_ = nullptr;
    std::size_t threads_ = 0;
    std::exception_ptr failure_;
    ucontext_t host_context_{};
    jmp_buf host_jump_{};
    char start_ = 0, end_ = 0;
#if defined(__SANITIZE_THREAD__)
    void* host_ = nullptr;
#endif
#if defined(__SANITIZE_ADDRESS__)
    void* host_fake_ = nullptr;
    const void* host_bottom_ = nullptr;
    std::size_t host_size_ = 0;
#endif
};

}  // namespace cuda_emulator
