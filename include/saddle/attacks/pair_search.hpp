#pragma once
#include "saddle/core/arena.hpp"
#include "saddle/projections/wide.hpp"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace saddle {

/// The pair of features that a saliency map ranks first, lane by lane: the largest (a_i + a_j)(c_i + c_j) with both sums > 0, i != j.
///
/// Exact, in memory linear in the features (a table of all pairs takes 84 GiB at 224×224×3, torchattacks issue 187): a feature that
/// two others exceed in a and in c is in no best pair that could not do without it, so after a sort only the staircase of the others
/// is left to be tried pairwise; and features that cannot reach the value of a first guess are not even sorted. Of equal pairs that
/// of the lower features in the staircase's order.
template <class V>
class pair_search {
public:
    using T = lane_scalar<V>;
    static constexpr std::size_t lanes = lane_values<V>::size;
    struct pair {
        std::uint32_t first = 0, second = 0;
        bool found = false;
    };

    explicit pair_search(std::size_t features) : features_(features) {
        stairs_.reserve(features);
        for (auto& r : reachable_) r.reserve(features);
    }

    /// a, c, domain [features][lane]; features of domain 0 take no part. Only lanes whose entry of `wanted` is not 0 are searched.
    void find(const T* a, const T* c, const T* domain, const T* wanted, pair* pairs) {
        constexpr T low = std::numeric_limits<T>::lowest();
        V most_a(low), most_c(low), first(0), second(0), first_at(-1), second_at(-1);
        for (std::size_t f = 0; f < features_; ++f) {
            const auto here = io::load(domain + f * lanes) != V(0);
            const V ai = io::load(a + f * lanes), ci = io::load(c + f * lanes), position(static_cast<T>(f));
            most_a = choose(here && ai > most_a, ai, most_a);
            most_c = choose(here && ci > most_c, ci, most_c);
            const V alone = choose(here && ai > V(0) && ci > V(0), ai * ci, V(0));
            const auto best = alone > first, next = !best && alone > second;
            second = choose(best, first, choose(next, alone, second));
            second_at = choose(best, first_at, choose(next, position, second_at));
            first = choose(best, alone, first);
            first_at = choose(best, position, first_at);
        }
        alignas(lane_alignment) T at1[lanes], at2[lanes], reach[lanes];
        io::store(at1, first_at);
        io::store(at2, second_at);
        for (std::size_t l = 0; l < lanes; ++l) {
            pairs[l] = {};
            reach[l] = wanted[l] == 0 ? std::numeric_limits<T>::infinity() : T(0);
            if (wanted[l] != 0 && at2[l] >= 0) {
                const std::size_t i = static_cast<std::size_t>(at1[l]) * lanes + l,
                                  j = static_cast<std::size_t>(at2[l]) * lanes + l;
                reach[l] = (a[i] + a[j]) * (c[i] + c[j]);
            }
            reachable_[l].clear();
        }
        const V least = io::load(reach);
        alignas(lane_alignment) T marks[lanes];
        for (std::size_t f = 0; f < features_; ++f) {
            const V with_a = io::load(a + f * lanes) + most_a, with_c = io::load(c + f * lanes) + most_c;
            const auto in = io::load(domain + f * lanes) != V(0) && with_a > V(0) && with_c > V(0) && with_a * with_c >= least;
            if (!any_lane(in)) continue;
            io::store(marks, choose(in, V(1), V(0)));
            for (std::size_t l = 0; l < lanes; ++l)
                if (marks[l] != 0 && wanted[l] != 0) reachable_[l].push_back(static_cast<std::uint32_t>(f));
        }
        for (std::size_t l = 0; l < lanes; ++l)
            if (wanted[l] != 0) pairs[l] = best_of(l, a, c);
    }

private:
    using io = lane_values<V>;

    [[nodiscard]] pair best_of(std::size_t l, const T* a, const T* c) {
        auto& order = reachable_[l];
        const auto a_of = [&](std::uint32_t f) { return a[f * lanes + l]; };
        const auto c_of = [&](std::uint32_t f) { return c[f * lanes + l]; };
        std::sort(order.begin(), order.end(), [&](std::uint32_t f, std::uint32_t g) {
            if (a_of(f) > a_of(g) || a_of(g) > a_of(f)) return a_of(f) > a_of(g);
            if (c_of(f) > c_of(g) || c_of(g) > c_of(f)) return c_of(f) > c_of(g);
            return f < g;
        });
        stairs_.clear();
        T first = std::numeric_limits<T>::lowest(), second = first;
        for (const auto f : order) {
            const T value = c_of(f);
            if (value <= second) continue;  // two features before it have as much of both
            stairs_.push_back(f);
            if (value > first)
                second = first, first = value;
            else
                second = value;
        }
        pair best;
        T most(0);
        for (std::size_t i = 0; i < stairs_.size(); ++i)
            for (std::size_t j = i + 1; j < stairs_.size(); ++j) {
                const T sum_a = a_of(stairs_[i]) + a_of(stairs_[j]), sum_c = c_of(stairs_[i]) + c_of(stairs_[j]);
                if (!(sum_a > 0 && sum_c > 0) || (best.found && !(sum_a * sum_c > most))) continue;
                best = {stairs_[i], stairs_[j], true};
                most = sum_a * sum_c;
            }
        return best;
    }

    std::size_t features_;
    std::array<std::vector<std::uint32_t>, lanes> reachable_;
    std::vector<std::uint32_t> stairs_;
};

}  // namespace saddle
