#include "saddle/attacks/all_targets.hpp"

#include "attacks/wrappers.hpp"

using namespace saddle;

TEST_CASE("best, average and worst case over all targets are those of the single attacks", "[attacks][wrappers]") {
    const wrapper_problem p;
    worker_pool pool(2);
    const carlini_wagner_l2 attack{.binary_steps = 4, .steps = 40, .targets = target_rule::given};
    const auto all = perturb_all_targets(attack, p.model, p.x, p.y, pool);
    REQUIRE(all.targets == 2);
    REQUIRE(all.each.success.size() == 120);
    double best = 0, worst = 0, sum = 0;
    std::size_t easy = 0, hard = 0, any = 0;
    for (std::size_t i = 0; i < 60; ++i) {
        std::array<attack_result<float>, 2> one;
        for (std::size_t t = 0; t < 2; ++t) {
            const labels target{all.each.targets[2 * i + t]};
            CHECK(target[0] != p.y[i]);
            one[t] = perturb(attack, p.model, p.x.slice(i, 1), {p.y[i]}, pool, {.targets = target});
            CHECK(same_bits<float>(all.each.adversarial[2 * i + t], one[t].adversarial[0]));
            any += one[t].success[0];
            sum += one[t].distances[0].l2;
        }
        CHECK(all.each.targets[2 * i] < all.each.targets[2 * i + 1]);
        const double a = one[0].distances[0].l2, b = one[1].distances[0].l2;
        if (one[0].success[0] && one[1].success[0]) {
            ++easy, ++hard;
            best += std::min(a, b), worst += std::max(a, b);
        } else if (one[0].success[0] || one[1].success[0]) {
            ++easy;
            best += a + b;  // the failed one's is 0
        }
    }
    CHECK(all.best("l2").successes == easy);
    CHECK(all.worst("l2").successes == hard);
    CHECK(all.average().successes == any);
    CHECK(all.average().attempts == 120);
    CHECK(all.best("l2").mean.l2 == Approx(best / static_cast<double>(easy)));
    CHECK(all.worst("l2").mean.l2 == Approx(worst / static_cast<double>(hard)));
    CHECK(all.average().mean.l2 == Approx(sum / static_cast<double>(any)));
    CHECK(all.best("l2").success_rate() >= all.average().success_rate());
}

TEST_CASE("targets of one's own are refused", "[attacks][wrappers][errors]") {
    const wrapper_problem p;
    worker_pool pool(1);
    CHECK_THROWS_AS(perturb_all_targets(weak_attack(), p.model, p.x, p.y, pool, {.targets = p.y}), invalid_argument);
}
