#include "saddle/projections/hyperplane.hpp"

#include "projections/oracles.hpp"
#include "support/catch.hpp"

using namespace saddle;

namespace {

/// Length of d in the projection's norm.
template <class P>
double length_of(const std::vector<double>& d) {
    double sum = 0;
    for (const double v : d)
        sum = std::is_same_v<P, linf> ? std::max(sum, std::abs(v)) : sum + (std::is_same_v<P, l2> ? v * v : std::abs(v));
    return std::is_same_v<P, l2> ? std::sqrt(sum) : sum;
}

struct answer {
    std::vector<double> d;
    double length = 0;
};

/// The library's step for one point, repeated in all lanes; lanes must agree.
template <class P, class V>
answer step_of(const std::vector<lane_scalar<V>>& t, const std::vector<lane_scalar<V>>& w, double b) {
    using T = lane_scalar<V>;
    constexpr std::size_t lanes = lane_values<V>::size;
    const std::size_t n = t.size();
    lane_vector<T> at(n * lanes), weight(n * lanes), d(n * lanes);
    for (std::size_t i = 0; i < n * lanes; ++i) at[i] = t[i / lanes], weight[i] = w[i / lanes];
    typename wide<V>::buffer excess;
    double product = 0;
    for (std::size_t i = 0; i < n; ++i) product += static_cast<double>(t[i]) * static_cast<double>(w[i]);
    for (double& c : excess.at) c = product - b;
    hyperplane_step<P, V> step(n);
    const auto lengths = step.find(at.data(), weight.data(), excess, d.data());
    answer found{std::vector<double>(n), lengths.at[0]};
    for (std::size_t i = 0; i < n; ++i) {
        found.d[i] = static_cast<double>(d[i * lanes]);
        for (std::size_t l = 0; l < lanes; ++l) CHECK(d[i * lanes + l] == d[i * lanes]);
    }
    return found;
}

/// The least length by brute force: bisection on the length, asking how far <w, z> can change within it (a sorted greedy choice).
template <class P, class T>
double least_length(const std::vector<T>& t, const std::vector<T>& w, double b) {
    double product = 0;
    for (std::size_t i = 0; i < t.size(); ++i) product += static_cast<double>(t[i]) * static_cast<double>(w[i]);
    const double side = product - b < 0 ? -1 : 1, need = std::abs(product - b);
    const auto room = [&](std::size_t i) {
        return side * static_cast<double>(w[i]) > 0 ? static_cast<double>(t[i]) : 1 - static_cast<double>(t[i]);
    };
    const auto gain = [&](double length) {  // the largest change with a step no longer than this
        double most = 0;
        if constexpr (std::is_same_v<P, linf>) {
            for (std::size_t i = 0; i < t.size(); ++i) most += std::abs(double(w[i])) * std::min(length, room(i));
        } else if constexpr (std::is_same_v<P, l1>) {
            std::vector<std::pair<double, double>> all;
            for (std::size_t i = 0; i < t.size(); ++i) all.emplace_back(std::abs(double(w[i])), room(i));
            std::sort(all.rbegin(), all.rend());
            for (const auto& [weight, far] : all) {
                most += weight * std::min(far, length);
                length -= std::min(far, length);
            }
        } else {
            double low = 0, high = 1e9;  // step_i = min(m |w_i|, room_i) with the m of that length
            for (int k = 0; k < 200; ++k) {
                const double m = (low + high) / 2;
                double squares = 0;
                for (std::size_t i = 0; i < t.size(); ++i) {
                    const double s = std::min(m * std::abs(double(w[i])), room(i));
                    squares += s * s;
                }
                (squares < length * length ? low : high) = m;
            }
            for (std::size_t i = 0; i < t.size(); ++i)
                most += std::abs(double(w[i])) * std::min(low * std::abs(double(w[i])), room(i));
        }
        return most;
    };
    double low = 0, high = static_cast<double>(t.size());
    if (gain(high) < need) return -1;
    for (int k = 0; k < 200; ++k) {
        const double middle = (low + high) / 2;
        (gain(middle) < need ? low : high) = middle;
    }
    return high;
}

template <class P, class V>
void agrees_with_brute_force() {
    using T = lane_scalar<V>;
    const double tolerance = sizeof(T) == 4 ? 2e-5 : 1e-9;
    for (const std::size_t n : {1u, 2u, 7u, 60u})
        for (const std::uint64_t seed : {1u, 2u, 3u, 4u, 5u, 6u}) {
            const random_stream draws({.seed = seed, .layer = static_cast<std::uint32_t>(n)});
            std::vector<T> t(n), w(n);
            for (std::size_t i = 0; i < n; ++i) {
                const float u = draws.uniform(0, i);
                t[i] = u < .1f ? T(0) : u > .9f ? T(1) : static_cast<T>(u);
                w[i] = i % 5 == 3 ? T(0) : static_cast<T>(normal(draws, 1, i));
                if (i % 7 == 6) w[i] = w[i - 1];
            }
            for (const double b : {-3., -.2, 0., .4, 2., 40.}) {
                const auto found = step_of<P, V>(t, w, b);
                const double least = least_length<P>(t, w, b);
                double product = 0;
                bool inside = true;
                for (std::size_t i = 0; i < n; ++i) {
                    const double z = static_cast<double>(t[i]) + found.d[i];
                    inside = inside && z >= -1e-7 && z <= 1 + 1e-7;
                    product += static_cast<double>(w[i]) * z;
                }
                CHECK(inside);
                CHECK(found.length == Approx(length_of<P>(found.d)).margin(tolerance));
                if (least >= 0) {
                    CHECK(product == Approx(b).margin(tolerance * static_cast<double>(n)));
                    CHECK(found.length == Approx(least).margin(tolerance));
                } else {  // the corner: every element that matters is at an end
                    for (std::size_t i = 0; i < n; ++i) {
                        const double z = static_cast<double>(t[i]) + found.d[i];
                        if (w[i] != 0) CHECK(std::min(std::abs(z), std::abs(1 - z)) < 1e-6);
                    }
                }
            }
        }
}

}  // namespace

TEMPLATE_TEST_CASE("the step to a hyperplane in the box is the shortest, by brute force", "[projections][oracle]", linf, l2, l1) {
    agrees_with_brute_force<TestType, double>();
    agrees_with_brute_force<TestType, float>();
    agrees_with_brute_force<TestType, lanes<float>>();
}

TEMPLATE_TEST_CASE("a point on the hyperplane and zero weights do not move", "[projections]", linf, l2, l1) {
    const auto on = step_of<TestType, double>({.5, .25}, {1, 2}, 1);
    CHECK(on.length == 0);
    const auto none = step_of<TestType, double>({.5, .25}, {0, 0}, 3);
    CHECK(none.d == std::vector<double>{0, 0});
    CHECK(none.length == 0);
}

TEST_CASE("dual norms", "[projections]") {
    const std::vector<double> w{3, -4, 0};
    CHECK(hyperplane_step<linf, double>(3).dual_norm(w.data()).at[0] == 7);
    CHECK(hyperplane_step<l2, double>(3).dual_norm(w.data()).at[0] == 5);
    CHECK(hyperplane_step<l1, double>(3).dual_norm(w.data()).at[0] == 4);
}
