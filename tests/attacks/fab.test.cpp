#include "saddle/attacks/fab.hpp"

#include "attacks/invariance.hpp"
#include "attacks/toy.hpp"

using namespace saddle;

namespace {

/// The smallest perturbation to the boundary of two classes of a linear model, by the exact step.
template <class P>
std::vector<double> nearest_boundary(const testing::linear_model<2>& model, const images& x) {
    const std::size_t n = model.input().size();
    std::vector<double> lengths;
    std::vector<float> w(n), t(n), d(n);
    for (std::size_t i = 0; i < x.size(); ++i) {
        double excess = static_cast<double>(model.bias(1)) - static_cast<double>(model.bias(0));
        for (std::size_t e = 0; e < n; ++e) {
            w[e] = model.weights()[n + e] - model.weights()[e];
            t[e] = x[i][e];
            excess += static_cast<double>(w[e]) * static_cast<double>(t[e]);
        }
        wide<float>::buffer c;
        c.at[0] = excess;
        lengths.push_back(hyperplane_step<P, float>(n).find(t.data(), w.data(), c, d.data()).at[0]);
    }
    return lengths;
}

}  // namespace

TEMPLATE_TEST_CASE("FAB finds the nearest boundary of a linear model", "[attacks][fab][closed form]", linf, l2, l1) {
    const testing::linear_model<2> model({1, 4, 4}, random_weights(32, 4));
    const auto x = random_images(30, {1, 4, 4}, 3);
    const auto y = predicted(model, x);
    const auto found = perturb(fab<TestType>({.epsilon = std::is_same_v<TestType, linf> ? 1. : 100.}), model, x, y);
    const auto least = nearest_boundary<TestType>(model, x);
    CHECK(found.success_rate() == 1);
    for (std::size_t i = 0; i < 30; ++i) {
        const auto& size = found.distances[i];
        const double length = std::is_same_v<TestType, linf> ? size.linf : std::is_same_v<TestType, l2> ? size.l2 : size.l1;
        CHECK(length >= least[i] * (1 - 1e-5));
        CHECK(length <= least[i] * 1.06 + 1e-6);  // the overshoot of 1.05
    }
}

TEMPLATE_TEST_CASE("FAB counts only what lies in the ball, and returns the clean image otherwise", "[attacks][fab]", linf, l2,
                   l1) {
    const toy_problem<40> p;
    const double epsilon = std::is_same_v<TestType, linf> ? .04 : std::is_same_v<TestType, l2> ? .2 : .8;
    const auto found = perturb(fab<TestType>({.epsilon = epsilon, .steps = 30}), p.model, p.x, p.y, {.verify = false});
    CHECK(verify_in_threat(p.x, found.adversarial, TestType{.epsilon = epsilon}).ok());
    CHECK(found.success_rate() > .1);
    CHECK(found.success_rate() < 1);
    for (std::size_t i = 0; i < 40; ++i)
        if (!found.success[i]) CHECK(same_bits<float>(found.adversarial[i], p.x[i]));
    const auto brief =
        perturb(fab<TestType>({.epsilon = epsilon, .steps = 30, .early_stop = true}), p.model, p.x, p.y, {.verify = false});
    CHECK(brief.success == found.success);
    CHECK(brief.gradient_calls < found.gradient_calls);
}

TEST_CASE("FAB's verdict is the ball of the threat: smaller balls keep what is nearer", "[attacks][fab]") {
    const toy_problem<40> p;
    const auto all = perturb(fab<l2>({.epsilon = 1e6, .steps = 30}), p.model, p.x, p.y);
    const auto some = perturb(fab<l2>({.epsilon = .2, .steps = 30}), p.model, p.x, p.y);
    for (std::size_t i = 0; i < 40; ++i) CHECK(some.success[i] == (all.success[i] && all.distances[i].l2 <= .2));
}

TEST_CASE("a perturbation of exactly epsilon counts (FAB's res > eps rejects its own boundary points)",
          "[attacks][fab][pitfalls]") {
    // one pixel at 0, boundary at .95, overshoot 2: every iterate that is misclassified is the corner 1, at distance 1 exactly
    const testing::linear_model<2> model({1, 1, 1}, {0, 1}, {.95f, 0});
    const images x(1, {1, 1, 1});
    const auto found = perturb(fab({.epsilon = 1, .steps = 3, .alpha_max = 0, .eta = 2}), model, x, labels{0});
    CHECK(found.success[0] == 1);
    CHECK(found.adversarial[0][0] == 1);
}

TEST_CASE("FAB-T takes one gradient a step and goes from target to target until it succeeds", "[attacks][fab]") {
    const toy_problem<40> p;
    const auto all = perturb(fab({.epsilon = .04, .steps = 10}), p.model, p.x, p.y);
    const auto one = perturb(fab({.epsilon = .04, .steps = 10, .target_classes = 1}), p.model, p.x, p.y);
    const auto two = perturb(fab({.epsilon = .04, .steps = 10, .target_classes = 9}), p.model, p.x, p.y);
    for (std::size_t i = 0; i < 40; ++i) {
        CHECK(all.gradients[i] == 20);
        CHECK(one.gradients[i] == 10);
        CHECK(two.gradients[i] == (one.success[i] ? 10 : 20));
        CHECK(two.success[i] >= one.success[i]);
    }
}

TEST_CASE("restarts of FAB begin at half of epsilon and never hurt", "[attacks][fab]") {
    const toy_problem<40> p;
    const auto one = perturb(fab({.epsilon = .04, .steps = 5}), p.model, p.x, p.y);
    const auto five = perturb(fab({.epsilon = .04, .steps = 5, .restarts = 5}), p.model, p.x, p.y);
    for (std::size_t i = 0; i < 40; ++i) {
        CHECK(five.success[i] >= one.success[i]);
        if (!five.success[i]) CHECK(five.gradients[i] == 50);
    }
}

TEST_CASE("FAB keeps to its budgets", "[attacks][fab]") {
    const toy_problem<40> p;
    const auto found = perturb(fab({.epsilon = 1}), p.model, p.x, p.y, {.max_forwards = 9, .max_gradients = 7});
    for (std::size_t i = 0; i < 40; ++i) {
        CHECK(found.forwards[i] <= 9);
        CHECK(found.gradients[i] <= 7);
    }
}

TEST_CASE("FAB survives NaN logits, zero gradients and batches that are all misclassified", "[attacks][fab][pitfalls]") {
    toy_problem<40> p;
    const partly_broken<testing::quadratic_model<3>> broken{&p.model};
    CHECK(perturb(fab<l2>({.epsilon = .3, .steps = 8}), broken, p.x, p.y).rejected == 0);
    const constant_model flat;
    for (const auto& found : {perturb(fab<l1>({.epsilon = 1, .steps = 8}), flat, p.x, labels(40, 1)),
                              perturb(fab<linf>({.epsilon = 1, .steps = 8}), flat, p.x, labels(40, 1))}) {
        CHECK(found.success_rate() == 0);
        CHECK(same_bits(found.adversarial, p.x));
    }
    for (auto& label : p.y) label = (label + 1) % 3;
    const auto wrong = perturb(fab(), p.model, p.x, p.y);
    CHECK(wrong.success_rate() == 1);
    CHECK(wrong.gradient_calls == 0);
}

TEST_CASE("FAB refuses settings out of range", "[attacks][fab][errors]") {
    const auto refuses = [](const auto& attack) { CHECK_THROWS_AS(attack.validate("test"), invalid_argument); };
    refuses(fab({.epsilon = -1}));
    refuses(fab({.steps = 0}));
    refuses(fab({.restarts = 0}));
    refuses(fab({.alpha_max = 2}));
    refuses(fab({.eta = .5}));
    refuses(fab({.beta = 1.5}));
}

TEST_CASE("FAB gives the same bits for any threads, batches and order", "[attacks][fab][threads]") {
    const auto model = toy_quadratic();
    const auto x = random_images(40, toy_shape);
    check_invariance(fab({.epsilon = .05, .steps = 12, .restarts = 2}), model, x);
    check_invariance(fab<l2>({.epsilon = .25, .steps = 12, .target_classes = 2}), model, x);
    check_invariance(fab<l1>({.epsilon = 1, .steps = 12, .early_stop = true}), model, x);
}
