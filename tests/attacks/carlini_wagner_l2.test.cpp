#include "saddle/attacks/carlini_wagner_l2.hpp"

#include "attacks/invariance.hpp"
#include "attacks/nearest.hpp"

#include <algorithm>
#include <atomic>

using namespace saddle;

namespace {

/// The authors' l2_attack.py for one image and one target in plain double arithmetic, with what this library decides image by image.
struct reference_l2 {
    const testing::linear_model<3, double>& model;
    std::span<const double> x;
    std::int32_t target;
    carlini_wagner_l2 settings;
    std::vector<double> best{};
    std::uint64_t forwards = 1;  // the clean image

    std::array<double, 3> logits(const std::vector<double>& z) const {
        std::array<double, 3> out{};
        for (std::size_t k = 0; k < 3; ++k)
            for (std::size_t e = 0; e < z.size(); ++e) out[k] += model.weights()[k * z.size() + e] * z[e];
        return out;
    }
    void run() {
        const std::size_t n = x.size(), t = static_cast<std::size_t>(target);
        double lower = 0, upper = 1e10, c = settings.initial_c, nearest = 1e10;
        for (std::size_t outer = 0; outer < settings.binary_steps; ++outer) {
            std::vector<double> w(n), m(n), v(n), z(n), start(n);
            for (std::size_t e = 0; e < n; ++e) start[e] = std::atanh((2 * x[e] - 1) * .999999);
            double previous = 1e300;
            bool worked = false;
            if (settings.binary_steps >= 10 && outer + 1 == settings.binary_steps) c = upper;
            for (std::size_t i = 0; i < settings.steps; ++i) {
                double distance = 0;
                for (std::size_t e = 0; e < n; ++e) {
                    z[e] = std::tanh(w[e] + start[e]) * .5 + .5;
                    distance += (z[e] - x[e]) * (z[e] - x[e]);
                }
                const auto out = logits(z);
                ++forwards;
                std::size_t other = t == 0 ? 1 : 0;
                for (std::size_t k = 0; k < 3; ++k)
                    if (k != t && out[k] > out[other]) other = k;
                if (out[t] - settings.loss.kappa > out[other]) {
                    worked = true;
                    if (distance < nearest) nearest = distance, best = z;
                }
                const double f = std::max(out[other] - out[t], -settings.loss.kappa), loss = distance + c * f;
                if (i % std::max<std::size_t>(1, settings.steps / 10) == 0) {
                    if (loss > previous * .9999) break;
                    previous = loss;
                }
                const bool active = out[other] - out[t] > -settings.loss.kappa;
                const double rate = .01 * std::sqrt(1 - std::pow(.999, i + 1)) / (1 - std::pow(.9, i + 1));
                for (std::size_t e = 0; e < n; ++e) {
                    const double pull = active ? model.weights()[other * n + e] - model.weights()[t * n + e] : 0;
                    const double th = std::tanh(w[e] + start[e]), g = (2 * (z[e] - x[e]) + c * pull) * (1 - th * th) * .5;
                    m[e] = .9 * m[e] + .1 * g;
                    v[e] = .999 * v[e] + .001 * g * g;
                    w[e] -= rate * m[e] / (std::sqrt(v[e]) + 1e-8);
                }
            }
            if (worked) {
                upper = std::min(upper, c);
                if (upper < 1e9) c = (lower + upper) / 2;
            } else {
                lower = std::max(lower, c);
                c = upper < 1e9 ? (lower + upper) / 2 : c * 10;
            }
        }
    }
};

/// A plain model that counts the blocks it is asked about.
struct counting_model : testing::linear_model<3> {
    using linear_model::linear_model;
    mutable std::atomic<std::uint64_t> blocks{0};

    void logits(const images& x, std::span<float> z) const {
        ++blocks;
        linear_model::logits(x, z);
    }
};

}  // namespace

TEST_CASE("C&W L2 takes the steps of the authors' code: Adam, begun anew for every c (CleverHans, ART)",
          "[attacks][carlini wagner][reference]") {
    const testing::linear_model<3, double> model(toy_shape, random_weights<double>(75));
    const auto x = random_images<double>(4, toy_shape);
    const auto y = predicted(model, x);
    std::size_t successes = 0;
    for (const double kappa : {0., .5})
        for (const std::size_t searches : {4u, 10u}) {
            const carlini_wagner_l2 attack{.loss = {.kappa = kappa},
                                           .binary_steps = searches,
                                           .steps = 60,
                                           .initial_c = 2,
                                           .targets = target_rule::next_class};
            const auto found = perturb(attack, model, x, y);
            for (std::size_t i = 0; i < x.size(); ++i) {
                reference_l2 expected{model, x[i], (y[i] + 1) % 3, attack};
                expected.run();
                REQUIRE(found.success[i] == !expected.best.empty());
                successes += found.success[i];
                CHECK(found.forwards[i] == expected.forwards);
                for (std::size_t e = 0; e < expected.best.size(); ++e)
                    CHECK(found.adversarial[i][e] == Approx(expected.best[e]).margin(1e-8));
            }
        }
    CHECK(successes >= 14);
}

TEST_CASE("C&W L2 finds the distance to the boundary of linear and quadratic models", "[attacks][carlini wagner][closed form]") {
    for (const auto box : {box_treatment::change_of_variable, box_treatment::clipped, box_treatment::projected}) {
        INFO("box " << static_cast<int>(box));
        check_nearest(carlini_wagner_l2{.box = box, .learning_rate = .001, .binary_steps = 14, .steps = 1000, .initial_c = .1},
                      1.02, false, true);
    }
}

TEST_CASE("all seven objectives of C&W L2 find the boundary", "[attacks][carlini wagner][closed form]") {
    for (int f = 1; f <= 7; ++f) {
        INFO("f" << f);
        const double slack =
            f == 1 || f == 4 || f == 5 ? 1.35 : 1.05;  // these go on after the boundary, up to p = 1/2 or further
        const carlini_wagner_l2 attack{
            .loss = {static_cast<cw_objective>(f)}, .learning_rate = .002, .binary_steps = 14, .steps = 400, .initial_c = .1};
        check_nearest(attack, slack, false, true);
    }
}

TEST_CASE("C&W L2 has the same bits for any number of threads, batch size and order", "[attacks][carlini wagner][determinism]") {
    const testing::linear_program<lanes<float>> program(toy_shape, 3, random_weights(75));
    for (const auto box : {box_treatment::change_of_variable, box_treatment::clipped, box_treatment::projected})
        check_invariance(carlini_wagner_l2{.box = box, .binary_steps = 3, .steps = 25, .targets = target_rule::random}, program,
                         random_images(67, toy_shape));
}

TEST_CASE("an image's searches for c run side by side in idle lanes, and nothing it finds or counts changes",
          "[attacks][carlini wagner][determinism]") {
    // With c this far apart some images have their first success at every search, so some guesses are wrong.
    for (const double first : {1e-3, .3, 1e3}) {
        const carlini_wagner_l2 attack{.binary_steps = 9, .steps = 60, .initial_c = first};
        const auto x = random_images(3, toy_shape);
        const counting_model helped(toy_shape, random_weights(75)), alone(toy_shape, random_weights(75));
        const auto y = predicted(helped, x);
        helped.blocks = 0;
        const auto a = perturb(attack, helped, x, y);
        const auto b = perturb(attack, alone, x, y, {.max_forwards = 1'000'000});
        CHECK(same_bits(a.adversarial, b.adversarial));
        CHECK(a.success == b.success);
        CHECK(a.loss == b.loss);
        CHECK(a.forwards == b.forwards);
        CHECK(a.gradients == b.gradients);
        CHECK(alone.blocks >= *std::max_element(b.forwards.begin(), b.forwards.end()));
        CHECK(helped.blocks < alone.blocks * 2 / 3);
    }
}

TEST_CASE("a larger kappa gives a larger margin", "[attacks][carlini wagner]") {
    const auto model = toy_linear();
    const auto x = random_images(12, toy_shape);
    const auto y = predicted(model, x);
    worker_pool pool(1);
    double before = 0;
    for (const double kappa : {0., 1., 3.}) {
        const auto found =
            perturb(carlini_wagner_l2{.loss = {.kappa = kappa}, .binary_steps = 5, .steps = 200, .initial_c = .1}, model, x, y);
        CHECK(found.success_rate() == 1);
        const auto logits = predict(model, found.adversarial, pool).logits;
        double mean = 0;
        for (std::size_t i = 0; i < x.size(); ++i) {
            const auto label = static_cast<std::size_t>(y[i]);
            const float own = logits[3 * i + label],
                        other = std::max(logits[3 * i + (label + 1) % 3], logits[3 * i + (label + 2) % 3]);
            CHECK(static_cast<double>(other - own) >= kappa - 1e-4);
            mean += found.distances[i].l2;
        }
        CHECK(mean > before);
        before = mean;
    }
}

TEST_CASE("one image's early stop does not end another's search (torchattacks, foolbox C&W)", "[attacks][pitfalls]") {
    const auto model = toy_quadratic();
    const auto x = random_images(16, toy_shape);
    const auto y = predicted(model, x);
    const carlini_wagner_l2 attack{.binary_steps = 4, .steps = 200};
    const auto together = perturb(attack, model, x, y);
    std::vector<std::uint64_t> spent(together.forwards);
    std::sort(spent.begin(), spent.end());
    CHECK(spent.front() < spent.back());
    for (std::size_t i = 0; i < x.size(); ++i)
        CHECK(perturb(attack, model, x.slice(i, 1), {y[i]}).forwards[0] == together.forwards[i]);
}

TEST_CASE("C&W L2 without a success returns the clean image, not zeros (foolbox, the authors' code)", "[attacks][pitfalls]") {
    const auto x = random_images(5, toy_shape);
    const auto found = perturb(carlini_wagner_l2{.binary_steps = 2, .steps = 5}, constant_model{}, x, labels(5, 1));
    CHECK(same_bits(found.adversarial, x));
    for (const auto s : found.status) CHECK(s == attack_status::failed);
    CHECK(found.rejected == 0);
}

TEST_CASE("C&W L2 keeps the nearest success of all searches", "[attacks][carlini wagner]") {
    const auto model = toy_quadratic();
    const auto x = random_images(20, toy_shape);
    const auto y = predicted(model, x);
    std::vector<double> before(20, 1e9);
    for (const std::size_t searches : {2u, 4u, 8u}) {
        const auto found = perturb(carlini_wagner_l2{.binary_steps = searches, .steps = 50, .initial_c = 1}, model, x, y);
        for (std::size_t i = 0; i < 20; ++i) {
            CHECK(found.distances[i].l2 <= before[i] + 1e-6);
            before[i] = found.distances[i].l2;
        }
    }
}

TEST_CASE("C&W L2 names the settings that are out of range", "[attacks][carlini wagner][errors]") {
    const auto refused = [](const carlini_wagner_l2& a) { CHECK_THROWS_AS(a.validate("test"), invalid_argument); };
    refused({.learning_rate = 0});
    refused({.binary_steps = 0});
    refused({.steps = 0});
    refused({.initial_c = 0});
    refused({.initial_c = 2, .largest_c = 1});
    refused({.loss = {.kappa = -1}});
    CHECK(carlini_wagner_l2_table_iii.binary_steps == 20);
    CHECK(carlini_wagner_l2{}.steps == 10'000);
    CHECK(carlini_wagner_l2_cleverhans.learning_rate == 5e-3);
}
