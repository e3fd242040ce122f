#include "saddle/losses/cross_entropy.hpp"

#include "losses/loss_block.hpp"
#include "support/catch.hpp"

using namespace saddle;

TEMPLATE_TEST_CASE("cross-entropy equals -log softmax", "[losses]", SADDLE_VALUE_TYPES) {
    using T = lane_scalar<TestType>;
    const std::vector<T> z{T(1.5), T(-.5), T(.25), T(2)};
    double total = 0;
    for (const T v : z) total += std::exp(static_cast<double>(v));
    for (std::size_t y = 0; y < z.size(); ++y) {
        const auto found = evaluate<TestType>(cross_entropy{}, z, y);
        CHECK(found.lanes_agree);
        CHECK(static_cast<double>(found.value) == Approx(std::log(total) - static_cast<double>(z[y])).epsilon(1e-6));
        for (std::size_t k = 0; k < z.size(); ++k)
            CHECK(static_cast<double>(found.slopes[k]) ==
                  Approx(std::exp(static_cast<double>(z[k])) / total - (k == y)).epsilon(1e-6));
    }
}

TEST_CASE("cross-entropy slopes agree with finite differences", "[losses]") {
    CHECK(slope_error(cross_entropy{}, {.3, -1.2, 2.5, .8, -.4}, 2) < 1e-8);
    CHECK(slope_error(cross_entropy{}, {.3, -1.2, 2.5, .8, -.4}, 0, true) < 1e-8);
}

TEMPLATE_TEST_CASE("cross-entropy stands logits of any size", "[losses]", SADDLE_VALUE_TYPES) {
    using T = lane_scalar<TestType>;
    for (const T size : {T(1e4), T(1e10), T(1e30)}) {
        const auto wrong = evaluate<TestType>(cross_entropy{}, std::vector<T>{size, -size, 0}, 1);
        CHECK(static_cast<double>(wrong.value) == Approx(2 * static_cast<double>(size)));
        CHECK(wrong.slopes == std::vector<T>{1, -1, 0});
        const auto right = evaluate<TestType>(cross_entropy{}, std::vector<T>{size, -size, 0}, 0);
        CHECK(right.value == 0);
        CHECK(right.slopes == std::vector<T>{0, 0, 0});
    }
}

TEMPLATE_TEST_CASE("a confident model still has a cross-entropy slope at the label", "[losses]", SADDLE_VALUE_TYPES) {
    using T = lane_scalar<TestType>;
    const auto found = evaluate<TestType>(cross_entropy{}, std::vector<T>{40, 0, -1}, 0);
    const double rest = std::exp(-40.) + std::exp(-41.);
    CHECK(static_cast<double>(found.value) == Approx(rest).epsilon(1e-5));
    CHECK(static_cast<double>(found.slopes[0]) == Approx(-rest).epsilon(1e-5));
}

TEMPLATE_TEST_CASE("targeted cross-entropy is minus the loss on the target", "[losses]", SADDLE_VALUE_TYPES) {
    using T = lane_scalar<TestType>;
    const std::vector<T> z{T(.5), T(-1), T(2)};
    const auto away = evaluate<TestType>(cross_entropy{}, z, 1), towards = evaluate<TestType>(cross_entropy{}, z, 1, true);
    CHECK(towards.value == -away.value);
    for (std::size_t k = 0; k < 3; ++k) CHECK(towards.slopes[k] == -away.slopes[k]);
}

TEMPLATE_TEST_CASE("NaN and infinite logits are not usable and give NaN", "[losses][pitfalls]", SADDLE_VALUE_TYPES) {
    using T = lane_scalar<TestType>;
    using io = lane_values<TestType>;
    const T nan = std::numeric_limits<T>::quiet_NaN(), infinity = std::numeric_limits<T>::infinity();
    for (const auto& z : {std::vector<T>{0, nan, 1}, std::vector<T>{nan, nan, nan}, std::vector<T>{infinity, 0, 0}}) {
        CHECK(std::isnan(evaluate<TestType>(cross_entropy{}, z, 0).value));
        lane_vector<T> block(3 * io::size), valid(io::size);
        for (std::size_t i = 0; i < block.size(); ++i) block[i] = z[i / io::size];
        io::store(valid.data(), choose(find_top<TestType>(block.data(), 3, io::size).valid, TestType(1), TestType(0)));
        CHECK(valid[0] == 0);
    }
}

TEMPLATE_TEST_CASE("the top logit is the first of equals, and a class can be left out", "[losses]", SADDLE_VALUE_TYPES) {
    using T = lane_scalar<TestType>;
    using io = lane_values<TestType>;
    lane_vector<T> block(4 * io::size), index(io::size);
    const T z[4]{-3, -1, -1, -2};
    for (std::size_t i = 0; i < block.size(); ++i) block[i] = z[i / io::size];
    io::store(index.data(), find_top<TestType>(block.data(), 4, io::size).index);
    CHECK(index[0] == 1);
    io::store(index.data(), find_top<TestType>(block.data(), 4, io::size, TestType(1)).index);
    CHECK(index[io::size - 1] == 2);
}
