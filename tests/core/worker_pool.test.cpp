#include "saddle/core/worker_pool.hpp"
#include "support/catch.hpp"

#include <array>

using namespace saddle;

TEST_CASE("every item is done once, by a worker of the pool", "[core][threads]") {
    for (const std::size_t threads : {1, 2, 3, 5}) {
        worker_pool pool(threads);
        CHECK(pool.size() == threads);
        for (const std::size_t items : {0, 1, 2, 7, 1000}) {
            std::vector<int> done(items);
            std::atomic<bool> strange = false;
            pool.for_each(items, [&](std::size_t item, std::size_t worker) {
                ++done[item];
                if (worker >= threads) strange = true;
            });
            CHECK(std::all_of(done.begin(), done.end(), [](int n) { return n == 1; }));
            CHECK_FALSE(strange);
        }
    }
}

TEST_CASE("an exception reaches the caller and the pool works on", "[core][threads]") {
    worker_pool pool(3);
    CHECK_THROWS_AS(pool.for_each(100,
                                  [](std::size_t item, std::size_t) {
                                      if (item == 40) throw data_error("item 40");
                                  }),
                    data_error);
    std::atomic<int> count = 0;
    pool.for_each(50, [&](std::size_t, std::size_t) { ++count; });
    CHECK(count == 50);
}

TEST_CASE("of several exceptions the one of the lowest item that ran is thrown", "[core][threads]") {
    worker_pool pool(1);
    CHECK_THROWS_WITH(pool.for_each(5,
                                    [](std::size_t item, std::size_t) {
                                        if (item >= 2) throw data_error("item " + std::to_string(item));
                                    }),
                      "item 2");
}

TEST_CASE("a pool refuses an absurd number of threads", "[core][threads]") {
    CHECK_THROWS_AS(worker_pool(100'000), invalid_argument);
}
