#pragma once
#include "saddle/core/error.hpp"

#include <atomic>
#include <csignal>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): sigaction is POSIX, not C++

namespace saddle {

namespace detail {
inline std::atomic<bool> stop_requested{false};
static_assert(std::atomic<bool>::is_always_lock_free, "saddle: a signal handler may only touch lock-free atomics");

extern "C" inline void saddle_request_stop(int signal_number) {
    if (stop_requested.exchange(true)) {
        std::signal(signal_number, SIG_DFL);
        std::raise(signal_number);
    }
}
}  // namespace detail

/// While it lives, the first Ctrl-C (SIGINT) or SIGTERM asks long work to stop at the next safe point; a second one ends the
/// process.
///
/// A trainer then finishes its step, writes its checkpoint and throws `interrupted`. The library installs no handler by itself:
/// put one `interruption` at the start of main. The former handlers come back at the end of its life. POSIX; not to be nested.
class interruption {
public:
    /// Throws error when the system refuses the handlers.
    interruption() {
        clear();
        struct sigaction action {};
        action.sa_handler = detail::saddle_request_stop;
        sigemptyset(&action.sa_mask);
        action.sa_flags = SA_RESTART;
        if (sigaction(SIGINT, &action, &former_interrupt_) != 0 || sigaction(SIGTERM, &action, &former_terminate_) != 0)
            throw error("interruption: cannot install handlers for SIGINT and SIGTERM");
    }
    ~interruption() {
        sigaction(SIGINT, &former_interrupt_, nullptr);
        sigaction(SIGTERM, &former_terminate_, nullptr);
    }
    interruption(const interruption&) = delete;
    interruption& operator=(const interruption&) = delete;

    /// True once a stop was asked for, until clear().
    [[nodiscard]] static bool requested() noexcept { return detail::stop_requested.load(std::memory_order_relaxed); }
    /// Asks for a stop as Ctrl-C does.
    static void request() noexcept { detail::stop_requested.store(true, std::memory_order_relaxed); }
    /// The flag itself, for run_settings::stop and evaluation_settings::stop.
    [[nodiscard]] static const std::atomic<bool>& flag() noexcept { return detail::stop_requested; }
    static void clear() noexcept { detail::stop_requested.store(false, std::memory_order_relaxed); }

private:
    struct sigaction former_interrupt_ {
    }, former_terminate_{};
};

}  // namespace saddle
