#include "saddle/projections/verify.hpp"

#include "support/catch.hpp"

using namespace saddle;

namespace {

images filled(float value) {
    images x(3, {1, 2, 2});
    for (auto& v : x.values()) v = value;
    return x;
}

}  // namespace

TEST_CASE("verify_in_threat accepts the extreme floats and refuses their neighbours", "[projections][exact]") {
    const auto x = filled(.25f);
    for (const double epsilon : {.1, .3, 8. / 255}) {
        auto z = x;
        float lo = 0, hi = 0;
        linf_interval<float>(x.data(), &epsilon, &lo, &hi);
        z[1][2] = hi;
        z[2][0] = lo;
        CHECK(verify_in_threat(x, z, linf{epsilon}).ok());
        z[1][2] = std::nextafter(hi, 2.f);
        const auto check = verify_in_threat(x, z, linf{epsilon});
        CHECK(check.violations == 1);
        CHECK(check.first == 1);
        CHECK(check.reason.find("exceeds epsilon") != std::string::npos);
    }
}

TEST_CASE("verify_in_threat names values that are no pixels", "[projections]") {
    const auto x = filled(.5f);
    for (const float bad :
         {1.0000001f, -1e-9f, std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
        auto z = x;
        z[2][3] = bad;
        const auto check = verify_in_threat(x, z, box_only{});
        CHECK_FALSE(check.ok());
        CHECK(check.first == 2);
        CHECK(check.reason.find("element 3") != std::string::npos);
    }
    CHECK(verify_in_threat(x, filled(1.f), box_only{}).ok());
}

TEST_CASE("distances are those of the norm", "[projections]") {
    const auto x = filled(.5f);
    auto z = x;
    z[0][0] = .75f;
    z[0][1] = .25f;
    CHECK(distances(linf{}, x, z)[0] == .25);
    CHECK(distances(l1{}, x, z)[0] == .5);
    CHECK(distances(l2{}, x, z)[0] == Approx(std::sqrt(.125)).epsilon(1e-15));
    CHECK(verify_in_threat(x, z, l1{.epsilon = .5001}).largest_distance == .5);
    CHECK_FALSE(verify_in_threat(x, z, l1{.epsilon = .4999}).ok());
    CHECK_FALSE(verify_in_threat(x, z, l2{.epsilon = .35}).ok());
}

TEST_CASE("verify_in_threat takes one epsilon per image", "[projections]") {
    const auto x = filled(.5f), z = filled(.75f);
    const std::vector<double> radii{.25, .2, .3};
    const auto check = verify_in_threat(x, z, linf{9}, radii);
    CHECK(check.violations == 1);
    CHECK(check.first == 1);
    CHECK_THROWS_AS(verify_in_threat(x, z, linf{}, std::vector<double>{.1}), shape_error);
    CHECK_THROWS_AS(verify_in_threat(x, images(2, {1, 2, 2}), linf{}), shape_error);
}

namespace {

/// A user's threat: only the brightness may change, by at most epsilon.
struct mean_shift {
    static constexpr std::string_view name = "mean shift";
    double epsilon = .1;

    template <class T>
    static double distance(std::span<const T> x, std::span<const T> z) {
        double sum = 0;
        for (std::size_t e = 0; e < x.size(); ++e) sum += static_cast<double>(z[e]) - static_cast<double>(x[e]);
        return std::abs(sum) / static_cast<double>(x.size());
    }
};

}  // namespace

TEST_CASE("a user's projection is verified by the distance it brings", "[projections]") {
    const auto x = filled(.5f), z = filled(.55f);
    CHECK(verify_in_threat(x, z, mean_shift{.epsilon = .06}).ok());
    CHECK(verify_in_threat(x, z, mean_shift{.epsilon = .04}).violations == x.size());
}
