#include "saddle/attacks/restarts.hpp"

#include "attacks/wrappers.hpp"

using namespace saddle;

TEST_CASE("restarts of any attack keep each image's strongest run", "[attacks][wrappers]") {
    const wrapper_problem p;
    const auto one = perturb(random_attack(), p.model, p.x, p.y), same = perturb(restarts(random_attack(), 1), p.model, p.x, p.y);
    CHECK(same_bits(one.adversarial, same.adversarial));
    auto before = one;
    bool improved = false;
    for (const std::size_t count : {2u, 4u}) {
        const restarts attack(random_attack(), count);
        STATIC_REQUIRE(Attack<restarts<decltype(random_attack())>>);
        const auto now = perturb(attack, p.model, p.x, p.y);
        for (std::size_t i = 0; i < p.x.size(); ++i) {
            CHECK(now.success[i] >= before.success[i]);
            if (now.success[i] == before.success[i]) CHECK(now.loss[i] >= before.loss[i]);
            improved = improved || now.loss[i] > before.loss[i];
            CHECK(now.gradients[i] <= 3 * count);
            if (one.success[i]) CHECK(now.gradients[i] == 3);
        }
        CHECK(now.gradient_calls == std::accumulate(now.gradients.begin(), now.gradients.end(), std::uint64_t{0}));
        CHECK(now.adversarial_predictions == predicted(p.model, now.adversarial));
        CHECK(verify_in_threat(p.x, now.adversarial, attack.projection).ok());
        before = now;
    }
    CHECK(improved);
}

TEST_CASE("restarts of an attack for the nearest image keep the nearest", "[attacks][wrappers]") {
    const wrapper_problem p;
    // C&W has no random start: the runs agree, and nothing is lost
    const carlini_wagner_l2 attack{.binary_steps = 3, .steps = 30};
    const auto one = perturb(attack, p.model, p.x, p.y), two = perturb(restarts(attack, 2), p.model, p.x, p.y);
    CHECK(same_bits(one.adversarial, two.adversarial));
    CHECK(two.forward_calls == 2 * one.forward_calls);
}

TEST_CASE("restarts share one budget", "[attacks][wrappers][budget]") {
    const wrapper_problem p;
    const auto found = perturb(restarts(random_attack(), 5), p.model, p.x, p.y, {.max_forwards = 12});
    for (std::size_t i = 0; i < p.x.size(); ++i) CHECK(found.forwards[i] <= 12);
    CHECK(*std::max_element(found.forwards.begin(), found.forwards.end()) == 12);
}

TEST_CASE("restarts have the same bits for any number of threads, batch size and order", "[attacks][wrappers][determinism]") {
    check_invariance(restarts(random_attack(), 3), toy_quadratic(), random_images(67, toy_shape));
}

TEST_CASE("no restart at all is refused", "[attacks][wrappers][errors]") {
    CHECK_THROWS_AS(restarts(random_attack(), 0).validate("test"), invalid_argument);
}
