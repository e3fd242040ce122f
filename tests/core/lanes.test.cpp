#include "saddle/core/lanes.hpp"
#include "support/catch.hpp"

using namespace saddle;

namespace {

template <class T>
lanes<T> counted(T start) {
    alignas(64) T values[lane_count<T>];
    for (std::size_t i = 0; i < lane_count<T>; ++i) values[i] = start + static_cast<T>(i);
    return lanes<T>::load_aligned(values);
}

}  // namespace

TEMPLATE_TEST_CASE("multiply_add rounds once where the hardware has a fused form", "[core]", float, double) {
    const TestType tiny = std::numeric_limits<TestType>::epsilon() * 8;
    const auto fused = multiply_add(lanes<TestType>(1 + tiny), lanes<TestType>(1 + tiny), lanes<TestType>(-1)).get(0);
    if (detail::true_fma<TestType, xsimd::default_arch>::value) CHECK(fused == std::fma(1 + tiny, 1 + tiny, TestType(-1)));
    CHECK(fused == Approx(2 * tiny).epsilon(1e-4));
    CHECK(multiply_add(1 + tiny, 1 + tiny, TestType(-1)) == 2 * tiny + tiny * tiny);
}

TEMPLATE_TEST_CASE("transpose exchanges lanes and registers", "[core]", float, double) {
    constexpr std::size_t n = lane_count<TestType>;
    lanes<TestType> square[n];
    for (std::size_t i = 0; i < n; ++i) square[i] = counted<TestType>(static_cast<TestType>(100 * i));
    transpose(square);
    for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = 0; j < n; ++j) CHECK(square[i].get(j) == static_cast<TestType>(100 * j + i));
}

TEMPLATE_TEST_CASE("sum_lanes adds in lane order", "[core]", float, double) {
    alignas(64) TestType values[lane_count<TestType>] = {};
    values[0] = TestType(1) / std::numeric_limits<TestType>::epsilon() * 4;
    values[1] = 1;
    values[lane_count<TestType> - 1] -= values[0];
    TestType expected = values[0];
    for (std::size_t i = 1; i < lane_count<TestType>; ++i) expected += values[i];
    CHECK(sum_lanes(lanes<TestType>::load_aligned(values)) == expected);
}

TEMPLATE_TEST_CASE("choose picks per lane and per number", "[core]", float, double) {
    const auto a = counted<TestType>(0), b = counted<TestType>(100);
    const auto picked = choose(a > lanes<TestType>(TestType(.5)), a, b);
    CHECK(picked.get(0) == 100);
    CHECK(picked.get(1) == 1);
    CHECK(choose(false, TestType(1), TestType(2)) == 2);
}
