#include "saddle/certification/largest_epsilon.hpp"

#include "certification/networks.hpp"
#include "io/says.hpp"
#include "saddle/certification/box.hpp"
#include "saddle/certification/deep_poly.hpp"

using namespace saddle;
using namespace saddle::testing;

namespace {

/// Class 0 where 2x > 1: the radius of x is x - 1/2.
using half = model<sequential<linear<2>>, shape<1>, backend::cpu>;
half half_model() {
    half m;
    const float weights[] = {2, 0, 0, 1};
    std::copy(std::begin(weights), std::end(weights), m.parameters().begin());
    return m;
}
images pixels(std::initializer_list<float> values) {
    images x(values.size(), {1, 1, 1});
    std::copy(values.begin(), values.end(), x.data());
    return x;
}

}  // namespace

TEST_CASE("the largest certified radius is the distance to the boundary", "[radius]") {
    const auto m = half_model();
    const auto found = largest_certified_epsilon<saddle::box>(m, pixels({.75f, .53f, .25f, .4f}), labels{0, 0, 1, 0},
                                                              saddle::box{}, {.tolerance = 1e-5, .certify = {.threads = 1}});
    const double expected[] = {.25, .03, .25};
    for (std::size_t i = 0; i < 3; ++i) {
        INFO(i);
        CHECK(found.certified[i] <= expected[i] + 1e-7);
        CHECK(found.refused[i] - found.certified[i] <= 1e-5);
        CHECK(found.refused[i] >= expected[i] - 1e-6);
        CHECK(found.attempts[i] > 10);
    }
    CHECK(std::isnan(found.certified[3]));
    CHECK(std::isnan(found.refused[3]));
    CHECK(found.attempts[3] == 0);
    CHECK(found.predictions == labels{0, 0, 1, 1});
    CHECK(found.domain == "Box");
    CHECK(found.certified_accuracy(.1) == .5);
    CHECK(found.certified_accuracy(0) == .75);
}

TEST_CASE("a radius that is proven up to the upper end is refused nowhere", "[radius]") {
    const auto found =
        largest_certified_epsilon<saddle::box>(half_model(), pixels({.75f}), labels{0}, saddle::box{}, {.upper = .125});
    CHECK(found.certified[0] == .125);
    CHECK(found.refused[0] == std::numeric_limits<double>::infinity());
    CHECK(found.attempts[0] == 1);
}

TEST_CASE("what the search proves, certify proves, and what it refuses, not", "[radius]") {
    const auto m = random_model<strided>(4);
    images x(20, m.structure().input());
    const random_stream draws({.seed = 9, .purpose = purpose::user});
    for (std::size_t i = 0; i < x.values().size(); ++i) x.values()[i] = draws.uniform(0, i);
    const labels y(20, 2);
    const auto found = largest_certified_epsilon<deep_poly>(m, x, y, deep_poly{}, {.upper = .1, .tolerance = 1e-3});
    const auto three =
        largest_certified_epsilon<deep_poly>(m, x, y, deep_poly{}, {.upper = .1, .tolerance = 1e-3, .certify = {.threads = 3}});
    for (std::size_t i = 0; i < 20; ++i) {
        if (std::isnan(found.certified[i])) continue;
        CHECK(found.certified[i] == three.certified[i]);
        CHECK(found.refused[i] == three.refused[i]);
        const auto at = [&](double e) {
            return certify<deep_poly>(m, x.slice(i, 1), labels{2}, linf_box{e}, deep_poly{}, {.threads = 1}).status[0];
        };
        if (found.certified[i] > 0) CHECK(at(found.certified[i]) == certificate::verified);
        if (found.refused[i] < 1) CHECK(at(found.refused[i]) == certificate::unverified);
    }
}

TEST_CASE("the search refuses settings that mean nothing", "[radius]") {
    const auto m = half_model();
    CHECK_THROWS_WITH(largest_certified_epsilon<saddle::box>(m, pixels({.5f}), labels{0}, saddle::box{}, {.upper = 1.5}),
                      says("upper; expected a number in (0,1], found 1.5"));
    CHECK_THROWS_WITH(largest_certified_epsilon<saddle::box>(m, pixels({.5f}), labels{0}, saddle::box{}, {.tolerance = 0}),
                      says("tolerance; expected a positive number, found 0"));
}

TEST_CASE("a curve certifies every image at every radius", "[radius]") {
    const auto x = pixels({.75f, .53f, .25f, .4f});
    const labels y{0, 0, 1, 0};
    const double epsilons[] = {.3, .01, .1};
    const auto curve = certified_curve<saddle::box>(half_model(), x, y, epsilons);
    CHECK(curve.results[0].count(certificate::verified) == 0);
    CHECK(curve.results[1].count(certificate::verified) == 3);
    CHECK(curve.results[2].count(certificate::verified) == 2);
    CHECK(curve.results[0].margin[0] == Approx(1.5 - 1 - .6));
}

TEST_CASE("a curve may leave out images that failed at a smaller radius", "[radius]") {
    const auto x = pixels({.75f, .53f, .25f, .4f});
    const labels y{0, 0, 1, 0};
    const double epsilons[] = {.3, .01, .1};
    const auto all = certified_curve<saddle::box>(half_model(), x, y, epsilons);
    const auto some = certified_curve<saddle::box>(half_model(), x, y, epsilons, saddle::box{}, {.skip_unverified = true});
    for (std::size_t k = 0; k < 3; ++k) CHECK(some.results[k].status == all.results[k].status);
    CHECK(some.results[2].margin[0] == all.results[2].margin[0]);
    CHECK(std::isfinite(some.results[2].margin[1]));  // failed here first
    CHECK(std::isnan(some.results[0].margin[1]));
    CHECK(std::isnan(some.results[0].margins[2]));
    CHECK(some.results[0].seconds[1] == 0);
}
