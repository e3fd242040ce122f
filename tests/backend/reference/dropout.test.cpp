#include "saddle/backend/reference/dropout.hpp"
#include "support/catch.hpp"

using namespace saddle;

TEST_CASE("dropout drops the share that its rate says and keeps the mean", "[backend]") {
    plan p;
    p.add_tensor({1, 100, 100});
    p.append({.kind = operation_kind::dropout, .rate = .3, .name = ""}, 0, {1, 100, 100});
    const training_settings settings{.seed = 1};
    const std::vector<std::uint64_t> ids{0, 1};
    const reference_backend::call<double> c{p, 0, {}, {}, &settings, ids};
    double dropped = 0, sum = 0;
    reference_backend::for_each_dropout_factor(c, 2, 10'000, [&](std::size_t, std::size_t, double factor) {
        dropped += factor == 0 ? 1 : 0;
        sum += factor;
    });
    CHECK(dropped / 20'000 == Approx(.3).margin(.015));
    CHECK(sum / 20'000 == Approx(1).margin(.02));
}
