#include "saddle/attacks/perturb.hpp"

#include "attacks/invariance.hpp"
#include "saddle/attacks/fgsm.hpp"
#include "saddle/attacks/mifgsm.hpp"
#include "saddle/attacks/pgd.hpp"
#include "saddle/losses/kl_divergence.hpp"
#include "saddle/projections/l1.hpp"
#include "saddle/projections/l2.hpp"
#include "support/catch.hpp"

using namespace saddle;

TEST_CASE("the same bits for any number of threads, batch size and order", "[attacks][determinism]") {
    const testing::linear_program<lanes<float>> program(toy_shape, 3, random_weights(75));
    const auto quadratic = toy_quadratic();
    auto everything = pgd({.epsilon = .1,
                           .step_size = .03,
                           .steps = 6,
                           .restarts = 3,
                           .targets = target_rule::random,
                           .keep = keep_rule::best,
                           .early_stop = true,
                           .seed = 5});
    everything.momentum = .9;
    const auto x = random_images(67, toy_shape);
    check_invariance(everything, program, x);
    check_invariance(everything, quadratic, x);
    check_invariance(pgd<l2>({.epsilon = .5, .step_size = .2, .steps = 6, .keep = keep_rule::first_success}), quadratic, x);
    check_invariance(pgd<l1>({.epsilon = 2, .step_size = .5, .steps = 6, .targets = target_rule::least_likely}), program, x);
    check_invariance(pgd({.epsilon = .1, .steps = 4, .start = start_rule::gaussian}, kl_divergence{}), quadratic, x);
}

TEST_CASE("plain numbers serve as a block of one lane", "[attacks]") {
    const testing::linear_program<float> narrow(toy_shape, 3, random_weights(75));
    const auto x = random_images(9, toy_shape);
    const auto attack = pgd({.epsilon = .1, .steps = 5});
    const auto result = perturb(attack, narrow, x, predicted(narrow, x));
    CHECK(verify_in_threat(x, result.adversarial, attack.projection).ok());
    CHECK(result.success_rate() > 0);
}

TEST_CASE("double precision attacks work the same way", "[attacks]") {
    const testing::linear_model<3, double> model(toy_shape, random_weights<double>(75));
    const auto x = random_images<double>(21, toy_shape);
    const auto attack = pgd<l2>({.epsilon = .6, .step_size = .2, .steps = 10});
    const auto result = perturb(attack, model, x, predicted(model, x));
    CHECK(verify_in_threat(x, result.adversarial, attack.projection).ok());
    CHECK(result.success_rate() > .3);
}

TEST_CASE("the result's fields agree with each other and with a fresh prediction", "[attacks]") {
    const auto model = toy_quadratic();
    const auto x = random_images(50, toy_shape);
    labels y = predicted(model, x);
    y[3] = (y[3] + 1) % 3;
    const auto result = perturb(pgd({.epsilon = .05, .step_size = .01, .steps = 8}), model, x, y);
    CHECK(result.adversarial_predictions == predicted(model, result.adversarial));
    CHECK(result.clean_predictions == predicted(model, x));
    CHECK(result.clean_predictions[3] != y[3]);
    std::size_t succeeded = 0;
    for (std::size_t i = 0; i < 50; ++i) {
        CHECK((result.adversarial_predictions[i] != y[i]) == (result.success[i] == 1));
        CHECK((result.status[i] == attack_status::succeeded) == (result.success[i] == 1));
        succeeded += result.success[i];
    }
    CHECK(result.success_rate() == Approx(static_cast<double>(succeeded) / 50));
    CHECK(succeeded > 5);
    CHECK(succeeded < 50);
    CHECK(result.gradient_calls == 50 * 8);
    CHECK(result.forward_calls == 50 * 10);  // clean, 8 iterates, the last
}

TEST_CASE("failed images keep their perturbation, not zeros or noise (foolbox C&W)", "[attacks][pitfalls]") {
    const auto model = toy_linear();
    const auto x = random_images(30, toy_shape);
    const auto result =
        perturb(pgd({.epsilon = .001, .step_size = .001, .keep = keep_rule::best}), model, x, predicted(model, x));
    std::size_t failed = 0;
    for (std::size_t i = 0; i < 30; ++i)
        if (result.status[i] == attack_status::failed) ++failed;
    CHECK(failed > 20);
    CHECK(verify_in_threat(x, result.adversarial, linf{.001}).ok());
    CHECK_FALSE(same_bits(result.adversarial, x));
}

TEST_CASE("NaN logits are reported, never a success, and stay in their lane", "[attacks][pitfalls]") {
    const auto inner = toy_quadratic();
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
        const partly_broken<testing::quadratic_model<3>> model{&inner, bad};
        auto x = random_images(20, toy_shape);
        for (std::size_t i = 0; i < 20; ++i) x[i][0] = i == 4 ? 1.f : .2f;
        const auto y = predicted(inner, x);
        for (const auto keep : {keep_rule::last, keep_rule::best, keep_rule::first_success}) {
            const auto attack = pgd<l2>({.epsilon = .1, .step_size = .05, .steps = 4, .start = start_rule::none, .keep = keep});
            const auto result = perturb(attack, model, x, y), sound = perturb(attack, inner, x, y);
            CHECK(result.success[4] == 0);
            CHECK(result.status[4] == attack_status::not_finite);
            CHECK(result.adversarial_predictions[4] == -1);
            CHECK(verify_in_threat(x, result.adversarial, attack.projection).ok());
            for (std::size_t i = 0; i < 20; ++i)
                if (i != 4) CHECK(same_bits<float>(result.adversarial[i], sound.adversarial[i]));
        }
    }
}

TEST_CASE("examples_only returns the same images with fewer forward passes", "[attacks]") {
    const auto model = toy_quadratic();
    const auto x = random_images(20, toy_shape);
    const auto y = predicted(model, x);
    const auto attack = pgd({.epsilon = .1, .steps = 5});
    const auto full = perturb(attack, model, x, y), lean = perturb(attack, model, x, y, {.examples_only = true});
    CHECK(same_bits(full.adversarial, lean.adversarial));
    CHECK(lean.forward_calls == 20 * 5);
    CHECK(lean.success.empty());
    auto best = attack;
    best.keep = keep_rule::best;
    CHECK(same_bits(perturb(best, model, x, y).adversarial, perturb(best, model, x, y, {.examples_only = true}).adversarial));
}

TEST_CASE("every epoch has its own random starts", "[attacks][random]") {
    const auto x = random_images(5, toy_shape);
    const labels y(5, 1);
    const auto attack = pgd({.epsilon = .1, .step_size = 1e-9, .steps = 1});
    const auto first = perturb(attack, constant_model{}, x, y, {.epoch = 1}),
               again = perturb(attack, constant_model{}, x, y, {.epoch = 1});
    CHECK(same_bits(first.adversarial, again.adversarial));
    CHECK_FALSE(same_bits(first.adversarial, perturb(attack, constant_model{}, x, y, {.epoch = 2}).adversarial));
    auto reseeded = attack;
    reseeded.seed = 1;
    CHECK_FALSE(same_bits(first.adversarial, perturb(reseeded, constant_model{}, x, y, {.epoch = 1}).adversarial));
}

TEST_CASE("progress counts every image once, and a stop request ends the attack", "[attacks]") {
    const auto model = toy_linear();
    const auto x = random_images(100, toy_shape);
    const auto y = predicted(model, x);
    std::vector<std::size_t> reports;
    worker_pool pool(3);
    perturb(fgsm(), model, x, y, pool, {.progress = [&](std::size_t done, std::size_t total) {
                CHECK(total == 100);
                reports.push_back(done);
            }});
    CHECK(reports.back() == 100);
    CHECK(std::is_sorted(reports.begin(), reports.end()));
    const std::atomic<bool> stop = true;
    CHECK_THROWS_AS(perturb(fgsm(), model, x, y, pool, {.stop = &stop}), interrupted);
}

TEST_CASE("bad images, labels and settings get one clear error each", "[attacks][errors]") {
    const auto model = toy_linear();
    const auto x = random_images(4, toy_shape);
    const labels y(4, 0);
    const auto attack = fgsm();
    auto broken = x;
    broken[2][7] = std::numeric_limits<float>::quiet_NaN();
    CHECK_THROWS_WITH(perturb(attack, model, broken, y), Catch::Contains("image 2, element 7"));
    broken[2][7] = 1.5f;
    CHECK_THROWS_AS(perturb(attack, model, broken, y), data_error);
    CHECK_THROWS_AS(perturb(attack, model, images(0, toy_shape), labels{}), data_error);
    CHECK_THROWS_AS(perturb(attack, model, images(4, {1, 4, 5}), y), shape_error);
    CHECK_THROWS_AS(perturb(attack, model, x, labels(3, 0)), shape_error);
    CHECK_THROWS_AS(perturb(attack, model, x, labels{0, 1, 2, 3}), data_error);
    CHECK_THROWS_AS(perturb(fgsm({.epsilon = -1}), model, x, y), invalid_argument);
    const std::vector<std::uint64_t> ids(3);
    CHECK_THROWS_AS(perturb(attack, model, x, y, {.ids = ids}), shape_error);
    const std::vector<double> radii{.1, .1, -.1, .1}, sizes{.1, .1, 0, .1};
    CHECK_THROWS_AS(perturb(attack, model, x, y, {.epsilons = radii}), invalid_argument);
    CHECK_THROWS_AS(perturb(attack, model, x, y, {.step_sizes = sizes}), invalid_argument);
    const std::vector<double> of_255{.1, 8, .1, .1};
    CHECK_THROWS_WITH(perturb(attack, model, x, y, {.epsilons = of_255}), Catch::Contains("8 of 255 is 8. / 255"));
    const labels targets{0, 1, 2, 7};
    CHECK_THROWS_AS(perturb(fgsm({.targets = target_rule::given}), model, x, y), shape_error);
    CHECK_THROWS_AS(perturb(fgsm({.targets = target_rule::given}), model, x, y, {.targets = targets}), data_error);
    CHECK_THROWS_AS(perturb(attack, model, x, y, {.targets = targets}), invalid_argument);
    const labels own{1, 2, 0, 1};
    CHECK_THROWS_WITH(perturb(fgsm({.targets = target_rule::given}), model, x, y, {.targets = own}),
                      Catch::Contains("target of image 2; expected another class than its label, found 0"));
}
