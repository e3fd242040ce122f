#include "saddle/attacks/target_ranking.hpp"

#include "support/catch.hpp"

#include <limits>

using saddle::target_ranking;

TEST_CASE("targets are ranked by their clean logits, the label left out", "[attacks][targets]") {
    target_ranking<float, 2> ranking(5);
    const float nan = std::numeric_limits<float>::quiet_NaN();
    // two lanes side by side
    const std::vector<float> logits{1, nan, 4, 2, 3, 2, 4, 2, 0, 9};
    ranking.rank(0, logits.data(), 2, 4);
    ranking.rank(1, logits.data() + 1, 2, 1);
    const auto order = [&](std::size_t lane) {
        std::vector<std::int32_t> all;
        for (std::size_t r = 0; r < 4; ++r) all.push_back(ranking.at(lane, r));
        return all;
    };
    CHECK(order(0) == std::vector<std::int32_t>{1, 3, 2, 0});
    CHECK(order(1) == std::vector<std::int32_t>{4, 2, 3, 0});
}
