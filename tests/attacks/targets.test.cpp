#include "saddle/attacks/targets.hpp"

#include "attacks/toy.hpp"
#include "saddle/attacks/pgd.hpp"
#include "saddle/losses/label_smoothed.hpp"
#include "saddle/losses/logit_margin.hpp"
#include "support/catch.hpp"

using namespace saddle;

TEST_CASE("targets follow their rule and are never the label", "[attacks][targets]") {
    const random_stream draws({.seed = 1});
    const float z[]{3, -1, 2, -1};
    const auto choose = [&](target_rule rule, std::int32_t label) { return choose_target(rule, label, 2, 4, z, 1, draws, 5); };
    CHECK(choose(target_rule::most_confusing, 0) == 2);
    CHECK(choose(target_rule::most_confusing, 2) == 0);
    CHECK(choose(target_rule::least_likely, 0) == 1);
    CHECK(choose(target_rule::least_likely, 1) == 3);
    CHECK(choose(target_rule::next_class, 3) == 0);
    CHECK(choose(target_rule::given, 0) == 2);
    CHECK(choose(target_rule::untargeted, 3) == 3);
    const float broken[]{std::nanf(""), std::nanf(""), 1, 0};
    CHECK(choose_target(target_rule::most_confusing, 1, 0, 4, broken, 1, draws, 5) == 2);
}

TEST_CASE("random targets are uniform among the wrong classes", "[attacks][targets][random]") {
    const random_stream draws({.seed = 1});
    std::array<int, 5> counts{};
    for (std::uint64_t id = 0; id < 4000; ++id)
        ++counts[static_cast<std::size_t>(choose_target<float>(target_rule::random, 3, -1, 5, nullptr, 1, draws, id))];
    CHECK(counts[3] == 0);
    for (const int k : {0, 1, 2, 4}) CHECK(std::abs(counts[static_cast<std::size_t>(k)] - 1000) < 120);
}

TEST_CASE("targeted attacks reach their target, and success means just that", "[attacks][targets]") {
    const auto model = toy_quadratic();
    const auto x = random_images(40, toy_shape);
    const auto y = predicted(model, x);
    labels wanted(40);
    for (std::size_t i = 0; i < 40; ++i) wanted[i] = static_cast<std::int32_t>((static_cast<std::size_t>(y[i]) + 1 + i % 2) % 3);
    for (const auto rule : {target_rule::given, target_rule::random, target_rule::least_likely, target_rule::most_confusing,
                            target_rule::next_class}) {
        const auto attack = pgd({.epsilon = .4, .step_size = .05, .steps = 30, .targets = rule}, logit_margin{});
        const auto result = perturb(
            attack, model, x, y,
            {.targets = rule == target_rule::given ? std::span<const std::int32_t>(wanted) : std::span<const std::int32_t>{}});
        for (std::size_t i = 0; i < 40; ++i) {
            CHECK(result.targets[i] != y[i]);
            CHECK((result.adversarial_predictions[i] == result.targets[i]) == (result.success[i] == 1));
            if (rule == target_rule::given) CHECK(result.targets[i] == wanted[i]);
            if (rule == target_rule::next_class) CHECK(result.targets[i] == (y[i] + 1) % 3);
        }
        CHECK(result.success_rate() > .9);
    }
}

TEMPLATE_TEST_CASE("every loss can be descended towards a target", "[attacks][targets]", cross_entropy, label_smoothed,
                   logit_margin) {
    const auto model = toy_quadratic();
    const auto x = random_images(20, toy_shape);
    const auto y = predicted(model, x);
    const auto attack = pgd<linf, TestType>({.epsilon = .4, .step_size = .05, .steps = 30, .targets = target_rule::next_class});
    CHECK(perturb(attack, model, x, y).success_rate() > .9);
}
