#include "saddle/core/image_blocks.hpp"
#include "support/catch.hpp"

using namespace saddle;

TEST_CASE("a block holds images lane by lane, idle lanes repeat the last image", "[core]") {
    images x(3, {1, 1, 2});
    for (std::size_t i = 0; i < 6; ++i) x.values()[i] = static_cast<float>(i) / 8;
    std::vector<float> block(2 * 4);
    load_block(x, 1, 2, 4, block.data());
    CHECK(block == std::vector<float>{.25F, .5F, .5F, .5F, .375F, .625F, .625F, .625F});
    images back(3, {1, 1, 2});
    store_block(block.data(), 4, back, 1, 2);
    CHECK(back[1][1] == x[1][1]);
    CHECK(back[2][0] == x[2][0]);
    CHECK(back[0][0] == 0);
}
