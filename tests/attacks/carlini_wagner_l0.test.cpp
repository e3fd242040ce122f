#include "saddle/attacks/carlini_wagner_l0.hpp"

#include "attacks/invariance.hpp"
#include "attacks/nearest.hpp"

using namespace saddle;

namespace {

constexpr carlini_wagner_l0 few_steps{.learning_rate = .05, .steps = 100, .initial_c = .1, .largest_c = 500};

/// The fewest pixels of a linear two-class model that can change the class: those of the largest possible gain first.
std::size_t fewest_pixels(const std::vector<float>& w, std::span<const float> x, std::size_t label, extents each) {
    const std::size_t n = each.size(), pixels = each.pixels();
    double gap = 0;
    std::vector<double> gains(pixels);
    for (std::size_t e = 0; e < n; ++e) {
        const double slope = static_cast<double>(w[(1 - label) * n + e]) - static_cast<double>(w[label * n + e]);
        gap -= slope * static_cast<double>(x[e]);
        gains[e % pixels] += slope > 0 ? slope * (1 - static_cast<double>(x[e])) : -slope * static_cast<double>(x[e]);
    }
    std::sort(gains.begin(), gains.end(), std::greater<>());
    std::size_t count = 0;
    while (gap >= 0 && count < pixels) gap -= gains[count++];
    return count;
}

}  // namespace

TEST_CASE("C&W L0 comes close to the fewest pixels of a linear model", "[attacks][carlini wagner][closed form]") {
    for (const extents each : {extents{1, 5, 5}, extents{3, 4, 4}}) {
        const testing::linear_model<2> model(each, random_weights(2 * each.size(), 6));
        const auto x = random_images(20, each);
        const auto y = predicted(model, x);
        const auto found = perturb(few_steps, model, x, y);
        double sum = 0, fewest = 0;
        for (std::size_t i = 0; i < x.size(); ++i) {
            REQUIRE(found.success[i] == 1);
            const double exact = static_cast<double>(fewest_pixels(model.weights(), x[i], static_cast<std::size_t>(y[i]), each));
            CHECK(found.distances[i].l0 >= exact);
            CHECK(found.distances[i].l0 <= exact + 3);
            sum += found.distances[i].l0, fewest += exact;
        }
        CHECK(sum <= 1.35 * fewest);
        CHECK(found.rejected == 0);
    }
}

TEST_CASE("C&W L0 has the same bits for any number of threads, batch size and order", "[attacks][carlini wagner][determinism]") {
    const testing::linear_program<lanes<float>> program(toy_shape, 3, random_weights(75));
    auto attack = few_steps;
    attack.steps = 20;
    attack.targets = target_rule::random;
    check_invariance(attack, program, random_images(37, toy_shape));
}

TEST_CASE("C&W L0 without a success returns the clean image", "[attacks][carlini wagner]") {
    const auto x = random_images(3, toy_shape);
    const auto found = perturb(carlini_wagner_l0{.steps = 3}, constant_model{}, x, labels(3, 1));
    CHECK(same_bits(found.adversarial, x));
    CHECK(found.status[0] == attack_status::failed);
}

TEST_CASE("C&W L0 names the settings that are out of range", "[attacks][carlini wagner][errors]") {
    const auto refused = [](const carlini_wagner_l0& a) { CHECK_THROWS_AS(a.validate("test"), invalid_argument); };
    refused({.loss = {cw_objective::f2}});
    refused({.learning_rate = 0});
    refused({.steps = 0});
    refused({.initial_c = 0});
    refused({.factor = .5});
}
