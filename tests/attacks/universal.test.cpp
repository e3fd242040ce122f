#include "saddle/attacks/universal.hpp"

#include "attacks/toy.hpp"
#include "saddle/attacks/noise.hpp"
#include "saddle/losses/logit_margin.hpp"
#include "support/catch.hpp"

using namespace saddle;

namespace {

struct binary_problem {
    testing::linear_model<2> model{toy_shape, random_weights(50, 6)};
    images x = random_images(90, toy_shape);
    labels y = predicted(model, x);
};

}  // namespace

TEST_CASE("on a linear model with one label the universal perturbation is epsilon times the sign of the weights",
          "[attacks][universal][closed form]") {
    const binary_problem p;
    std::vector<std::size_t> zeros;
    for (std::size_t i = 0; i < p.x.size(); ++i)
        if (p.y[i] == 0) zeros.push_back(i);
    images x(zeros.size(), toy_shape);
    for (std::size_t j = 0; j < zeros.size(); ++j) std::copy_n(p.x[zeros[j]].data(), 25, x[j].data());
    worker_pool pool(1);
    const auto found = universal_perturbation<logit_margin>(
        p.model, x, labels(zeros.size(), 0), pool, universal_settings<linf>{.projection = {.epsilon = .2}, .step_size = .05});
    for (std::size_t e = 0; e < 25; ++e) {
        const float w = p.model.weights()[25 + e] - p.model.weights()[e];
        CHECK(found.perturbation[0][e] == (w > 0 ? .2f : -.2f));
    }
    CHECK(found.fooled.back() > .5);
}

TEST_CASE("a universal perturbation fools more images than noise of its size, stays in its ball, and grows with it",
          "[attacks][universal]") {
    const auto model = toy_quadratic();
    const auto x = random_images(90, toy_shape);
    const auto y = predicted(model, x);
    worker_pool pool(2);
    double before = -1;
    for (const double epsilon : {.05, .15, .3}) {
        const auto found = universal_perturbation(model, x, y, pool,
                                                  universal_settings<linf>{.projection = {epsilon}, .step_size = epsilon / 5});
        for (const float v : found.perturbation.values()) CHECK(std::abs(static_cast<double>(v)) <= epsilon * (1 + 1e-6));
        const auto again = predicted(model, found.applied_to(x));
        std::size_t fooled = 0;
        for (std::size_t i = 0; i < x.size(); ++i) fooled += again[i] != y[i];
        CHECK(found.fooled.back() == Approx(static_cast<double>(fooled) / 90));
        CHECK(found.fooled.back() >= before);
        CHECK(found.fooled.back() >=
              perturb(noise<linf>{.projection = {epsilon}, .keep = keep_rule::last}, model, x, y).success_rate());
        before = found.fooled.back();
    }
    const auto round = universal_perturbation(model, x, y, pool, universal_settings<l2>{.projection = {.8}, .step_size = .2});
    double squares = 0;
    for (const float v : round.perturbation.values()) squares += static_cast<double>(v) * static_cast<double>(v);
    CHECK(std::sqrt(squares) <= .8 * (1 + 1e-6));
}

TEST_CASE("a universal perturbation has the same bits for any number of threads", "[attacks][universal][determinism][threads]") {
    const binary_problem p;
    const universal_settings<linf> s{.projection = {.1}, .passes = 3, .batch_size = 37};
    worker_pool one(1), three(3);
    const auto a = universal_perturbation(p.model, p.x, p.y, one, s), b = universal_perturbation(p.model, p.x, p.y, three, s);
    CHECK(same_bits(a.perturbation, b.perturbation));
    CHECK(a.fooled == b.fooled);
    CHECK(a.gradient_calls == 270);
}

TEST_CASE("settings of a universal perturbation that are out of range", "[attacks][universal][errors]") {
    const binary_problem p;
    worker_pool pool(1);
    const auto refused = [&](const universal_settings<linf>& s) {
        CHECK_THROWS_AS((void)universal_perturbation(p.model, p.x, p.y, pool, s), invalid_argument);
    };
    refused({.projection = {-1}});
    refused({.step_size = 0});
    refused({.passes = 0});
    refused({.batch_size = 0});
    refused({.loss_bound = 0});
    CHECK_THROWS_AS((void)universal_perturbation(p.model, p.x, labels(3, 0), pool), shape_error);
}
