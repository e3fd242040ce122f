#include "saddle/attacks/an_pgd.hpp"

#include "attacks/invariance.hpp"
#include "attacks/nearest.hpp"
#include "saddle/losses/soft_logit_margin.hpp"

using namespace saddle;

namespace {

/// A linear model of two classes: PGD's direction is exact, so the zero of the margin is the distance of the boundary.
struct two_classes {
    testing::linear_model<2> model{toy_shape, random_weights(50, 6)};
    images x = central_images(40);
    labels y = predicted(model, x);
};

}  // namespace

TEST_CASE("AN-PGD finds the distance of the boundary inside and outside its first ball", "[attacks][an_pgd][closed form]") {
    const two_classes p;
    const auto check = [&](auto attack, bool in_linf) {
        std::vector<double> margins;
        for (std::size_t i = 0; i < p.x.size(); ++i)
            margins.push_back(
                boundary_distance(p.model.weights(), std::vector<float>(2), p.x[i], static_cast<std::size_t>(p.y[i]), in_linf));
        std::sort(margins.begin(), margins.end());
        attack.initial = 1.001 * margins[13];
        attack.projection.epsilon = 1.001 * margins[29];
        const auto found = perturb(attack, p.model, p.x, p.y);
        std::size_t inside = 0, outside = 0;
        for (std::size_t i = 0; i < p.x.size(); ++i) {
            const double exact =
                boundary_distance(p.model.weights(), std::vector<float>(2), p.x[i], static_cast<std::size_t>(p.y[i]), in_linf);
            const double distance = in_linf ? found.distances[i].linf : found.distances[i].l2;
            if (exact > attack.projection.epsilon) {
                CHECK(found.success[i] == 0);
                CHECK(distance == Approx(attack.projection.epsilon).epsilon(1e-4));
                continue;
            }
            if (!in_linf && exact > .95 * attack.projection.epsilon)
                continue;  // the direction keeps a little of the random start
            CHECK(found.success[i] == 1);
            const double bracket = exact <= attack.initial ? attack.initial : attack.projection.epsilon - attack.initial;
            CHECK(distance >= exact * (1 - 1e-4));
            CHECK(distance <= exact * (in_linf ? 1 : 1.05) + bracket * 0x1p-10 + 1e-5);
            ++(exact <= attack.initial ? inside : outside);
        }
        CHECK(inside > 3);
        CHECK(outside > 3);
        CHECK(found.rejected == 0);
        CHECK(verify_in_threat(p.x, found.adversarial, attack.projection).ok());
    };
    check(an_pgd<logit_margin, linf>{.steps = 20}, true);
    check(an_pgd<logit_margin, l2>{.steps = 20}, false);
}

TEST_CASE("AN-PGD starts from each image's own radius", "[attacks][an_pgd]") {
    const two_classes p;
    const an_pgd<> attack{.projection = {.epsilon = .2}, .initial = .05, .steps = 20};
    std::vector<double> radii(p.x.size());
    for (std::size_t i = 0; i < radii.size(); ++i) radii[i] = i % 2 ? .01 : .15;
    const auto found = perturb(attack, p.model, p.x, p.y), other = perturb(attack, p.model, p.x, p.y, {.epsilons = radii});
    CHECK_FALSE(same_bits(found.adversarial, other.adversarial));
    for (std::size_t i = 0; i < radii.size(); ++i) CHECK(found.distances[i].linf == Approx(other.distances[i].linf).margin(4e-4));
}

TEST_CASE("AN-PGD on the soft margin stops before the boundary", "[attacks][an_pgd]") {
    const auto model = toy_linear();
    const auto x = central_images(30);
    const auto y = predicted(model, x);
    const auto hard = perturb(an_pgd<>{.projection = {.epsilon = .3}, .initial = .05}, model, x, y),
               soft = perturb(an_pgd<soft_logit_margin>{.projection = {.epsilon = .3}, .initial = .05}, model, x, y);
    double sum_hard = 0, sum_soft = 0;
    for (std::size_t i = 0; i < x.size(); ++i) sum_hard += hard.distances[i].linf, sum_soft += soft.distances[i].linf;
    CHECK(sum_soft < sum_hard);
}

TEST_CASE("AN-PGD leaves images that are wrong already", "[attacks][an_pgd]") {
    const two_classes p;
    auto y = p.y;
    y[3] = 1 - y[3];
    const auto found = perturb(an_pgd<>{.projection = {.epsilon = .2}}, p.model, p.x, y);
    CHECK(same_bits<float>(found.adversarial[3], p.x[3]));
    CHECK(found.success[3] == 1);
    CHECK(found.distances[3].linf == 0);
}

TEST_CASE("AN-PGD keeps a budget of queries", "[attacks][an_pgd][budget]") {
    const two_classes p;
    const auto found = perturb(an_pgd<>{.projection = {.epsilon = .2}, .steps = 40}, p.model, p.x, p.y, {.max_forwards = 20});
    for (const auto n : found.forwards) CHECK(n <= 20);
}

TEST_CASE("AN-PGD has the same bits for any number of threads, batch size and order", "[attacks][an_pgd][determinism]") {
    check_invariance(an_pgd<>{.projection = {.epsilon = .2}, .initial = .02}, toy_quadratic(), random_images(67, toy_shape));
}

TEST_CASE("AN-PGD names the settings that are out of range", "[attacks][an_pgd][errors]") {
    const auto refused = [](const an_pgd<>& a) { CHECK_THROWS_AS(a.validate("test"), invalid_argument); };
    refused({.projection = {.epsilon = .1}, .initial = .2});
    refused({.initial = 0});
    refused({.steps = 0});
    refused({.halvings = 0});
    refused({.step_factor = 0});
}
