#include "saddle/attacks/pair_search.hpp"

#include "saddle/core/lanes.hpp"
#include "saddle/core/random.hpp"
#include "support/catch.hpp"

using namespace saddle;

namespace {

/// The largest (a_i + a_j)(c_i + c_j) of all pairs of one lane, by trying them all; -1 without a pair.
template <class T>
T by_trying(const lane_vector<T>& a, const lane_vector<T>& c, const lane_vector<T>& domain, std::size_t lanes, std::size_t l) {
    T best = -1;
    const std::size_t n = a.size() / lanes;
    for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = i + 1; j < n; ++j) {
            const std::size_t p = i * lanes + l, q = j * lanes + l;
            if (domain[p] == 0 || domain[q] == 0 || !(a[p] + a[q] > 0 && c[p] + c[q] > 0)) continue;
            best = std::max(best, (a[p] + a[q]) * (c[p] + c[q]));
        }
    return best;
}

}  // namespace

TEMPLATE_TEST_CASE("the staircase finds the best of all pairs", "[attacks][jsma]", float, lanes<float>, lanes<double>) {
    using V = TestType;
    using T = lane_scalar<V>;
    constexpr std::size_t lanes = lane_values<V>::size, features = 120;
    for (std::uint64_t seed = 0; seed < 30; ++seed) {
        const random_stream draws({.seed = seed});
        lane_vector<T> a(features * lanes), c(a.size()), domain(a.size()), wanted(lanes, T(1));
        for (std::size_t i = 0; i < a.size(); ++i) {
            a[i] = static_cast<T>(normal(draws, 0, i));
            const double other = normal(draws, 1, i);
            c[i] = static_cast<T>(seed % 3 == 0   ? other
                                  : seed % 3 == 1 ? .1 * other - static_cast<double>(a[i])
                                                  : static_cast<double>(a[i]));
            domain[i] = draws.uniform(2, i) < .8f;
            if (seed % 5 == 4) a[i] = std::round(a[i]), c[i] = std::round(c[i]);  // many equals
        }
        if (lanes > 1) wanted[1] = 0;
        pair_search<V> search(features);
        std::array<typename pair_search<V>::pair, lanes> pairs;
        search.find(a.data(), c.data(), domain.data(), wanted.data(), pairs.data());
        for (std::size_t l = 0; l < lanes; ++l) {
            INFO("seed " << seed << " lane " << l);
            const T expected = by_trying(a, c, domain, lanes, l);
            CHECK(pairs[l].found == (wanted[l] != 0 && expected > 0));
            if (!pairs[l].found) continue;
            const std::size_t p = pairs[l].first * lanes + l, q = pairs[l].second * lanes + l;
            CHECK(p != q);
            CHECK(domain[p] * domain[q] == 1);
            CHECK((a[p] + a[q]) * (c[p] + c[q]) == expected);
        }
    }
}

TEST_CASE("with c = a the best pair is the two largest", "[attacks][jsma][closed form]") {
    const lane_vector<float> a{.1f, -3, 2, .5f, 2.5f, -.2f}, domain{1, 1, 1, 1, 1, 1}, wanted{1};
    pair_search<float> search(6);
    pair_search<float>::pair best;
    search.find(a.data(), a.data(), domain.data(), wanted.data(), &best);
    CHECK(best.found);
    CHECK(std::minmax(best.first, best.second) == std::pair<const std::uint32_t&, const std::uint32_t&>(2u, 4u));
}

TEST_CASE("pairs of 224×224×3 elements take memory and time linear in them (torchattacks 187)", "[attacks][jsma][pitfalls]") {
    constexpr std::size_t features = 224 * 224 * 3;
    const random_stream draws({.seed = 1});
    lane_vector<float> a(features), c(features), domain(features, 1.f), wanted{1};
    for (std::size_t i = 0; i < features; ++i) a[i] = draws.uniform(0, i), c[i] = draws.uniform(1, i);
    a[77] = 3, c[77] = 2, a[140'000] = 2, c[140'000] = 3;
    pair_search<float> search(features);
    pair_search<float>::pair best;
    search.find(a.data(), c.data(), domain.data(), wanted.data(), &best);
    CHECK(best.found);
    CHECK(std::min(best.first, best.second) == 77);
    CHECK(std::max(best.first, best.second) == 140'000);
}

TEST_CASE("nothing is found among fewer than two features or without a positive pair", "[attacks][jsma]") {
    const lane_vector<float> a{1, 2, 3}, one{0, 1, 0}, all{1, 1, 1}, negative{-1, -2, -3}, wanted{1};
    pair_search<float> search(3);
    pair_search<float>::pair best;
    search.find(a.data(), a.data(), one.data(), wanted.data(), &best);
    CHECK_FALSE(best.found);
    search.find(a.data(), negative.data(), all.data(), wanted.data(), &best);
    CHECK_FALSE(best.found);
}
