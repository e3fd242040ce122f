#include "saddle/core/arena.hpp"
#include "support/catch.hpp"

using namespace saddle;

TEST_CASE("an arena hands out aligned memory that does not overlap", "[core]") {
    arena memory(4096);
    const auto a = memory.take<float>(3);
    const auto b = memory.take<double>(10);
    CHECK(reinterpret_cast<std::uintptr_t>(a.data()) % lane_alignment == 0);
    CHECK(reinterpret_cast<std::uintptr_t>(b.data()) % lane_alignment == 0);
    CHECK(static_cast<const void*>(a.data() + a.size()) <= static_cast<const void*>(b.data()));
    memory.reset();
    CHECK(memory.take<float>(3).data() == a.data());
}

TEST_CASE("a full arena says how much was left and asked for", "[core]") {
    arena memory(64);
    (void)memory.take<float>(1);
    CHECK_THROWS_WITH(memory.take<float>(1), "arena::take: bytes; expected at most 0, found 64");
}
