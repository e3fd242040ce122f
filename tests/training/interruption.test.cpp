#include "saddle/training/interruption.hpp"

#include "support/catch.hpp"

#include <sys/wait.h>
#include <unistd.h>

using namespace saddle;

TEST_CASE("the first signal only asks for a stop") {
    for (const int signal_number : {SIGINT, SIGTERM}) {
        const interruption guard;
        CHECK_FALSE(interruption::requested());
        std::raise(signal_number);
        CHECK(interruption::requested());
    }
    interruption::clear();
}

TEST_CASE("the second signal ends the process") {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        const interruption guard;
        std::raise(SIGINT);
        std::raise(SIGTERM);
        ::_exit(0);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == SIGTERM);
}

TEST_CASE("the former handlers come back") {
    static volatile std::sig_atomic_t calls = 0;
    const auto former = std::signal(SIGINT, [](int) { calls = calls + 1; });
    {
        const interruption guard;
        std::raise(SIGINT);
        CHECK(calls == 0);
    }
    std::raise(SIGINT);
    CHECK(calls == 1);
    std::signal(SIGINT, former);
    interruption::clear();
}

TEST_CASE("a stop can be asked for without a signal") {
    interruption::request();
    CHECK(interruption::requested());
    interruption::clear();
    CHECK_FALSE(interruption::requested());
}
