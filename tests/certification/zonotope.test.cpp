#include "saddle/certification/zonotope.hpp"

#include "certification/networks.hpp"
#include "certification/plain_zonotope.hpp"
#include "saddle/certification/box.hpp"
#include "saddle/certification/deep_poly.hpp"

using namespace saddle;
using namespace saddle::testing;

namespace {

std::vector<double> wide(const std::vector<float>& v) { return {v.begin(), v.end()}; }
template <class Model>
plain_zonotope plain_of(const Model& m, const random_box& box) {
    static std::vector<double> parameters, buffers;
    parameters.assign(m.parameters().begin(), m.parameters().end());
    buffers.assign(m.buffers().begin(), m.buffers().end());
    return {m.structure(), parameters, buffers, wide(box.lower), wide(box.upper)};
}

}  // namespace

TEST_CASE("on the DeepPoly paper's example the zonotope's margin is a quarter", "[zonotope]") {
    using network = sequential<linear<2>, relu, linear<2>, relu, linear<2>>;
    model<network, shape<2>, backend::cpu> m;
    const float weights[] = {1, 1, 1, -1, 0, 0, 1, 1, 1, -1, 0, 0, 1, 1, 0, 1, 1, 0};
    std::copy(std::begin(weights), std::end(weights), m.parameters().begin());
    analysed<zonotope, float, decltype(m)> a(m, {}, soundness::exact_arithmetic);
    const float lower[] = {-1, -1}, upper[] = {1, 1};
    double margin[2];
    a.analysis.margins(lower, upper, 0, margin);
    CHECK(margin[0] == 0);
    CHECK(margin[1] == Approx(.25));
}

TEST_CASE("differences of a linear network are exact", "[zonotope]") {
    model<sequential<linear<2>>, shape<3>, backend::cpu, double> m;
    const double weights[] = {1, 2, -3, 2, 2, 1, .5, .25};
    std::copy(std::begin(weights), std::end(weights), m.parameters().begin());
    analysed<zonotope, double, decltype(m)> a(m, {}, soundness::exact_arithmetic);
    const double lower[] = {0, .25, .5}, upper[] = {1, .25, 1};
    double margin[2];
    a.analysis.margins(lower, upper, 0, margin);
    CHECK(margin[1] == Approx(-1 - 4 + .25).epsilon(1e-14));  // -x0 - 4 x2 + .25 at (1, ., 1)
    CHECK(a.analysis.registers() == 1);
}

TEST_CASE("a residual's branches share their generators", "[zonotope]") {
    using network = sequential<linear<2, no_bias>, residual<linear<2, no_bias>>>;
    model<network, shape<2>, backend::cpu, double> m;
    const double weights[] = {1, 2, 3, -1, -1, 0, 0, -1};  // the body undoes the identity: the sum is 0
    std::copy(std::begin(weights), std::end(weights), m.parameters().begin());
    analysed<zonotope, double, decltype(m)> a(m, {}, soundness::exact_arithmetic);
    const double lower[] = {0, 0}, upper[] = {1, 1};
    double margin[2];
    a.analysis.margins(lower, upper, 0, margin);
    CHECK(margin[1] == Approx(0).margin(1e-15));
}

TEST_CASE("a maximum keeps the form of the input that dominates its window", "[zonotope]") {
    using network = sequential<max_pool2d<2>, flatten, linear<2, no_bias>>;
    model<network, shape<1, 2, 2>, backend::cpu, double> m;
    const double weights[] = {1, 3};
    std::copy(std::begin(weights), std::end(weights), m.parameters().begin());
    analysed<zonotope, double, decltype(m)> a(m, {}, soundness::exact_arithmetic);
    const double lower[] = {.5, .1, .2, .3}, upper[] = {.75, .5, .4, .4};
    double margin[2];
    a.analysis.margins(lower, upper, 1, margin);
    CHECK(margin[0] == Approx(1.).epsilon(1e-14));  // 2·max, at .5
    CHECK(a.analysis.interval(1).hi[0] == .75);
    const double open[] = {.9, .6, .4, .4};
    a.analysis.margins(lower, open, 1, margin);
    CHECK(margin[0] == Approx(1.).epsilon(1e-14));
    CHECK(a.analysis.registers() == 2);
}

TEMPLATE_TEST_CASE("the zonotope's margins are those of plain matrices", "[zonotope]", SADDLE_CERTIFIED_NETWORKS) {
    for (const double radius : {.003, .03, .3}) {
        const auto m = random_model<TestType, double>(5);
        const random_box box(m.structure().input().size(), radius, 8);
        const auto plain = plain_of(m, box);
        analysed<zonotope, double, small_model<TestType, double>> a(m, {}, soundness::exact_arithmetic);
        const auto margins = a.margins(box, 1);
        for (const std::size_t j : {0, 2, 3}) {
            INFO("radius " << radius << ", class " << j);
            CHECK(margins[j] == Approx(plain.margin(1, j)).margin(1e-9).epsilon(1e-9));
        }
    }
}

TEMPLATE_TEST_CASE("in float the zonotope's margins stay close to plain matrices, on the low side", "[zonotope]", strided,
                   residual_network) {
    const auto m = random_model<TestType>(4);
    const random_box box(m.structure().input().size(), .1, 8);
    const auto plain = plain_of(m, box);
    analysed<zonotope, float, small_model<TestType>> exact(m, {}, soundness::exact_arithmetic),
        sound(m, {}, soundness::float_program);
    const auto margins = exact.margins(box, 1), lower = sound.margins(box, 1);
    for (const std::size_t j : {0, 2, 3}) {
        CHECK(margins[j] == Approx(plain.margin(1, j)).margin(1e-5).epsilon(1e-5));
        CHECK(lower[j] < plain.margin(1, j));
        CHECK(lower[j] > plain.margin(1, j) - 2e-3);
    }
}

namespace {
using two_dense = sequential<flatten, linear<12>, relu, linear<10>, relu, linear<4>>;
using two_strided = sequential<conv2d<3, 4, stride<2>>, relu, conv2d<5, 3, padding<1>>, relu, flatten, linear<4>>;
}  // namespace

// DeepPoly cuts the bounds of hidden values with interval propagation, but spares values that it settles: over two layers that is
// the same as cutting all.
TEMPLATE_TEST_CASE("cut with intervals, the zonotope is DeepPoly with parallel lines", "[zonotope]", two_dense, two_strided) {
    for (std::uint64_t seed = 0; seed < 5; ++seed)
        for (const double radius : {.01, .1}) {
            const auto m = random_model<TestType, double>(seed);
            const random_box box(m.structure().input().size(), radius, seed);
            analysed<zonotope, double, small_model<TestType, double>> generators(m, {.intersect = true},
                                                                                 soundness::exact_arithmetic);
            analysed<deep_poly, double, small_model<TestType, double>> lines(
                m, {.slope = lower_slope::parallel, .bound_at = concretization::input}, soundness::exact_arithmetic);
            const auto a = generators.margins(box, 2), b = lines.margins(box, 2);
            for (const std::size_t j : {0, 1, 3}) CHECK(a[j] == Approx(b[j]).margin(1e-9).epsilon(1e-9));
        }
}

TEMPLATE_TEST_CASE("no point of a box gives the float program a margin below the zonotope's", "[zonotope]",
                   SADDLE_CERTIFIED_NETWORKS) {
    for (std::uint64_t seed = 0; seed < 4; ++seed)
        for (const double radius : {0., 1e-6, .02, .3})
            for (const bool intersect : {false, true}) {
                const auto m = random_model<TestType>(seed);
                const random_box box(m.structure().input().size(), radius, seed + 20);
                analysed<zonotope, float, small_model<TestType>> a(m, {.intersect = intersect}, soundness::float_program);
                const std::size_t label = seed % 4;
                const auto bound = a.margins(box, label), seen = sampled_margins(a.program, box, label, 20, seed);
                for (std::size_t j = 0; j < 4; ++j) {
                    INFO("seed " << seed << ", radius " << radius << ", class " << j << ", intersect " << intersect);
                    CHECK((j == label || bound[j] <= seen[j]));
                }
            }
}

TEMPLATE_TEST_CASE("at a point the sound margin is a few roundings below the program's", "[zonotope]",
                   SADDLE_CERTIFIED_NETWORKS) {
    const auto m = random_model<TestType>(7);
    const random_box box(m.structure().input().size(), 0, 3);
    analysed<zonotope, float, small_model<TestType>> a(m, {}, soundness::float_program);
    const auto bound = a.margins(box, 0), seen = sampled_margins(a.program, box, 0, 1, 1);
    for (const std::size_t j : {1, 2, 3}) {
        CHECK(bound[j] <= seen[j]);
        CHECK(bound[j] > seen[j] - 2e-3);
    }
}

TEMPLATE_TEST_CASE("cut with interval propagation, every interval lies in Box's", "[zonotope]", pooled, residual_network) {
    const auto m = random_model<TestType, double>(2);
    const random_box box(m.structure().input().size(), .1, 4);
    analysed<zonotope, double, small_model<TestType, double>> cut(m, {.intersect = true}, soundness::exact_arithmetic);
    analysed<saddle::box, double, small_model<TestType, double>> plain(m, {}, soundness::exact_arithmetic);
    cut.margins(box, 0);
    plain.margins(box, 0);
    std::size_t tighter = 0;
    for (std::size_t i = 1; i + 1 < cut.network.size(); ++i)
        for (std::size_t j = 0; j < cut.network[i].size(); ++j) {
            const auto &a = cut.analysis.interval(i), &b = plain.analysis.bounds().interval(i);
            CHECK((a.lo[j] >= b.lo[j] - 1e-12 && a.hi[j] <= b.hi[j] + 1e-12));
            tighter += a.hi[j] < b.hi[j] - 1e-9;
        }
    CHECK(tighter > 0);
}

TEST_CASE("a network that ends with an activation is compared by its forms", "[zonotope]") {
    using network = sequential<flatten, linear<6>, relu, linear<4>, leaky_relu>;
    for (const double radius : {.001, .05}) {
        const auto m = random_model<network>(3);
        const random_box box(m.structure().input().size(), radius, 5);
        analysed<zonotope, float, small_model<network>> a(m, {}, soundness::float_program);
        const auto bound = a.margins(box, 2), seen = sampled_margins(a.program, box, 2, 20, 6);
        const auto plain = plain_of(m, box);
        for (const std::size_t j : {0, 1, 3}) {
            CHECK(bound[j] <= seen[j]);
            CHECK(bound[j] > plain.margin(2, j) - 1e-3);
        }
    }
}

TEST_CASE("the zonotope has the same bits for any number of threads", "[zonotope][threads]") {
    const auto m = random_model<strided>(3);
    images x(70, m.structure().input());
    const random_stream draws({.seed = 9, .purpose = purpose::user});
    for (std::size_t i = 0; i < x.values().size(); ++i) x.values()[i] = draws.uniform(0, i);
    labels y(70);
    for (std::size_t i = 0; i < y.size(); ++i) y[i] = static_cast<std::int32_t>(i % 4);
    const auto one = certify<zonotope>(m, x, y, linf_box{.01}, zonotope{}, {.threads = 1}),
               three = certify<zonotope>(m, x, y, linf_box{.01}, zonotope{}, {.threads = 3});
    CHECK(one.count(certificate::verified) > 0);
    CHECK(one.status == three.status);
    CHECK(std::equal(one.margins.begin(), one.margins.end(), three.margins.begin(),
                     [](double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }));
}

TEST_CASE("the zonotope refuses to take more memory than allowed", "[zonotope]") {
    const auto m = random_model<dense>(3);
    const random_box box(m.structure().input().size(), .1, 5);
    analysed<zonotope, float, small_model<dense>> a(m, {.memory = 1000}, soundness::float_program);
    CHECK_THROWS_AS(a.margins(box, 0), invalid_argument);
}

TEST_CASE("only pixels that may change have generators", "[zonotope]") {
    const auto m = random_model<dense>(3);
    random_box box(m.structure().input().size(), 0, 5);
    analysed<zonotope, float, small_model<dense>> a(m, {}, soundness::float_program);
    a.margins(box, 0);
    CHECK(a.analysis.registers() == 0);
    box.upper[17] += .125f;
    a.margins(box, 0);
    CHECK(a.analysis.registers() > 0);
    CHECK(a.analysis.registers() <= 4);
}
