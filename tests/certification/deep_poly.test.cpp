#include "saddle/certification/deep_poly.hpp"

#include "certification/networks.hpp"

using namespace saddle;
using namespace saddle::testing;

namespace {

/// The example of the DeepPoly paper: two inputs in [-1,1], ties in the first layer.
using paper_network = sequential<linear<2>, relu, linear<2>, relu, linear<2>>;
using paper_model = model<paper_network, shape<2>, backend::cpu>;

paper_model paper_example() {
    paper_model m;
    const float weights[] = {1, 1, 1, -1, 0, 0, 1, 1, 1, -1, 0, 0, 1, 1, 0, 1, 1, 0};
    std::copy(std::begin(weights), std::end(weights), m.parameters().begin());
    return m;
}

double paper_margin(const deep_poly& domain, std::vector<std::pair<double, double>>* second_layer = nullptr) {
    const auto m = paper_example();
    analysed<deep_poly, float, paper_model> a(m, domain, soundness::exact_arithmetic);
    const float lower[] = {-1, -1}, upper[] = {1, 1};
    double margin[2];
    a.analysis.margins(lower, upper, 0, margin);
    if (second_layer)
        for (std::size_t i = 0; i < 2; ++i)
            second_layer->emplace_back(a.analysis.bounds().interval(3).lo[i], a.analysis.bounds().interval(3).hi[i]);
    return margin[1];
}

}  // namespace

TEST_CASE("DeepPoly's hidden bounds are those of the paper's example", "[deep_poly]") {
    std::vector<std::pair<double, double>> bounds;
    paper_margin({.slope = lower_slope::adaptive}, &bounds);
    CHECK(bounds[0].first == Approx(0).margin(1e-6));
    CHECK(bounds[0].second == Approx(3));
    CHECK(bounds[1].first == Approx(-2));
    CHECK(bounds[1].second == Approx(2));
}

TEST_CASE("on the paper's example the tie of the lower slope and where bounds are taken decide the margin", "[deep_poly]") {
    CHECK(paper_margin({.slope = lower_slope::adaptive, .bound_at = concretization::input}) == Approx(1));
    CHECK(paper_margin({.slope = lower_slope::area, .bound_at = concretization::input}) == Approx(-1));
    CHECK(paper_margin({.slope = lower_slope::area, .bound_at = concretization::all_nodes}) == Approx(1));
}

TEMPLATE_TEST_CASE("DeepPoly's margins are those of plain matrices", "[deep_poly]", SADDLE_CERTIFIED_NETWORKS) {
    for (const auto rule : {lower_slope::area, lower_slope::adaptive, lower_slope::zero, lower_slope::one, lower_slope::parallel})
        for (const double radius : {.03, .2}) {
            const auto m = random_model<TestType, double>(static_cast<std::uint64_t>(rule) + 5);
            const random_box box(m.structure().input().size(), radius, 8);
            const std::vector<double> parameters(m.parameters().begin(), m.parameters().end());
            const std::vector<double> buffers(m.buffers().begin(), m.buffers().end());
            const plain_bounds plain(m.structure(), parameters, buffers, {box.lower.begin(), box.lower.end()},
                                     {box.upper.begin(), box.upper.end()}, rule);
            analysed<deep_poly, double, small_model<TestType, double>> a(m, {.slope = rule, .bound_at = concretization::input},
                                                                         soundness::exact_arithmetic);
            const auto margins = a.margins(box, 1);
            for (const std::size_t j : {0, 2, 3}) {
                INFO("rule " << static_cast<int>(rule) << ", radius " << radius << ", class " << j);
                CHECK(margins[j] == Approx(plain.margin(1, j)).margin(1e-9).epsilon(1e-9));
            }
        }
}

TEMPLATE_TEST_CASE("in float DeepPoly's margins stay close to plain matrices", "[deep_poly]", strided, residual_network) {
    const auto m = random_model<TestType>(4);
    const random_box box(m.structure().input().size(), .1, 8);
    const std::vector<double> parameters(m.parameters().begin(), m.parameters().end());
    const std::vector<double> buffers(m.buffers().begin(), m.buffers().end());
    const plain_bounds plain(m.structure(), parameters, buffers, {box.lower.begin(), box.lower.end()},
                             {box.upper.begin(), box.upper.end()}, lower_slope::area);
    analysed<deep_poly, float, small_model<TestType>> exact(m, {.bound_at = concretization::input}, soundness::exact_arithmetic);
    analysed<deep_poly, float, small_model<TestType>> sound(m, {.bound_at = concretization::input}, soundness::float_program);
    const auto margins = exact.margins(box, 1), lower = sound.margins(box, 1);
    for (const std::size_t j : {0, 2, 3}) {
        CHECK(margins[j] == Approx(plain.margin(1, j)).margin(1e-5).epsilon(1e-5));
        CHECK(lower[j] < plain.margin(1, j));
        CHECK(lower[j] > plain.margin(1, j) - 1e-3);
    }
}

TEMPLATE_TEST_CASE("taking the best bound of all nodes never loosens the last one", "[deep_poly]", strided, preactivation) {
    const auto m = random_model<TestType, double>(4);
    const random_box box(m.structure().input().size(), .1, 8);
    using kind = analysed<deep_poly, double, small_model<TestType, double>>;
    kind everywhere(m, {.hidden = hidden_bounds::intervals}, soundness::exact_arithmetic);
    kind at_input(m, {.bound_at = concretization::input, .hidden = hidden_bounds::intervals}, soundness::exact_arithmetic);
    const auto best = everywhere.margins(box, 0), plain = at_input.margins(box, 0);
    for (const std::size_t j : {1, 2, 3}) CHECK(best[j] >= plain[j] - 1e-12);
}

TEMPLATE_TEST_CASE("no point of a box gives the float program a margin below DeepPoly's", "[deep_poly]",
                   SADDLE_CERTIFIED_NETWORKS) {
    for (std::uint64_t seed = 0; seed < 4; ++seed)
        for (const double radius : {1e-6, .02, .3}) {
            const auto m = random_model<TestType>(seed);
            const random_box box(m.structure().input().size(), radius, seed + 20);
            analysed<deep_poly, float, small_model<TestType>> a(m, {}, soundness::float_program);
            const std::size_t label = seed % 4;
            const auto bound = a.margins(box, label), seen = sampled_margins(a.program, box, label, 40, seed);
            for (std::size_t j = 0; j < 4; ++j) {
                INFO("seed " << seed << ", radius " << radius << ", class " << j);
                CHECK((j == label || bound[j] <= seen[j]));
            }
        }
}

TEST_CASE("with boxes of a few ulps the float program stays above the sound bound and can fall below the exact one",
          "[deep_poly]") {
    using network = sequential<linear<24>, relu, linear<24>, relu, linear<2>>;
    using tiny = model<network, shape<2>, backend::cpu>;
    std::size_t broken = 0;
    for (std::uint64_t seed = 0; seed < 12; ++seed) {
        tiny m(seed);
        for (auto& v : m.parameters()) v *= 4;
        random_box box(2, 0, seed + 1);
        std::vector<float> grid[2];
        for (std::size_t i = 0; i < 2; ++i) {
            for (float v = box.lower[i]; grid[i].size() < 24; v = std::nextafter(v, 2.f)) grid[i].push_back(v);
            box.upper[i] = grid[i].back();
        }
        analysed<deep_poly, float, tiny> sound(m, {}, soundness::float_program);
        analysed<deep_poly, double, tiny> exact(m, {}, soundness::exact_arithmetic);
        const double low = sound.margins(box, 0)[1], real = exact.margins(box, 0)[1];
        double least = 1e300;
        auto session = sound.program.make_session();
        constexpr std::size_t lanes = decltype(sound.program)::vector::size;
        lane_vector<float> x(2 * lanes), logits(2 * lanes);
        for (const float first : grid[0])
            for (std::size_t k = 0; k < grid[1].size(); k += lanes) {
                for (std::size_t l = 0; l < lanes; ++l) x[l] = first, x[lanes + l] = grid[1][std::min(k + l, grid[1].size() - 1)];
                session.forward(x.data(), logits.data());
                for (std::size_t l = 0; l < lanes; ++l) least = std::min(least, double{logits[l]} - double{logits[lanes + l]});
            }
        CHECK(low <= least);
        broken += least < real;
    }
    CHECK(broken > 0);
}

TEST_CASE("a value that its interval settles gets no rows", "[deep_poly]") {
    const auto m = random_model<dense>(3);
    const random_box point(m.structure().input().size(), 0, 8), wide(m.structure().input().size(), .3, 8);
    analysed<deep_poly, float, small_model<dense>> narrow(m, {}, soundness::float_program),
        broad(m, {}, soundness::float_program);
    narrow.margins(point, 0);
    broad.margins(wide, 0);
    CHECK(narrow.analysis.rows() == 3);
    CHECK(broad.analysis.rows() > 3);
}

TEST_CASE("DeepPoly refuses less memory than one register of rows takes", "[deep_poly]") {
    const auto m = random_model<dense>(3);
    using kind = analysed<deep_poly, float, small_model<dense>>;
    CHECK_THROWS_AS(kind(m, {.memory = 100}, soundness::float_program), invalid_argument);
}

TEST_CASE("a small memory gives the same bounds in narrower blocks", "[deep_poly]") {
    const auto m = random_model<strided>(3);
    const random_box box(m.structure().input().size(), .1, 8);
    using kind = analysed<deep_poly, float, small_model<strided>>;
    kind narrow(m, {.memory = 40'000}, soundness::float_program), wide(m, {}, soundness::float_program);
    CHECK(narrow.margins(box, 2) == wide.margins(box, 2));
}

TEMPLATE_TEST_CASE("the bounds of one box do not depend on the boxes before it", "[deep_poly]", SADDLE_CERTIFIED_NETWORKS) {
    const auto m = random_model<TestType>(5);
    for (const double radius : {.05, .2}) {
        analysed<deep_poly, float, small_model<TestType>> used(m, {}, soundness::float_program);
        for (std::uint64_t k = 0; k < 6; ++k) {
            const random_box box(m.structure().input().size(), radius, 20 + k);
            analysed<deep_poly, float, small_model<TestType>> fresh(m, {}, soundness::float_program);
            CHECK(used.margins(box, k % 4) == fresh.margins(box, k % 4));
        }
    }
}
