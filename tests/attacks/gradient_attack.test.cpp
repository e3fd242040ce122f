#include "saddle/attacks/gradient_attack.hpp"

#include "attacks/toy.hpp"
#include "saddle/attacks/pgd.hpp"
#include "saddle/losses/kl_divergence.hpp"
#include "saddle/losses/label_smoothed.hpp"
#include "saddle/losses/logit_margin.hpp"
#include "saddle/projections/box_only.hpp"
#include "saddle/projections/l1.hpp"
#include "saddle/projections/l2.hpp"
#include "support/catch.hpp"

using namespace saddle;

namespace {

/// Two classes, margin w·x: every attack's optimum has a closed form.
struct two_class_problem {
    std::vector<float> w = random_weights(25, 4);
    testing::linear_model<2> model{toy_shape, both(w)};
    images x{6, toy_shape};
    labels y = labels(6, 0);

    two_class_problem() {
        for (auto& v : x.values()) v = .5f;
    }
    static std::vector<float> both(const std::vector<float>& w) {
        std::vector<float> rows(w.size(), 0.f);
        rows.insert(rows.end(), w.begin(), w.end());
        return rows;
    }
    double gain(std::span<const float> z) const {
        double sum = 0;
        for (std::size_t e = 0; e < 25; ++e) sum += static_cast<double>(w[e]) * (static_cast<double>(z[e]) - .5);
        return sum;
    }
    double norm(int p) const {
        double sum = 0, peak = 0;
        for (const float v : w) {
            sum += p == 1 ? std::abs(static_cast<double>(v)) : static_cast<double>(v) * static_cast<double>(v);
            peak = std::max(peak, std::abs(static_cast<double>(v)));
        }
        return p == 0 ? peak : p == 1 ? sum : std::sqrt(sum);
    }
};

}  // namespace

TEST_CASE("PGD reaches the closed-form optimum on a linear model in every norm", "[attacks][closed form]") {
    const two_class_problem p;
    const auto linf_result = perturb(pgd({.epsilon = .3, .step_size = .05, .steps = 20}), p.model, p.x, p.y);
    const auto l2_result = perturb(pgd<l2>({.epsilon = .4, .step_size = .1, .steps = 60}), p.model, p.x, p.y);
    const auto l1_result = perturb(pgd<l1>({.epsilon = .4, .step_size = .1, .steps = 60}), p.model, p.x, p.y);
    for (std::size_t i = 0; i < p.x.size(); ++i) {
        CHECK(p.gain(linf_result.adversarial[i]) == Approx(.3 * p.norm(1)).epsilon(1e-6));
        CHECK(p.gain(l2_result.adversarial[i]) == Approx(.4 * p.norm(2)).epsilon(1e-3));
        CHECK(p.gain(l1_result.adversarial[i]) == Approx(.4 * p.norm(0)).epsilon(1e-3));
    }
}

TEST_CASE("L2 PGD finds the optimum on ball and range together", "[attacks][closed form]") {
    two_class_problem p;
    for (std::size_t e = 0; e < 25; e += 2) p.x[0][e] = p.w[e] > 0 ? .95f : .05f;
    const double epsilon = 1.2;
    const auto z =
        perturb(pgd<l2>({.epsilon = epsilon, .step_size = .1, .steps = 300, .start = start_rule::none}), p.model, p.x, p.y);
    double low = 0, high = 100;  // the optimum is clip(x + t w) with the t that fills the ball
    const auto at = [&](std::size_t e, double t) {
        return std::clamp(static_cast<double>(p.x[0][e]) + t * static_cast<double>(p.w[e]), 0., 1.) -
               static_cast<double>(p.x[0][e]);
    };
    for (int i = 0; i < 100; ++i) {
        double square = 0;
        for (std::size_t e = 0; e < 25; ++e) square += at(e, (low + high) / 2) * at(e, (low + high) / 2);
        (square > epsilon * epsilon ? high : low) = (low + high) / 2;
    }
    double best = 0, found = 0;
    for (std::size_t e = 0; e < 25; ++e) {
        best += static_cast<double>(p.w[e]) * at(e, low);
        found += static_cast<double>(p.w[e]) * (static_cast<double>(z.adversarial[0][e]) - static_cast<double>(p.x[0][e]));
    }
    CHECK(found == Approx(best).epsilon(1e-3));
    CHECK(found <= best * (1 + 1e-6));
}

TEMPLATE_TEST_CASE("results lie in ball and range in real arithmetic", "[attacks][exact]", linf, l2, l1, box_only) {
    const auto model = toy_quadratic();
    const auto x = random_images(40, toy_shape);
    const auto y = predicted(model, x);
    for (const double epsilon : {0., 8. / 255, .1, .3, std::is_same_v<TestType, linf> ? 1. : 1.5})
        for (const auto start : {start_rule::none, start_rule::uniform, start_rule::gaussian, start_rule::random_sign}) {
            auto attack = pgd<TestType>({.epsilon = epsilon, .step_size = .11, .steps = 7, .start = start, .start_scale = .2});
            const auto check = verify_in_threat(x, perturb(attack, model, x, y).adversarial, attack.projection);
            INFO("epsilon " << epsilon << ": " << check.reason);
            CHECK(check.ok());
        }
}

TEST_CASE("the gradient is taken at the iterate, so saturated pixels come back (foolbox 704)", "[attacks][pitfalls]") {
    const two_class_problem p;
    auto x = p.x;
    for (std::size_t e = 0; e < 25; ++e) x[0][e] = p.w[e] > 0 ? 0.f : 1.f;  // every pixel at the end it must leave
    const auto z = perturb(pgd({.epsilon = .3, .step_size = .3, .steps = 1, .start = start_rule::none}), p.model, x, p.y);
    for (std::size_t e = 0; e < 25; ++e) CHECK(std::abs(z.adversarial[0][e] - x[0][e]) > .29f);
}

TEST_CASE("gradients do not shrink with the batch (foolbox 439)", "[attacks][pitfalls]") {
    const auto model = toy_quadratic();
    const auto x = random_images(70, toy_shape);
    const auto y = predicted(model, x);
    const auto attack = pgd<l2>({.epsilon = .2, .step_size = .05, .steps = 5});
    const auto all = perturb(attack, model, x, y), first = perturb(attack, model, x.slice(0, 1), labels{y[0]});
    CHECK(same_bits<float>(all.adversarial[0], first.adversarial[0]));
}

TEST_CASE("label smoothing with alpha 1 helps the model instead of attacking it", "[attacks][losses]") {
    const auto model = toy_quadratic();
    const auto x = random_images(60, toy_shape);
    labels y(60);
    for (std::size_t i = 0; i < 60; ++i) y[i] = static_cast<std::int32_t>(i % 3);
    const auto result = perturb(pgd({.epsilon = .1, .step_size = .03, .steps = 10}, label_smoothed{.alpha = 1}), model, x, y);
    std::size_t clean = 0, attacked = 0;
    for (std::size_t i = 0; i < 60; ++i) {
        clean += result.clean_predictions[i] == y[i];
        attacked += result.adversarial_predictions[i] == y[i];
    }
    CHECK(attacked > clean);
}

TEST_CASE("PGD on KL leaves the clean prediction, and only from a random start", "[attacks][losses]") {
    const auto model = toy_quadratic();
    const auto x = random_images(20, toy_shape);
    const auto y = predicted(model, x);
    const auto result = perturb(pgd({.epsilon = .1, .step_size = .03, .steps = 10}, kl_divergence{}), model, x, y);
    for (const float loss : result.loss) CHECK(loss > .001f);
    const auto stuck = pgd({.epsilon = .1, .start = start_rule::none}, kl_divergence{});
    CHECK_THROWS_WITH(perturb(stuck, model, x, y), Catch::Contains("kl_divergence") && Catch::Contains("random start"));
    CHECK_THROWS_AS(perturb(pgd({.targets = target_rule::random}, kl_divergence{}), model, x, y), invalid_argument);
}

TEST_CASE("an unbounded attack on a linear model always succeeds", "[attacks]") {
    const auto model = toy_linear();
    const auto x = random_images(50, toy_shape);
    const auto result = perturb(pgd<box_only>({.step_size = .1, .steps = 30}, logit_margin{}), model, x, predicted(model, x));
    CHECK(result.success_rate() == 1);
}

TEST_CASE("a model without slope keeps the start and gives no NaN", "[attacks][pitfalls]") {
    const auto x = random_images(20, toy_shape);
    const labels y(20, 1);
    const auto linf_result = perturb(pgd({.epsilon = .1, .start = start_rule::none}), constant_model{}, x, y);
    const auto l2_result = perturb(pgd<l2>({.epsilon = .1, .start = start_rule::none}), constant_model{}, x, y);
    const auto l1_result = perturb(pgd<l1>({.epsilon = .1, .start = start_rule::none}), constant_model{}, x, y);
    CHECK(same_bits(linf_result.adversarial, x));
    CHECK(same_bits(l2_result.adversarial, x));
    CHECK(same_bits(l1_result.adversarial, x));
    CHECK(l2_result.success_rate() == 0);
}

TEST_CASE("each image may have its own epsilon and step size", "[attacks]") {
    const auto model = toy_linear();
    const auto x = random_images(20, toy_shape);
    const auto y = predicted(model, x);
    std::vector<double> radii(20), sizes(20);
    for (std::size_t i = 0; i < 20; ++i) {
        radii[i] = .01 * static_cast<double>(i);
        sizes[i] = .1 + .01 * static_cast<double>(i);
    }
    auto attack = pgd({.epsilon = .9, .step_size = 9, .steps = 3, .start = start_rule::none});
    const auto all = perturb(attack, model, x, y, {.epsilons = radii, .step_sizes = sizes});
    CHECK(verify_in_threat(x, all.adversarial, linf{}, radii).ok());
    attack.projection.epsilon = radii[13];
    attack.step_size = sizes[13];
    const auto one = perturb(attack, model, x.slice(13, 1), labels{y[13]});
    CHECK(same_bits<float>(all.adversarial[13], one.adversarial[0]));
}

TEST_CASE("a random start is inside the range before its gradient (cifar10_challenge 4)", "[attacks][pitfalls]") {
    const auto x = random_images(20, toy_shape);
    const auto start = perturb(pgd({.epsilon = .3, .step_size = 1e-9, .steps = 1}), constant_model{}, x, labels(20, 1));
    CHECK(verify_in_threat(x, start.adversarial, linf{.3}).ok());
    CHECK_FALSE(same_bits(start.adversarial, x));
}

TEST_CASE("attack settings outside their range are refused", "[attacks][errors]") {
    const auto refused = [](auto change) {
        auto attack = pgd({.epsilon = .1});
        change(attack);
        CHECK_THROWS_AS(attack.validate("test"), invalid_argument);
    };
    refused([](auto& a) { a.projection.epsilon = -1; });
    refused([](auto& a) { a.step_size = 0; });
    refused([](auto& a) { a.step_size = std::nan(""); });
    refused([](auto& a) { a.step_size = 1e7; });
    refused([](auto& a) { a.steps = 0; });
    refused([](auto& a) { a.restarts = 0; });
    refused([](auto& a) { a.momentum = -.5; });
    refused([](auto& a) { a.start = start_rule::gaussian, a.start_scale = -1; });
    refused([](auto& a) { a.start = start_rule::none, a.restarts = 2; });
    CHECK_NOTHROW(pgd({.epsilon = 0}).validate("test"));
}
