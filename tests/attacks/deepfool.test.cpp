#include "saddle/attacks/deepfool.hpp"

#include "attacks/invariance.hpp"
#include "attacks/nearest.hpp"
#include "saddle/backend/cpu/cpu.hpp"
#include "saddle/nn/model.hpp"
#include "saddle/nn/networks/conv_small.hpp"

using namespace saddle;

namespace {

/// The authors' deepfool.py for one image of a linear or quadratic model, in double; clipped as here.
template <class M>
std::pair<std::vector<double>, std::size_t> reference_deepfool(const M& model, std::span<const double> x,
                                                               const deepfool<l2>& settings) {
    const std::size_t n = x.size();
    basic_images<double> z(1, model.input());
    std::copy(x.begin(), x.end(), z[0].begin());
    std::vector<double> total(n), gradient(n), chosen(n);
    std::array<double, 3> logits, slopes;
    const auto ask = [&] {
        model.logits(z, logits);
        return static_cast<std::size_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
    };
    const std::size_t label = ask();
    std::size_t step = 0;
    for (; ask() == label && step < settings.steps; ++step) {
        double nearest = 1e300;
        for (std::size_t k = 0; k < 3; ++k) {
            if (k == label) continue;
            slopes = {};
            slopes[k] = 1, slopes[label] = -1;
            model.input_gradient(z, slopes, gradient);
            double norm = 0;
            for (const double g : gradient) norm += g * g;
            const double distance = std::abs(logits[k] - logits[label]) / std::sqrt(norm);
            if (distance < nearest) nearest = distance, chosen = gradient;
        }
        double norm = 0;
        for (const double g : chosen) norm += g * g;
        for (std::size_t e = 0; e < n; ++e) {
            total[e] += (nearest + settings.margin) * chosen[e] / std::sqrt(norm);
            z[0][e] = std::clamp(x[e] + (1 + settings.overshoot) * total[e], 0., 1.);
        }
    }
    return {{z[0].begin(), z[0].end()}, step};
}

}  // namespace

TEST_CASE("DeepFool takes the steps of the authors' code", "[attacks][deepfool][reference]") {
    auto centres = random_weights<double>(75, 9);
    for (auto& c : centres) c = .5 + .3 * c;
    const testing::quadratic_model<3, double> quadratic(toy_shape, centres, 2.);
    const testing::linear_model<3, double> linear(toy_shape, random_weights<double>(75));
    const auto x = random_images<double>(10, toy_shape);
    const auto check = [&](const auto& model, const deepfool<l2>& attack) {
        const auto found = perturb(attack, model, x, predicted(model, x));
        for (std::size_t i = 0; i < x.size(); ++i) {
            const auto [expected, steps] = reference_deepfool(model, x[i], attack);
            CHECK(found.success[i] == 1);
            CHECK(found.gradients[i] == 2 * steps);
            for (std::size_t e = 0; e < expected.size(); ++e) CHECK(found.adversarial[i][e] == Approx(expected[e]).margin(1e-9));
        }
    };
    check(linear, {});
    check(quadratic, {});
    check(quadratic, {.overshoot = .5, .margin = 1e-2});
}

TEST_CASE("DeepFool reaches the boundary of a linear model in one step", "[attacks][deepfool][closed form]") {
    check_nearest(deepfool<l2>{.margin = 1e-6}, 1.0201);
    check_nearest(deepfool<linf>{.margin = 1e-6}, 1.0201, true);
    const auto model = toy_linear();
    const auto x = central_images(10);
    const auto found = perturb(deepfool<l2>{}, model, x, predicted(model, x));
    for (std::size_t i = 0; i < x.size(); ++i) {
        CHECK(found.forwards[i] == 2);
        CHECK(found.gradients[i] == 2);
    }
}

TEST_CASE("DeepFool's results survive re-evaluation; on the boundary they do not (torchattacks)",
          "[attacks][deepfool][pitfalls]") {
    const auto model = toy_linear();
    const auto x = central_images(200);
    const auto y = predicted(model, x);
    const auto found = perturb(deepfool<l2>{}, model, x, y);
    CHECK(found.success_rate() == 1);
    CHECK(found.rejected == 0);
    const auto again = predicted(model, found.adversarial);
    for (std::size_t i = 0; i < x.size(); ++i) CHECK(again[i] != y[i]);
    const auto stopping = perturb(deepfool<l2>{.steps = 1, .overshoot = 0, .margin = 0}, model, x, y);
    CHECK(stopping.success_rate() < .9);
    for (std::size_t i = 0; i < x.size(); ++i) CHECK(stopping.success[i] == (stopping.adversarial_predictions[i] != y[i]));
}

TEST_CASE("DeepFool looks at the classes of the largest clean logits", "[attacks][deepfool]") {
    const auto model = toy_linear();
    const auto x = central_images(30);
    const auto y = predicted(model, x);
    const auto two = perturb(deepfool<l2>{.candidates = 2}, model, x, y),
               all = perturb(deepfool<l2>{.candidates = 0}, model, x, y);
    for (std::size_t i = 0; i < x.size(); ++i) {
        CHECK(two.gradients[i] <= two.forwards[i]);
        CHECK(all.distances[i].l2 <= two.distances[i].l2 * (1 + 1e-4));
        const double strongest =
            boundary_distance(model.weights(), std::vector<float>(3), x[i], static_cast<std::size_t>(y[i]), false, true);
        CHECK(two.distances[i].l2 == Approx(1.02 * (strongest + 1e-4)).epsilon(.01));
    }
}

TEST_CASE("DeepFool follows gradients of 1e-30", "[attacks][deepfool][pitfalls]") {
    auto weights = random_weights(75);
    for (auto& w : weights) w *= 1e-30f;
    const testing::linear_model<3> model(toy_shape, weights);
    const auto x = central_images(10);
    CHECK(perturb(deepfool<l2>{}, model, x, predicted(model, x)).success_rate() == 1);
    CHECK(perturb(deepfool<linf>{}, model, x, predicted(model, x)).success_rate() == 1);
}

TEST_CASE("DeepFool without a gradient ends and returns the clean image", "[attacks][deepfool]") {
    const auto x = random_images(3, toy_shape);
    const auto found = perturb(deepfool<l2>{}, constant_model{}, x, labels(3, 1));
    CHECK(same_bits(found.adversarial, x));
    CHECK(found.status[0] == attack_status::failed);
    CHECK(found.gradients[0] == 2);
}

TEST_CASE("DeepFool has the same bits for any number of threads, batch size and order", "[attacks][deepfool][determinism]") {
    const model<networks::conv_small<>, shape<1, 28, 28>, backend::cpu> network(3);
    const auto program = prepare(network);
    check_invariance(deepfool<l2>{.steps = 5, .candidates = 4}, program, random_images(37, {1, 28, 28}));
    check_invariance(deepfool<linf>{.steps = 5}, toy_quadratic(), random_images(67, toy_shape));
}

TEST_CASE("a session's backward passes after one forward pass are independent", "[attacks][deepfool][network]") {
    const model<networks::conv_small<>, shape<1, 28, 28>, backend::cpu> network(3);
    const auto program = prepare(network);
    auto once = program.make_session(), often = program.make_session();
    constexpr std::size_t lanes = lane_count<float>;
    const auto images = random_images(lanes, {1, 28, 28});
    lane_vector<float> x(784 * lanes), z(10 * lanes), slopes(10 * lanes), first(784 * lanes), second(784 * lanes);
    load_block(images, 0, lanes, lanes, x.data());
    often.forward(x.data(), z.data());
    for (std::size_t k = 0; k < 10; ++k) {
        std::fill(slopes.begin(), slopes.end(), 0.f);
        for (std::size_t l = 0; l < lanes; ++l) slopes[k * lanes + l] = 1;
        often.backward(slopes.data(), first.data());
        once.forward(x.data(), z.data());
        once.backward(slopes.data(), second.data());
        CHECK(same_bits<float>(first, second));
    }
}

TEST_CASE("DeepFool never spends more gradients than it may", "[attacks][deepfool][budget]") {
    const auto model = toy_quadratic();
    const auto x = random_images(20, toy_shape);
    const auto found = perturb(deepfool<l2>{.overshoot = 0, .margin = 0}, model, x, predicted(model, x), {.max_gradients = 5});
    for (const auto n : found.gradients) CHECK(n <= 4);
}

TEST_CASE("DeepFool names the settings that are out of range", "[attacks][deepfool][errors]") {
    const auto refused = [](const deepfool<l2>& a) { CHECK_THROWS_AS(a.validate("test"), invalid_argument); };
    refused({.steps = 0});
    refused({.candidates = 1});
    refused({.overshoot = -1});
    refused({.margin = 2});
}
