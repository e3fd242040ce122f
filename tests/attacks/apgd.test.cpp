#include "saddle/attacks/apgd.hpp"

#include "attacks/invariance.hpp"
#include "attacks/toy.hpp"
#include "saddle/attacks/pgd.hpp"
#include "saddle/losses/logit_margin.hpp"

using namespace saddle;

namespace {

/// One run of APGD as its paper and reference have it, on one image, in double: lists every iterate.
///
/// The model is any function of an image that gives loss and gradient. Independent of the library's attack: plain loops.
template <class F>
std::vector<std::vector<double>> plain_apgd_linf(const std::vector<double>& x, const std::vector<double>& start, double epsilon,
                                                 std::size_t steps, F&& loss_and_gradient, bool compares_with_zero) {
    const std::size_t d = x.size();
    const auto cut = [&](std::vector<double> v) {
        for (std::size_t i = 0; i < d; ++i) v[i] = std::clamp(v[i], std::max(0., x[i] - epsilon), std::min(1., x[i] + epsilon));
        return v;
    };
    std::vector<std::vector<double>> all;
    auto z = cut(start), old = z;
    std::vector<double> gradient(d), best_gradient(d), losses;
    double loss = loss_and_gradient(z, gradient), best_loss = loss, checked = loss, step = 2 * epsilon;
    losses.push_back(compares_with_zero ? 0 : loss);
    auto best = z;
    best_gradient = gradient;
    all.push_back(z);
    std::size_t window = std::max<std::size_t>(std::size_t(.22 * double(steps)), 1), since = 0;
    const std::size_t less = std::max<std::size_t>(std::size_t(.03 * double(steps)), 1),
                      least = std::max<std::size_t>(std::size_t(.06 * double(steps)), 1);
    bool reduced = true;
    for (std::size_t s = 0; s < steps; ++s) {
        std::vector<double> ahead(d), next(d);
        for (std::size_t i = 0; i < d; ++i) ahead[i] = z[i] + step * (gradient[i] > 0 ? 1 : gradient[i] < 0 ? -1 : 0);
        ahead = cut(ahead);
        const double a = s == 0 ? 1 : .75;
        for (std::size_t i = 0; i < d; ++i) next[i] = z[i] + a * (ahead[i] - z[i]) + (1 - a) * (z[i] - old[i]);
        old = z;
        z = cut(next);
        all.push_back(z);
        loss = loss_and_gradient(z, gradient);
        losses.push_back(loss);
        if (loss > best_loss) best_loss = loss, best = z, best_gradient = gradient;
        if (++since < window) continue;
        std::size_t rises = 0;
        for (std::size_t c = 0; c < window; ++c) rises += losses[losses.size() - 1 - c] > losses[losses.size() - 2 - c];
        const bool halve = double(rises) <= .75 * double(window) || (!reduced && checked >= best_loss);
        reduced = halve;
        checked = best_loss;
        if (halve) {
            step /= 2;
            z = best;
            gradient = best_gradient;
        }
        window = std::max(window > less ? window - less : 0, least);
        since = 0;
    }
    return all;
}

/// A smooth model of three classes on which ascent overshoots: z_k = cos(3 <w_k, x>), in double.
struct wavy_model {
    using value_type = double;
    static constexpr std::size_t classes = 3;
    static constexpr bool concurrent = true;
    std::vector<double> w = random_weights<double>(75, 3);

    extents input() const { return toy_shape; }
    double product(const double* x, std::size_t k) const {
        double sum = 0;
        for (std::size_t e = 0; e < 25; ++e) sum += w[25 * k + e] * x[e];
        return 3 * sum;
    }
    void logits(const basic_images<double>& x, std::span<double> z) const {
        for (std::size_t i = 0; i < x.size(); ++i)
            for (std::size_t k = 0; k < 3; ++k) z[3 * i + k] = std::cos(product(x[i].data(), k)) + (k == 0 ? 8 : 0);
    }
    void input_gradient(const basic_images<double>& x, std::span<const double> slopes, std::span<double> gradient) const {
        for (std::size_t i = 0; i < x.size(); ++i)
            for (std::size_t e = 0; e < 25; ++e) {
                double sum = 0;
                for (std::size_t k = 0; k < 3; ++k)
                    sum -= slopes[3 * i + k] * std::sin(product(x[i].data(), k)) * 3 * w[25 * k + e];
                gradient[25 * i + e] = sum;
            }
    }
};

/// A plain model that writes down every image it is asked for: lane 0 of each block.
template <class M>
struct recording_model {
    using value_type = typename M::value_type;
    static constexpr std::size_t classes = M::classes;
    const M* inner;
    std::vector<std::vector<double>>* seen;

    extents input() const { return inner->input(); }
    void logits(const basic_images<value_type>& x, std::span<value_type> z) const {
        seen->emplace_back(x[0].begin(), x[0].end());
        inner->logits(x, z);
    }
    void input_gradient(const basic_images<value_type>& x, std::span<const value_type> slopes, std::span<value_type> g) const {
        inner->input_gradient(x, slopes, g);
    }
};

}  // namespace

TEST_CASE("APGD takes the steps of the reference, one by one", "[attacks][apgd][oracle]") {
    const wavy_model model;
    const auto x = random_images<double>(1, toy_shape, 5);
    for (const auto profile : {attack_profile::official, attack_profile::deterministic}) {
        std::vector<std::vector<double>> seen;
        const auto attack = apgd<linf, logit_margin>({.epsilon = .3, .steps = 60, .profile = profile});
        const auto found = perturb(attack, recording_model<wavy_model>{&model, &seen}, x, labels{0}, {.verify = false});
        REQUIRE(seen.size() == 62);  // the clean image, the start, 60 steps
        const std::vector<double> clean(x[0].begin(), x[0].end());
        const auto expected = plain_apgd_linf(
            clean, seen[1], .3, 60,
            [&](const std::vector<double>& z, std::vector<double>& gradient) {
                basic_images<double> one(1, toy_shape), slope(1, toy_shape);
                std::copy(z.begin(), z.end(), one[0].begin());
                std::vector<double> logits(3);
                model.logits(one, logits);
                const std::size_t other = logits[1] >= logits[2] ? 1 : 2;
                std::vector<double> slopes(3);
                slopes[0] = -1;
                slopes[other] = 1;
                model.input_gradient(one, slopes, slope.values());
                gradient.assign(slope[0].begin(), slope[0].end());
                return logits[other] - logits[0];
            },
            profile == attack_profile::official);
        double worst = 0;
        for (std::size_t s = 0; s < 61; ++s)
            for (std::size_t e = 0; e < 25; ++e) worst = std::max(worst, std::abs(seen[s + 1][e] - expected[s][e]));
        CHECK(worst < 1e-9);
        CHECK(found.gradients[0] == 60);
    }
}

TEST_CASE("APGD's windows are those of the paper", "[attacks][apgd]") {
    const auto windows = apgd().windows();
    CHECK(windows.first == 22);
    CHECK(windows.less == 3);
    CHECK(windows.least == 6);
    const auto few = apgd({.steps = 10}).windows();
    CHECK(few.first == 2);
    CHECK(few.less == 1);
    CHECK(few.least == 1);
    const auto stages = apgd<l1>({.epsilon = 12, .larger_epsilons = true}).stages();
    REQUIRE(stages.size() == 3);
    CHECK(stages[0].epsilon == 3);
    CHECK(stages[0].steps == 30);
    CHECK(stages[1].steps == 30);
    CHECK(stages[2].steps == 40);
}

TEST_CASE("APGD reaches the optimum of a linear model in every norm", "[attacks][apgd][closed form]") {
    // Two classes, z_1 - z_0 = <w, x> + b: the largest margin in the ball is known
    constexpr extents shape_of{1, 2, 3};
    const std::vector<float> w{.5f, -1, .25f, 2, 0, -.75f};
    std::vector<float> weights(12);
    std::copy(w.begin(), w.end(), weights.begin() + 6);
    const testing::linear_model<2> model(shape_of, weights, {20.f, 0.f});
    images x(1, shape_of);
    std::fill(x[0].begin(), x[0].end(), .5f);
    double clean = -20, l1_norm = 0, squares = 0;
    for (const float v : w) {
        clean += .5 * static_cast<double>(v);
        l1_norm += std::abs(static_cast<double>(v));
        squares += static_cast<double>(v) * static_cast<double>(v);
    }
    const auto margin = [&](const auto& attack) { return static_cast<double>(perturb(attack, model, x, labels{0}).loss[0]); };
    CHECK(margin(apgd<linf, logit_margin>({.epsilon = .1})) == Approx(clean + .1 * l1_norm).epsilon(1e-6));
    CHECK(margin(apgd<l2, logit_margin>({.epsilon = .1})) == Approx(clean + .1 * std::sqrt(squares)).epsilon(1e-6));
    // L1: of the m elements changed, ceil(m / 1.5) move next, so the two largest slopes go on sharing the budget
    CHECK(margin(apgd<l1, logit_margin>({.epsilon = .1})) == Approx(clean + .05 * (2 + 1)).epsilon(1e-5));
    CHECK(margin(apgd<l1, logit_margin>({.epsilon = .1, .larger_epsilons = true})) == Approx(clean + .1 * 2).epsilon(1e-5));
}

TEST_CASE("APGD stays in ball and range in every norm", "[attacks][apgd]") {
    const toy_problem<60> p;
    const auto inside = [&](const auto& attack) {
        const auto found = perturb(attack, p.model, p.x, p.y, {.verify = false});
        CHECK(verify_in_threat(p.x, found.adversarial, attack.projection).ok());
        CHECK(found.success_rate() > .05);
        CHECK(found.success_rate() < 1);
    };
    inside(apgd({.epsilon = .04, .steps = 25}));
    inside(apgd<l2, dlr>({.epsilon = .2, .steps = 25}));
    inside(apgd<l1>({.epsilon = .8, .steps = 25}));
    inside(apgd<l1, dlr>({.epsilon = .8, .steps = 25, .larger_epsilons = true}));
}

TEST_CASE("APGD is at least as strong as PGD with as many gradients", "[attacks][apgd]") {
    const toy_problem<60> p;
    const auto rate = [&](const auto& attack) { return perturb(attack, p.model, p.x, p.y).success_rate(); };
    CHECK(rate(apgd({.epsilon = .04, .steps = 40})) >=
          rate(pgd({.epsilon = .04, .step_size = .01, .steps = 40, .keep = keep_rule::best})));
}

TEST_CASE("APGD remembers a success on its way (ART tests the last iterate alone)", "[attacks][apgd][pitfalls]") {
    const toy_problem<60> p;
    const auto all = perturb(apgd({.epsilon = .05, .steps = 30}), p.model, p.x, p.y, {.trace = true});
    std::size_t lost = 0;
    for (std::size_t i = 0; i < 60; ++i) {
        bool any = false;
        for (std::size_t c = 0; c < all.trace.columns; ++c) any = any || all.trace.success[i * all.trace.columns + c];
        CHECK(any == (all.success[i] == 1));
        lost += any && !all.trace.success[(i + 1) * all.trace.columns - 1];
    }
    CHECK(all.success_rate() > .1);
    CHECK(perturb(apgd({.epsilon = .05, .steps = 30, .early_stop = true}), p.model, p.x, p.y).success == all.success);
}

TEST_CASE("APGD-T aims at one class after another and counts any misclassification", "[attacks][apgd]") {
    const toy_problem<60> p;
    const auto single =
        perturb(apgd<linf, dlr>({.epsilon = .04, .steps = 20, .target_classes = 1}, {.few_classes = true}), p.model, p.x, p.y);
    const auto both =
        perturb(apgd<linf, dlr>({.epsilon = .04, .steps = 20, .target_classes = 2}, {.few_classes = true}), p.model, p.x, p.y);
    for (std::size_t i = 0; i < 60; ++i) {
        CHECK(both.success[i] >= single.success[i]);
        if (single.success[i]) CHECK(both.gradients[i] == single.gradients[i]);
        if (!both.success[i]) CHECK(both.gradients[i] == 40);
    }
    // more target classes than there are do no harm (AutoAttack 110)
    const auto nine =
        perturb(apgd<linf, dlr>({.epsilon = .04, .steps = 20, .target_classes = 9}, {.few_classes = true}), p.model, p.x, p.y);
    CHECK(same_bits(nine.adversarial, both.adversarial));
}

TEST_CASE("restarts of APGD attack only what is still correct", "[attacks][apgd]") {
    const toy_problem<60> p;
    const auto one = perturb(apgd({.epsilon = .04, .steps = 10}), p.model, p.x, p.y);
    const auto three = perturb(apgd({.epsilon = .04, .steps = 10, .restarts = 3}), p.model, p.x, p.y);
    for (std::size_t i = 0; i < 60; ++i) CHECK(three.gradients[i] == (one.success[i] ? 10 : three.gradients[i]));
    CHECK(three.success_rate() >= one.success_rate());
}

TEST_CASE("APGD leaves images alone that are misclassified already, and batches of them", "[attacks][apgd][pitfalls]") {
    toy_problem<60> p;
    for (auto& label : p.y) label = (label + 1) % 3;
    const auto found = perturb(apgd(), p.model, p.x, p.y);
    CHECK(found.success_rate() == 1);
    CHECK(found.gradient_calls == 0);
    CHECK(same_bits(found.adversarial, p.x));
}

TEST_CASE("APGD with DLR needs three classes, targeted four", "[attacks][apgd][errors]") {
    const testing::linear_model<2> two({1, 1, 2}, {1, 0, 0, 1});
    images x(1, {1, 1, 2});
    CHECK_THROWS_WITH((perturb(apgd<linf, dlr>(), two, x, labels{0})),
                      Catch::Contains("classes of the model for APGD; expected at least 3, found 2"));
    const toy_problem<60> p;
    CHECK_THROWS_WITH((perturb(apgd<linf, dlr>({.target_classes = 9}), p.model, p.x, p.y)),
                      Catch::Contains("expected at least 4, found 3"));
    CHECK_NOTHROW(perturb(apgd<linf, dlr>({.steps = 2, .target_classes = 9}, {.few_classes = true}), p.model, p.x, p.y));
}

TEST_CASE("APGD refuses settings out of range", "[attacks][apgd][errors]") {
    const auto refuses = [](const auto& attack) { CHECK_THROWS_AS(attack.validate("test"), invalid_argument); };
    refuses(apgd({.epsilon = -1}));
    refuses(apgd({.steps = 0}));
    refuses(apgd({.restarts = 0}));
    refuses(apgd({.rho = 0}));
    refuses(apgd({.larger_epsilons = true}));
    refuses(apgd<l1>({.steps = 4, .larger_epsilons = true}));
    refuses(apgd({.target_classes = 2, .targets = target_rule::random}));
}

TEST_CASE("APGD survives NaN logits and zero gradients", "[attacks][apgd][pitfalls]") {
    const toy_problem<60> p;
    const partly_broken<testing::quadratic_model<3>> broken{&p.model};
    const auto found = perturb(apgd<l2>({.epsilon = .3, .steps = 8}), broken, p.x, p.y);
    CHECK(verify_in_threat(p.x, found.adversarial, l2{.epsilon = .3}).ok());
    const constant_model flat;
    const auto still = perturb(apgd<l1>({.epsilon = 1, .steps = 8}), flat, p.x, labels(60, 1));
    CHECK(still.success_rate() == 0);
    CHECK(verify_in_threat(p.x, still.adversarial, l1{.epsilon = 1}).ok());
}

TEST_CASE("APGD gives the same bits for any threads, batches and order", "[attacks][apgd][threads]") {
    const toy_problem<60> p;
    const auto x = random_images(40, toy_shape);
    check_invariance(apgd({.epsilon = .04, .steps = 12, .restarts = 2}), p.model, x);
    check_invariance(apgd<l2, dlr>({.epsilon = .2, .steps = 12, .target_classes = 2}, {.few_classes = true}), p.model, x);
    check_invariance(apgd<l1>({.epsilon = .8, .steps = 12, .restarts = 2, .larger_epsilons = true}), p.model, x);
}
