#include "saddle/certification/box.hpp"

#include "certification/networks.hpp"

using namespace saddle;
using namespace saddle::testing;

TEMPLATE_TEST_CASE("Box's intervals and margins are those of plain matrices", "[box]", SADDLE_CERTIFIED_NETWORKS) {
    const auto m = random_model<TestType, double>(6);
    const random_box box(m.structure().input().size(), .1, 8);
    const std::vector<double> parameters(m.parameters().begin(), m.parameters().end());
    const std::vector<double> buffers(m.buffers().begin(), m.buffers().end());
    const plain_bounds plain(m.structure(), parameters, buffers, {box.lower.begin(), box.lower.end()},
                             {box.upper.begin(), box.upper.end()}, lower_slope::area, false);
    analysed<saddle::box, double, small_model<TestType, double>> a(m, {}, soundness::exact_arithmetic);
    const auto margins = a.margins(box, 3);
    const auto& last = m.structure().operations.back();
    const double* const weight = parameters.data() + m.structure().parameters[last.weight].offset;
    const double* const bias = parameters.data() + m.structure().parameters[last.bias].offset;
    const std::size_t inputs = plain.lo[last.input].size();
    for (const std::size_t j : {0, 1, 2}) {
        double bound = bias[3] - bias[j];
        for (std::size_t i = 0; i < inputs; ++i) {
            const double w = weight[3 * inputs + i] - weight[j * inputs + i];
            bound += w * (w >= 0 ? plain.lo : plain.hi)[last.input][i];
        }
        CHECK(margins[j] == Approx(bound).margin(1e-9).epsilon(1e-9));
    }
}

TEMPLATE_TEST_CASE("no point of a box gives the float program a margin below Box's", "[box]", SADDLE_CERTIFIED_NETWORKS) {
    for (std::uint64_t seed = 0; seed < 3; ++seed)
        for (const double radius : {0., 1e-6, .1}) {
            const auto m = random_model<TestType>(seed);
            const random_box box(m.structure().input().size(), radius, seed + 20);
            analysed<saddle::box, float, small_model<TestType>> a(m, {}, soundness::float_program);
            const auto bound = a.margins(box, 2), seen = sampled_margins(a.program, box, 2, 20, seed);
            for (const std::size_t j : {0, 1, 3}) CHECK(bound[j] <= seen[j]);
        }
}

TEST_CASE("the property folded into the last layer is tighter than its ends", "[box]") {
    using network = sequential<linear<2>, relu, linear<2>, relu, linear<2>>;
    model<network, shape<2>, backend::cpu> m;
    const float weights[] = {1, 1, 1, -1, 0, 0, 1, 1, 1, -1, 0, 0, 1, 1, 0, 1, 1, 0};  // the DeepPoly paper's example
    std::copy(std::begin(weights), std::end(weights), m.parameters().begin());
    analysed<saddle::box, float, decltype(m)> a(m, {}, soundness::exact_arithmetic);
    const float lower[] = {-1, -1}, upper[] = {1, 1};
    double margin[2];
    a.analysis.margins(lower, upper, 0, margin);
    CHECK(margin[1] == Approx(1));
}
