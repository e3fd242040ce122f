#include "saddle/attacks/nes.hpp"

#include "attacks/invariance.hpp"
#include "attacks/sampled_gradients.hpp"

using namespace saddle;

TEST_CASE("NES estimates the gradient of a linear function, and its mean is exact", "[attacks][nes][closed form]") {
    std::vector<double> weights(40);
    for (std::size_t e = 0; e < 20; ++e) weights[20 + e] = std::sin(static_cast<double>(e));
    const std::vector<double> exact(weights.begin() + 20, weights.end()), z(20, .5);
    const auto many = estimated_margin_gradient(nes{.samples = 4000, .momentum = 0}, weights, z);
    CHECK(cosine(many, exact) > .99);
    double length = 0;
    for (std::size_t e = 0; e < 20; ++e) length += many[e] * exact[e] / 10;  // <w,w> is about 10
    CHECK(length == Approx(1).margin(.1));
    const auto one_sided =
        estimated_margin_gradient(nes{.samples = 4000, .radius = 1, .momentum = 0, .antithetic = false}, weights, z);
    CHECK(cosine(one_sided, exact) > .9);
}

TEST_CASE("each sample weighs with its own value, not with the batch's sum (foolbox's ES estimator)",
          "[attacks][nes][pitfalls]") {
    // F = z_1 - z_0 = x_0 alone: the estimate along the other axes is the samples' correlation with it, of order 1/sqrt(n)
    const std::vector<double> weights{0, 0, 0, 1, 0, 0}, z(3, .5);
    const auto g = estimated_margin_gradient(nes{.samples = 20000, .momentum = 0}, weights, z);
    CHECK(g[0] == Approx(1).margin(.05));
    CHECK(std::abs(g[1]) < .05);
    CHECK(std::abs(g[2]) < .05);
}

TEST_CASE("PGD by NES fools a black box and counts its queries", "[attacks][nes]") {
    const toy_problem<30> p;
    const testing::black_box hidden(p.model);
    const auto attack = with_source(
        pgd<linf, logit_margin>({.epsilon = .1, .step_size = .02, .steps = 20, .start = start_rule::none, .early_stop = true}),
        nes{.samples = 30});
    const auto found = perturb(attack, hidden, p.x, p.y);
    CHECK(found.success_rate() > .6);
    CHECK(found.rejected == 0);
    CHECK(found.gradient_calls == 0);
    for (std::size_t i = 0; i < 30; ++i)
        CHECK((found.forwards[i] - 1) % 61 == 0);  // the clean image; 60 samples and a look a step
    const auto brief = perturb(attack, hidden, p.x, p.y, {.max_forwards = 200});
    for (std::size_t i = 0; i < 30; ++i) CHECK(brief.forwards[i] <= 200);
    CHECK(brief.success_rate() <= found.success_rate());
}

TEST_CASE("label-only NES needs a radius that reaches the boundary", "[attacks][nes]") {
    const toy_problem<30> p;
    const testing::black_box hidden(p.model);
    const auto rate = [&](double radius, bool random) {
        return perturb(
            with_source(pgd({.epsilon = .1, .step_size = .02, .steps = 20, .start = start_rule::none, .early_stop = true}),
                        nes{.samples = 50, .radius = radius, .feedback = query_feedback::labels, .random_when_flat = random}),
            hidden, p.x, p.y);
    };
    const auto blind = rate(1e-6, false), seeing = rate(.1, false);
    CHECK(seeing.success_rate() > blind.success_rate() + .2);
    for (std::size_t i = 0; i < 30; ++i)
        if (!blind.success[i]) CHECK(same_bits<float>(blind.adversarial[i], p.x[i]));
    std::size_t moved = 0;
    const auto wandering = rate(1e-6, true);
    for (std::size_t i = 0; i < 30; ++i) moved += !same_bits<float>(wandering.adversarial[i], p.x[i]);
    CHECK(moved > 15);
}

TEST_CASE("a targeted attack by NES reaches its target in L2", "[attacks][nes]") {
    const toy_problem<30> p;
    const auto found = perturb(with_source(pgd<l2>({.epsilon = 1,
                                                    .step_size = .2,
                                                    .steps = 25,
                                                    .start = start_rule::none,
                                                    .targets = target_rule::next_class,
                                                    .early_stop = true}),
                                           nes{.samples = 40}),
                               p.model, p.x, p.y);
    CHECK(found.success_rate() > .6);
}

TEST_CASE("NES takes models that are broken or flat", "[attacks][nes][pitfalls]") {
    const toy_problem<30> p;
    const partly_broken<testing::quadratic_model<3>> broken{&p.model};
    const auto attack = with_source(pgd({.epsilon = .1, .steps = 3}), nes{.samples = 5});
    CHECK(perturb(attack, broken, p.x, p.y).rejected == 0);
    CHECK(perturb(attack, constant_model{}, p.x, labels(30, 1)).success_rate() == 0);
}

TEST_CASE("NES refuses settings out of range", "[attacks][nes][errors]") {
    for (const auto& source : {nes{.samples = 0}, nes{.radius = 0}, nes{.momentum = 1}})
        CHECK_THROWS_AS(with_source(pgd(), source).validate("test"), invalid_argument);
}

TEST_CASE("NES gives the same bits for any threads, batches and order", "[attacks][nes][threads]") {
    check_invariance(with_source(pgd({.epsilon = .1, .steps = 4, .restarts = 2}), nes{.samples = 10}), toy_quadratic(),
                     random_images(12, toy_shape));
}
