#pragma once
#include "saddle/attacks/image_subset.hpp"

#include <tuple>

namespace saddle {

/// Several attacks as one: each runs on the images that those before it did not change the class of. Where all of them look for the
/// nearest image in one norm, all run on every image and the nearest stays.
///
/// All are untargeted, or all are targeted at the same classes: invalid_argument otherwise. The threat reported is the first one's.
template <class First, class... Rest>
struct strongest_of {
    static constexpr bool needs_gradient = First::needs_gradient || (Rest::needs_gradient || ...);

    explicit strongest_of(First first, Rest... rest)
        : name(text("strongest of ", sizeof...(Rest) + 1)), projection(first.projection), targets(first.targets),
          attacks(std::move(first), std::move(rest)...) {}

    std::string name;
    decltype(First::projection) projection;
    target_rule targets;
    std::tuple<First, Rest...> attacks;

    [[nodiscard]] bool targeted() const { return std::get<0>(attacks).targeted(); }
    void validate(std::string_view where) const {
        std::apply(
            [&](const auto&... a) {
                (a.validate(where), ...);
                (require(a.targets == targets, where, "targets of attacks in strongest_of", "the same for all", a.name), ...);
            },
            attacks);
    }
    template <class P, class T>
    attack_result<T> run(const P& program, const basic_images<T>& x, const labels& y, worker_pool& pool,
                         const run_settings& settings) const {
        attack_result<T> whole;
        bool first = true;
        const auto add = [&](const auto& attack) {
            const auto chosen = first || one_norm() ? all_indices(x.size()) : survivors(whole);
            if (chosen.empty()) return;
            const image_subset<T> part(chosen, x, y, settings, first ? nullptr : &whole);
            auto found = perturb(attack, program, part.x, part.y, pool, part.settings);
            if (first)
                whole = std::move(found);
            else if (one_norm())
                merge_part(whole, found, chosen, nearer_in<T>(norm_of<First>()));
            else
                merge_part(whole, found, chosen, [](const auto& now, std::size_t j, const auto& before, std::size_t i) {
                    return now.success[j] > before.success[i];
                });
            first = false;
        };
        std::apply([&](const auto&... a) { (add(a), ...); }, attacks);
        trim_result(whole, settings);
        return whole;
    }

private:
    template <class A>
    static constexpr std::string_view norm_of() {
        if constexpr (minimises_distance<A>)
            return A::norm;
        else
            return {};
    }
    static constexpr bool one_norm() { return minimises_distance<First> && ((norm_of<Rest>() == norm_of<First>()) && ...); }
};

}  // namespace saddle
