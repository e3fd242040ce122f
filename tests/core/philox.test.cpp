#include "saddle/core/philox.hpp"
#include "support/catch.hpp"

#include <set>

using namespace saddle;

TEST_CASE("philox gives the known answers of its authors' test vectors", "[core]") {
    CHECK(philox::generate({0, 0, 0, 0}, 0, 0) == philox::block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
    CHECK(philox::generate({~0u, ~0u, ~0u, ~0u}, ~0u, ~0u) == philox::block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
    CHECK(philox::generate({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, 0xa4093822, 0x299f31d0) ==
          philox::block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("every field of a draw's key changes the draw", "[core]") {
    std::set<std::uint32_t> seen;
    const auto note = [&](const draw_key& k) { seen.insert(random_stream(k).bits(3, 5)); };
    note({});
    note({.seed = 1});
    note({.seed = std::uint64_t{1} << 40});
    note({.purpose = purpose::dropout});
    note({.layer = 1});
    note({.epoch = 1});
    note({.restart = 1});
    note({.sample = 1});
    note({.target = 1});
    note({.step = 1});
    seen.insert(random_stream({}).bits(4, 5));
    seen.insert(random_stream({}).bits(3, 6));
    CHECK(seen.size() == 12);
}

TEST_CASE("uniform draws lie in [0,1) and spread evenly", "[core]") {
    const random_stream draws({.seed = 9});
    std::array<int, 10> counts{};
    for (std::size_t i = 0; i < 100'000; ++i) {
        const float u = draws.uniform(7, i);
        REQUIRE(u >= 0.F);
        REQUIRE(u < 1.F);
        ++counts[static_cast<std::size_t>(u * 10)];
    }
    for (const int c : counts) CHECK(std::abs(c - 10'000) < 500);
}

TEST_CASE("integers below n cover exactly 0 to n - 1", "[core]") {
    const random_stream draws({.seed = 2});
    std::set<std::uint32_t> seen;
    for (std::size_t i = 0; i < 1000; ++i) seen.insert(draws.below(7, 0, i));
    CHECK(seen == std::set<std::uint32_t>{0, 1, 2, 3, 4, 5, 6});
}

TEST_CASE("quads of several examples are those of each", "[core][random]") {
    const saddle::random_stream stream({.seed = 77, .purpose = saddle::purpose::sample, .step = 3});
    const std::uint64_t examples[5] = {0, 1, 1, std::uint64_t{1} << 40, ~std::uint64_t{0}},
                        quads[5] = {0, 0, 9, std::uint64_t{3} << 33, 12345};
    std::uint32_t words[4][5];
    stream.quads(examples, quads, words);
    for (std::size_t l = 0; l < 5; ++l) {
        const auto expected = stream.quad(examples[l], quads[l]);
        for (std::size_t i = 0; i < 4; ++i) CHECK(words[i][l] == expected[i]);
    }
}
