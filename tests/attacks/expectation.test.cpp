#include "saddle/attacks/expectation.hpp"

#include "attacks/invariance.hpp"
#include "attacks/toy.hpp"
#include "saddle/attacks/apgd.hpp"
#include "saddle/attacks/pgd.hpp"
#include "saddle/losses/logit_margin.hpp"

using namespace saddle;

namespace {

/// A linear model of two classes whose weights are hidden in noise of its own: z_1 - z_0 = <w + 4 n, x> + b, n ~ N(0,I) for every
/// example and draw, the same for all elements of a pair of images with the same id and draw.
struct noisy_model {
    using value_type = float;
    static constexpr std::size_t classes = 2;
    static constexpr bool concurrent = true;
    std::vector<float> w = random_weights(25, 6);
    float bias = -100;

    extents input() const { return toy_shape; }
    float weight(std::size_t e, std::uint64_t id, std::uint64_t draw) const {
        return w[e] + 4 * static_cast<float>(normal(random_stream({.seed = draw, .purpose = purpose::noise}), id, e));
    }
    void logits(const images& x, std::span<float> z, std::span<const std::uint64_t> ids = {},
                std::span<const std::uint64_t> draws = {}) const {
        for (std::size_t i = 0; i < x.size(); ++i) {
            z[2 * i] = 0;
            z[2 * i + 1] = bias;
            for (std::size_t e = 0; e < 25; ++e)
                z[2 * i + 1] += weight(e, ids.empty() ? 0 : ids[i], draws.empty() ? 0 : draws[i]) * x[i][e];
        }
    }
    void input_gradient(const images& x, std::span<const float> slopes, std::span<float> gradient,
                        std::span<const std::uint64_t> ids = {}, std::span<const std::uint64_t> draws = {}) const {
        for (std::size_t i = 0; i < x.size(); ++i)
            for (std::size_t e = 0; e < 25; ++e)
                gradient[25 * i + e] = slopes[2 * i + 1] * weight(e, ids.empty() ? 0 : ids[i], draws.empty() ? 0 : draws[i]);
    }
};
static_assert(RandomizedPlainModel<noisy_model> && DifferentiableModel<noisy_model>);

/// Share of elements that one step moved along the sign of the hidden weights.
template <class A>
double agreement(const A& attack, const noisy_model& model) {
    images x(20, toy_shape);
    std::fill(x.values().begin(), x.values().end(), .5f);
    const auto found = perturb(attack, model, x, labels(20, 0));
    double right = 0;
    for (std::size_t i = 0; i < 20; ++i)
        for (std::size_t e = 0; e < 25; ++e) right += (found.adversarial[i][e] - .5f) * model.w[e] > 0;
    return right / 500;
}

}  // namespace

TEST_CASE("the mean gradient over the model's randomness finds what one draw hides", "[attacks][eot]") {
    const noisy_model model;
    const auto one = pgd<linf, logit_margin>({.epsilon = .1, .step_size = .1, .steps = 1, .start = start_rule::none});
    CHECK(agreement(one, model) < .7);
    CHECK(agreement(with_source(one, expectation{.samples = 400}), model) > .9);
    CHECK(agreement(apgd<linf, logit_margin>({.epsilon = .1, .steps = 1, .samples = 400, .keep = keep_rule::last}), model) > .9);
}

TEST_CASE("EOT counts every draw's pass and gradient, and keeps to its budgets", "[attacks][eot]") {
    const noisy_model model;
    const auto x = random_images(5, toy_shape);
    const auto attack = with_source(pgd({.epsilon = .1, .steps = 3, .start = start_rule::none}), expectation{.samples = 7});
    const auto found = perturb(attack, model, x, labels(5, 0));
    for (std::size_t i = 0; i < 5; ++i) {
        CHECK(found.gradients[i] == 21);
        CHECK(found.forwards[i] == 4 + 21);
    }
    const auto brief = perturb(attack, model, x, labels(5, 0), {.max_gradients = 15});
    for (std::size_t i = 0; i < 5; ++i) CHECK(brief.gradients[i] == 14);
}

TEST_CASE("EOT of a model without randomness is its plain gradient", "[attacks][eot]") {
    const auto model = toy_quadratic();
    const auto x = random_images(20, toy_shape);
    const auto y = predicted(model, x);
    const auto plain = pgd({.epsilon = .05, .step_size = .01, .steps = 5});
    CHECK(same_bits(perturb(plain, model, x, y).adversarial,
                    perturb(with_source(plain, expectation{.samples = 2}), model, x, y).adversarial));
}

TEST_CASE("a randomised model draws by example and pass: the same bits for any threads, batches and order",
          "[attacks][eot][threads]") {
    const noisy_model model;
    const auto x = random_images(20, toy_shape);
    check_invariance(pgd({.epsilon = .1, .steps = 4, .keep = keep_rule::best}), model, x);
    check_invariance(with_source(pgd({.epsilon = .1, .steps = 2, .restarts = 2}), expectation{.samples = 3}), model, x);
}

TEST_CASE("predictions of a randomised model are one draw, and other draws differ", "[attacks][eot]") {
    const noisy_model model;
    const auto x = random_images(50, toy_shape);
    worker_pool pool(2);
    const auto first = predict(model, x, pool), again = predict(model, x, pool), other = predict(model, x, pool, {.draw = 1});
    CHECK(same_bits<float>(first.logits, again.logits));
    CHECK_FALSE(same_bits<float>(first.logits, other.logits));
}

TEST_CASE("EOT refuses no samples", "[attacks][eot][errors]") {
    CHECK_THROWS_AS(with_source(pgd(), expectation{.samples = 0}).validate("test"), invalid_argument);
}
