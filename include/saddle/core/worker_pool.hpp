#pragma once
#include "saddle/core/error.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace saddle {

/// A fixed set of threads that share the items of one loop at a time. The calling thread is worker 0.
///
/// Items are handed out dynamically, so an item's result must not depend on who computes it. Not reentrant: an item may not
/// start another loop on the same pool.
class worker_pool {
public:
    /// `threads` workers; 0 means one per hardware thread.
    explicit worker_pool(std::size_t threads = 0) {
        if (threads == 0) threads = std::max(1u, std::thread::hardware_concurrency());
        require(threads <= 4096, "worker_pool", "number of threads", "at most 4096", threads);
        for (std::size_t id = 1; id < threads; ++id) helpers_.emplace_back([this, id] { serve(id); });
    }
    ~worker_pool() {
        {
            std::lock_guard lock(mutex_);
            closing_ = true;
        }
        wake_.notify_all();
        for (auto& helper : helpers_) helper.join();
    }
    worker_pool(const worker_pool&) = delete;
    worker_pool& operator=(const worker_pool&) = delete;

    [[nodiscard]] std::size_t size() const { return helpers_.size() + 1; }

    /// Calls `body(item, worker)` for every item in [0, items), worker < size(). Returns when all are done; if items throw, the
    /// exception of the lowest item that threw is rethrown and items not yet started are skipped.
    template <class Body>
    void for_each(std::size_t items, Body&& body) {
        if (items == 0) return;
        if (helpers_.empty() || items == 1) {
            for (std::size_t i = 0; i < items; ++i) body(i, std::size_t{0});
            return;
        }
        std::function<void(std::size_t, std::size_t)> call = std::ref(body);
        {
            std::lock_guard lock(mutex_);
            call_ = &call;
            items_ = items;
            next_ = 0;
            failed_ = false;
            failure_ = nullptr;
            failed_item_ = items;
            running_ = helpers_.size();
            ++round_;
        }
        wake_.notify_all();
        work(0);
        std::unique_lock lock(mutex_);
        done_.wait(lock, [this] { return running_ == 0; });
        call_ = nullptr;
        if (failure_) std::rethrow_exception(failure_);
    }

private:
    void serve(std::size_t id) {
        std::size_t seen = 0;
        for (;;) {
            {
                std::unique_lock lock(mutex_);
                wake_.wait(lock, [&] { return closing_ || round_ != seen; });
                if (closing_) return;
                seen = round_;
            }
            work(id);
            std::lock_guard lock(mutex_);
            if (--running_ == 0) done_.notify_one();
        }
    }
    void work(std::size_t id) {
        for (;;) {
            const std::size_t item = next_.fetch_add(1);
            if (item >= items_ || failed_) return;
            try {
                (*call_)(item, id);
            } catch (...) {
                std::lock_guard lock(mutex_);
                failed_ = true;
                if (item < failed_item_) {
                    failed_item_ = item;
                    failure_ = std::current_exception();
                }
            }
        }
    }

    std::vector<std::thread> helpers_;
    std::mutex mutex_;
    std::condition_variable wake_, done_;
    const std::function<void(std::size_t, std::size_t)>* call_ = nullptr;
    std::size_t items_ = 0, running_ = 0, round_ = 0, failed_item_ = 0;
    std::atomic<std::size_t> next_{0};
    std::atomic<bool> failed_{false};
    bool closing_ = false;
    std::exception_ptr failure_;
};

}  // namespace saddle
