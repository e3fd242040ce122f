#include "saddle/certification/ladder.hpp"

#include "certification/networks.hpp"
#include "saddle/certification/box.hpp"
#include "saddle/certification/deep_poly.hpp"
#include "saddle/certification/zonotope.hpp"

using namespace saddle;
using namespace saddle::testing;

namespace {

using kind = ladder<saddle::box, zonotope, deep_poly>;

/// A domain that proves nothing, and whose bounds are not numbers.
struct broken {
    static constexpr std::string_view name = "broken";
    template <class V>
    struct analysis {
        std::size_t classes;
        analysis(const bound_network<typename V::value_type>& network, const broken&, rounding_model)
            : classes(network.classes()) {}
        template <class Value>
        void margins(const Value*, const Value*, std::size_t label, double* margin) {
            std::fill_n(margin, classes, std::numeric_limits<double>::quiet_NaN());
            margin[label] = 0;
        }
    };
};

}  // namespace

TEST_CASE("a ladder is named after its domains", "[ladder]") {
    CHECK(kind::name == "Box, then DeepZ, then DeepPoly");
    CHECK(ladder<saddle::box>::name == "Box");
}

TEST_CASE("a ladder's margins are the best of its domains'", "[ladder]") {
    const auto m = random_model<strided>(4);
    const random_box wide(m.structure().input().size(), .2, 8);
    analysed<kind, float, small_model<strided>> all(m, {}, soundness::float_program);
    analysed<saddle::box, float, small_model<strided>> first(m, {}, soundness::float_program);
    analysed<zonotope, float, small_model<strided>> second(m, {}, soundness::float_program);
    analysed<deep_poly, float, small_model<strided>> third(m, {}, soundness::float_program);
    const auto best = all.margins(wide, 1), a = first.margins(wide, 1), b = second.margins(wide, 1), c = third.margins(wide, 1);
    CHECK(all.analysis.runs() == 3);
    for (std::size_t j = 0; j < 4; ++j) CHECK(best[j] == std::max({a[j], b[j], c[j]}));
}

TEST_CASE("a ladder stops at the first domain that proves everything", "[ladder]") {
    const auto m = random_model<strided>(4);
    const random_box point(m.structure().input().size(), 1e-7, 8);
    analysed<kind, float, small_model<strided>> all(m, {}, soundness::float_program);
    const auto seen = sampled_margins(all.program, point, 0, 1, 1);
    const auto label = static_cast<std::size_t>(std::max_element(seen.begin(), seen.end(), std::greater<>{}) - seen.begin());
    all.margins(point, label);
    CHECK(all.analysis.runs() == 1);
}

TEST_CASE("a domain without numbers gives way to the next", "[ladder]") {
    const auto m = random_model<dense>(4);
    const random_box box(m.structure().input().size(), .1, 8);
    analysed<ladder<broken, deep_poly>, float, small_model<dense>> both(m, {}, soundness::float_program);
    analysed<deep_poly, float, small_model<dense>> alone(m, {}, soundness::float_program);
    CHECK(both.margins(box, 2) == alone.margins(box, 2));
    analysed<ladder<deep_poly, broken>, float, small_model<dense>> reversed(m, {}, soundness::float_program);
    CHECK(reversed.margins(box, 2) == alone.margins(box, 2));
}

TEST_CASE("a ladder hands its settings to its domains", "[ladder]") {
    const auto m = random_model<dense>(4);
    const random_box box(m.structure().input().size(), .2, 8);
    const deep_poly zero{.slope = lower_slope::zero, .bound_at = concretization::input};
    analysed<ladder<deep_poly>, float, small_model<dense>> step(m, ladder<deep_poly>(zero), soundness::float_program);
    analysed<deep_poly, float, small_model<dense>> alone(m, zero, soundness::float_program);
    CHECK(step.margins(box, 2) == alone.margins(box, 2));
}

TEST_CASE("certify takes a ladder as any domain", "[ladder]") {
    const auto m = random_model<dense>(4);
    images x(40, m.structure().input());
    const random_stream draws({.seed = 9, .purpose = purpose::user});
    for (std::size_t i = 0; i < x.values().size(); ++i) x.values()[i] = draws.uniform(0, i);
    const labels y(40, 2);
    const linf_box box{.02};
    const certify_settings one{.threads = 1};
    const auto together = certify<ladder<saddle::box, deep_poly>>(m, x, y, box, ladder<saddle::box, deep_poly>{}, one);
    const auto cheap = certify<saddle::box>(m, x, y, box, saddle::box{}, one);
    const auto precise = certify<deep_poly>(m, x, y, box, deep_poly{}, one);
    CHECK(together.domain == "Box, then DeepPoly");
    for (std::size_t i = 0; i < y.size(); ++i) {
        const bool either = cheap.status[i] == certificate::verified || precise.status[i] == certificate::verified;
        CHECK((together.status[i] == certificate::verified) == either);
    }
}
