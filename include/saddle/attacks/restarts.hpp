#pragma once
#include "saddle/attacks/image_subset.hpp"

namespace saddle {

/// Any attack from several random states: each run has a seed of its own (the first the attack's). Images already misclassified do
/// not run again, and the highest loss of the others stays; an attack that looks for the nearest image runs every time, and the
/// nearest stays. gradient_attack::restarts does the same within one attack.
template <class A>
struct restarts {
    static_assert(
        requires(A a) { a.seed = 0; },
        "saddle: restarts needs an attack with a seed: others repeat themselves (docs/attacks.md)");
    static constexpr bool needs_gradient = A::needs_gradient;

    /// `count` in [1, 1e6], else `validate` throws invalid_argument.
    explicit restarts(A of, std::size_t count = 10)
        : name(text(of.name, " × ", count)), attack(of), projection(of.projection), targets(of.targets), count(count) {}

    std::string name;
    A attack;
    decltype(A::projection) projection;
    target_rule targets;
    std::size_t count;

    [[nodiscard]] bool targeted() const { return attack.targeted(); }
    void validate(std::string_view where) const {
        attack.validate(where);
        require(count >= 1 && count <= 1'000'000, where, "count of restarts", "1 to 1000000", count);
    }
    template <class P, class T>
    attack_result<T> run(const P& program, const basic_images<T>& x, const labels& y, worker_pool& pool,
                         const run_settings& settings) const {
        attack_result<T> whole;
        for (std::size_t r = 0; r < count; ++r) {
            auto one = attack;
            one.seed = attack.seed + r * 0x9E3779B97F4A7C15u;
            const auto chosen = r == 0 || minimises_distance<A> ? all_indices(x.size()) : survivors(whole);
            if (chosen.empty()) break;
            const image_subset<T> part(chosen, x, y, settings, r == 0 ? nullptr : &whole);
            auto found = perturb(one, program, part.x, part.y, pool, part.settings);
            if (r == 0)
                whole = std::move(found);
            else if constexpr (minimises_distance<A>)
                merge_part(whole, found, chosen, nearer_in<T>(A::norm));
            else
                merge_part(whole, found, chosen, [](const auto& now, std::size_t j, const auto& before, std::size_t i) {
                    return now.success[j] > before.success[i] ||
                           (now.success[j] == before.success[i] && now.loss[j] > before.loss[i]);
                });
        }
        trim_result(whole, settings);
        return whole;
    }
};

}  // namespace saddle
