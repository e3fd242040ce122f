#include "saddle/attacks/sample_draws.hpp"

#include "saddle/core/lanes.hpp"
#include "support/catch.hpp"

using namespace saddle;

TEMPLATE_TEST_CASE("normal samples are standard normal and uncorrelated", "[attacks][random]", float, double, lanes<float>) {
    using T = lane_scalar<TestType>;
    constexpr std::size_t count = lane_values<TestType>::size, elements = 40'003;
    const random_stream stream({.seed = 3});
    lane_vector<T> v(elements * count);
    fill_normal_samples<TestType>(stream, lane_samples<count>::of_one(5, 0), elements, v.data());
    double mean = 0, square = 0, fourth = 0, neighbours = 0;
    for (std::size_t e = 0; e < elements; ++e) {
        const auto x = static_cast<double>(v[e * count]), next = static_cast<double>(v[(e + 1) % elements * count]);
        mean += x, square += x * x, fourth += x * x * x * x, neighbours += x * next;
    }
    CHECK(mean / elements == Approx(0).margin(.02));
    CHECK(square / elements == Approx(1).margin(.03));
    CHECK(fourth / elements == Approx(3).margin(.2));
    CHECK(neighbours / elements == Approx(0).margin(.02));
}

TEMPLATE_TEST_CASE("a sample's draws are its own, whatever the lane", "[attacks][random]", lanes<float>, lanes<double>) {
    using T = lane_scalar<TestType>;
    constexpr std::size_t count = lane_values<TestType>::size, elements = 30;
    const random_stream stream({.seed = 3});
    lane_vector<T> block(elements * count), other(elements * count);
    lane_samples<count> mixed;
    for (std::size_t l = 0; l < count; ++l)
        mixed.id[l] = 9, mixed.sample[l] = 4 + count - 1 - l;  // the same, the other way round
    const auto same = [&](auto&& fill) {
        fill(lane_samples<count>::of_one(9, 4), block.data());
        fill(mixed, other.data());
        for (std::size_t e = 0; e < elements; ++e)
            for (std::size_t l = 0; l < count; ++l) CHECK(block[e * count + l] == other[e * count + count - 1 - l]);
    };
    same([&](const auto& of, T* v) { fill_normal_samples<TestType>(stream, of, elements, v); });
    same([&](const auto& of, T* v) { fill_uniform_samples<TestType>(stream, of, elements, v); });
    same([&](const auto& of, T* v) { fill_sign_samples<TestType>(stream, of, elements, v); });
}
