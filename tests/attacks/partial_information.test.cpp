#include "saddle/attacks/partial_information.hpp"

#include "attacks/invariance.hpp"
#include "attacks/toy.hpp"

using namespace saddle;

namespace {

struct partial_information_problem {
    testing::quadratic_model<3> model = toy_quadratic();
    images x = random_images(8, toy_shape);
    labels y = predicted(model, x), targets;
    std::shared_ptr<const images> starts = std::make_shared<const images>(random_images(30, toy_shape, 77));
    partial_information_problem() {
        for (const auto label : y) targets.push_back((label + 1) % 3);
    }
    partial_information attack(double epsilon, query_feedback feedback) const {
        return {.projection = {epsilon},
                .feedback = feedback,
                .steps = 80,
                .samples = 20,
                .radius = feedback == query_feedback::labels ? .05 : 1e-3,
                .step_size = .05,
                .shakes = 5,
                .shake_radius = .02,
                .starts = starts};
    }
};

}  // namespace

TEST_CASE("the ball shrinks to epsilon around x with the target on top, from scores and from labels",
          "[attacks][partial_information]") {
    const partial_information_problem p;
    const testing::black_box hidden(p.model);
    for (const auto feedback : {query_feedback::scores, query_feedback::labels}) {
        const auto found = perturb(p.attack(.3, feedback), hidden, p.x, p.y, {.targets = p.targets});
        CHECK(found.success_rate() > .6);
        CHECK(found.rejected == 0);
        CHECK(found.gradient_calls == 0);
        CHECK(verify_in_threat(p.x, found.adversarial, linf{.epsilon = .3}).ok());
        for (std::size_t i = 0; i < 8; ++i) {
            if (found.success[i]) CHECK(found.adversarial_predictions[i] == p.targets[i]);
            if (!found.success[i]) CHECK(same_bits<float>(found.adversarial[i], p.x[i]));
        }
    }
}

TEST_CASE("epsilon 0 cannot be reached, and budgets are hard", "[attacks][partial_information]") {
    const partial_information_problem p;
    const auto found =
        perturb(p.attack(0, query_feedback::scores), p.model, p.x, p.y, {.targets = p.targets, .max_forwards = 700});
    CHECK(found.success_rate() == 0);
    CHECK(same_bits(found.adversarial, p.x));
    for (std::size_t i = 0; i < 8; ++i) CHECK(found.forwards[i] <= 700);
}

TEST_CASE("the partial-information attack refuses settings out of range", "[attacks][partial_information][errors]") {
    const partial_information_problem p;
    const auto refuses = [&](auto change) {
        auto attack = p.attack(.1, query_feedback::scores);
        change(attack);
        CHECK_THROWS_AS(attack.validate("test"), invalid_argument);
    };
    refuses([](auto& a) { a.starts = nullptr; });
    refuses([](auto& a) { a.targets = target_rule::untargeted; });
    refuses([](auto& a) { a.top = 0; });
    refuses([](auto& a) { a.samples = 0; });
    refuses([](auto& a) { a.radius = 0; });
    refuses([](auto& a) { a.momentum = 1; });
    refuses([](auto& a) { a.least_step = 1; });
}

TEST_CASE("the partial-information attack refuses starts of other extents than the images",
          "[attacks][partial_information][errors]") {
    const partial_information_problem p;
    auto attack = p.attack(.1, query_feedback::scores);
    attack.starts = std::make_shared<const images>(random_images(1, extents{1, 2, 2}));
    CHECK_THROWS_AS(perturb(attack, p.model, p.x, p.y, {.targets = p.targets}), shape_error);
}

TEST_CASE("the partial-information attack gives the same bits for any threads, batches and order",
          "[attacks][partial_information][threads]") {
    const partial_information_problem p;
    auto attack = p.attack(.3, query_feedback::labels);
    attack.targets = target_rule::next_class;
    attack.steps = 6;
    check_invariance(attack, p.model, p.x);
}
