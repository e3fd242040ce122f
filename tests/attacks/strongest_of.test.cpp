#include "saddle/attacks/strongest_of.hpp"

#include "attacks/wrappers.hpp"
#include "saddle/attacks/inside_ball.hpp"

using namespace saddle;

TEST_CASE("strongest_of gives each image to the next attack only while it is not fooled", "[attacks][wrappers]") {
    const wrapper_problem p;
    const auto first = perturb(weak_attack(), p.model, p.x, p.y), second = perturb(random_attack(), p.model, p.x, p.y),
               both = perturb(strongest_of(weak_attack(), random_attack()), p.model, p.x, p.y);
    std::size_t only_second = 0;
    for (std::size_t i = 0; i < p.x.size(); ++i) {
        CHECK(both.success[i] == (first.success[i] || second.success[i]));
        if (first.success[i]) {
            CHECK(same_bits<float>(both.adversarial[i], first.adversarial[i]));
            CHECK(both.gradients[i] == 1);
        } else {
            CHECK(both.gradients[i] == 4);
            only_second += second.success[i];
        }
    }
    CHECK(only_second > 0);
    CHECK(both.forward_calls == std::accumulate(both.forwards.begin(), both.forwards.end(), std::uint64_t{0}));
}

TEST_CASE("strongest_of attacks for the nearest image in one norm keeps the nearest", "[attacks][wrappers]") {
    const wrapper_problem p;
    const carlini_wagner_l2 slow{.learning_rate = .002, .binary_steps = 6, .steps = 60, .initial_c = .1};
    const auto a = perturb(deepfool<l2>{}, p.model, p.x, p.y), b = perturb(slow, p.model, p.x, p.y),
               both = perturb(strongest_of(deepfool<l2>{}, slow), p.model, p.x, p.y);
    for (std::size_t i = 0; i < p.x.size(); ++i) {
        const double nearest = std::min(a.success[i] ? a.distances[i].l2 : 1e9, b.success[i] ? b.distances[i].l2 : 1e9);
        CHECK(both.distances[i].l2 == nearest);
    }
}

TEST_CASE("inside_ball counts the nearest images that lie in the ball", "[attacks][wrappers]") {
    const wrapper_problem p;
    const auto all = perturb(deepfool<l2>{}, p.model, p.x, p.y);
    std::size_t inside = 0;
    const auto found = perturb(inside_ball(deepfool<l2>{}, l2{.epsilon = .1}), p.model, p.x, p.y);
    for (std::size_t i = 0; i < p.x.size(); ++i) {
        CHECK(found.success[i] == (all.success[i] && all.distances[i].l2 <= .1));
        inside += found.success[i];
        if (!found.success[i]) CHECK(same_bits<float>(found.adversarial[i], p.x[i]));
    }
    CHECK(inside > 3);
    CHECK(inside < 60);
    const auto strongest = perturb(strongest_of(random_attack(), inside_ball(deepfool<linf>{}, linf{.04})), p.model, p.x, p.y);
    CHECK(strongest.success_rate() >= perturb(random_attack(), p.model, p.x, p.y).success_rate());
    CHECK(verify_in_threat(p.x, strongest.adversarial, linf{.04}).ok());
}

TEST_CASE("strongest_of has the same bits for any number of threads, batch size and order", "[attacks][wrappers][determinism]") {
    check_invariance(strongest_of(weak_attack(), random_attack()), toy_quadratic(), random_images(67, toy_shape));
}

TEST_CASE("attacks with different targets are not one attack", "[attacks][wrappers][errors]") {
    auto aimed = weak_attack();
    aimed.targets = target_rule::random;
    CHECK_THROWS_AS(strongest_of(weak_attack(), aimed).validate("test"), invalid_argument);
}
