#include "saddle/projections/draws.hpp"

#include "projections/oracles.hpp"
#include "support/catch.hpp"

using namespace saddle;

TEMPLATE_TEST_CASE("fill_normal makes the draws of core/random.hpp", "[projections][random]", SADDLE_VALUE_TYPES) {
    using T = lane_scalar<TestType>;
    constexpr std::size_t count = lane_values<TestType>::size, elements = 1001;
    const random_stream draws({.seed = 3, .purpose = purpose::random_start});
    std::array<std::uint64_t, count> ids{};
    for (std::size_t l = 0; l < count; ++l) ids[l] = 100 * l + 7;
    lane_vector<T> v(elements * count);
    fill_normal<TestType>(draws, ids.data(), elements, 2, v.data());
    double worst = 0, mean = 0, square = 0;
    for (std::size_t e = 0; e < elements; ++e)
        for (std::size_t l = 0; l < count; ++l) {
            const double found = static_cast<double>(v[e * count + l]);
            worst = std::max(worst, std::abs(found - 2 * normal(draws, ids[l], e)));
            mean += found / static_cast<double>(elements * count);
            square += found * found / static_cast<double>(elements * count);
        }
    CHECK(worst < 1e-5);
    CHECK(std::abs(mean) < .3);
    CHECK(std::abs(square - 4) < .8);
}

TEMPLATE_TEST_CASE("a lane's draws belong to its example, whatever the lane", "[projections][random]", SADDLE_VALUE_TYPES) {
    using T = lane_scalar<TestType>;
    constexpr std::size_t count = lane_values<TestType>::size, elements = 10;
    const random_stream draws({.seed = 3});
    std::array<std::uint64_t, count> ids{};
    for (std::size_t l = 0; l < count; ++l) ids[l] = 40 + l;
    const lane_vector<T> x(elements * count, T(.5)), radius(count, T(.25));
    lane_vector<T> v(elements * count);
    add_uniform<TestType>(draws, ids.data(), elements, x.data(), radius.data(), v.data());
    for (std::size_t e = 0; e < elements; ++e)
        for (std::size_t l = 0; l < count; ++l)
            CHECK(v[e * count + l] == T(.5) + T(.25) * (2 * static_cast<T>(draws.uniform(40 + l, e)) - 1));
}

TEMPLATE_TEST_CASE("random signs are fair and never 0", "[projections][random]", SADDLE_VALUE_TYPES) {
    using T = lane_scalar<TestType>;
    constexpr std::size_t count = lane_values<TestType>::size, elements = 4000;
    std::array<std::uint64_t, count> ids{};
    const lane_vector<T> x(elements * count, T(.5));
    lane_vector<T> v(elements * count);
    add_random_sign<TestType>(random_stream({.seed = 3}), ids.data(), elements, x.data(), T(.25), v.data());
    std::size_t up = 0;
    for (std::size_t e = 0; e < elements; ++e) {
        CHECK((v[e * count] == T(.75) || v[e * count] == T(.25)));
        up += v[e * count] > T(.5);
    }
    CHECK(up > 1850);
    CHECK(up < 2150);
}
