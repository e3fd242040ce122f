#include "saddle/attacks/reparameterization.hpp"

#include "attacks/invariance.hpp"
#include "attacks/toy.hpp"
#include "saddle/attacks/pgd.hpp"
#include "saddle/losses/logit_margin.hpp"

using namespace saddle;

namespace {

/// Images made of 5 rows of one value each: w holds the rows.
struct rows_of_one_value {
    extents parameters() const { return {1, 5, 1}; }
    template <class T>
    void map(std::span<const T> w, std::span<T> x) const {
        for (std::size_t e = 0; e < 25; ++e) x[e] = w[e / 5];
    }
    template <class T>
    void pull_back(std::span<const T>, std::span<const T> dx, std::span<T> dw) const {
        for (std::size_t r = 0; r < 5; ++r) {
            dw[r] = 0;
            for (std::size_t c = 0; c < 5; ++c) dw[r] += dx[5 * r + c];
        }
    }
    template <class T>
    void start(std::span<const T> x, std::span<T> w) const {
        for (std::size_t r = 0; r < 5; ++r) {
            w[r] = 0;
            for (std::size_t c = 0; c < 5; ++c) w[r] += x[5 * r + c] / 5;
        }
    }
};

/// A defence that replaces each row by its mean before the model, and lets no gradient through.
struct purified {
    using value_type = float;
    static constexpr std::size_t classes = 3;
    static constexpr bool concurrent = true;
    testing::quadratic_model<3> inner = toy_quadratic();

    extents input() const { return toy_shape; }
    static images purify(const images& x) {
        images z(x.size(), x.each());
        float w[5];
        for (std::size_t i = 0; i < x.size(); ++i) {
            rows_of_one_value{}.start<float>(x[i], w);
            rows_of_one_value{}.map<float>(w, z[i]);
        }
        return z;
    }
    void logits(const images& x, std::span<float> z) const { inner.logits(purify(x), z); }
    void input_gradient(const images& x, std::span<const float> slopes, std::span<float> g) const {
        inner.input_gradient(purify(x), slopes, g);
        for (std::size_t i = 0; i < g.size(); ++i) g[i] *= 1e-30f * static_cast<float>(i % 2);  // masked
    }
};

/// The same with the gradient that h gets: the one at h(w), which the defence does not change.
struct seen_through : purified {
    void input_gradient(const images& x, std::span<const float> slopes, std::span<float> g) const {
        inner.input_gradient(x, slopes, g);
    }
};

}  // namespace

TEST_CASE("an attack through x = h(w) moves w and returns h(w)", "[attacks][reparameterization]") {
    const seen_through model;
    const auto x = random_images(30, toy_shape);
    const auto y = predicted(model, x);
    const auto inner = pgd<linf, logit_margin>(
        {.epsilon = .4, .step_size = .05, .steps = 20, .start = start_rule::none, .keep = keep_rule::best});
    const auto found = perturb(reparameterize(inner, rows_of_one_value{}), model, x, y);
    CHECK(found.success_rate() > .6);
    worker_pool pool(1);
    const auto after = predict(model, found.adversarial, pool).classes;
    for (std::size_t i = 0; i < 30; ++i) {
        CHECK(found.adversarial_predictions[i] == after[i]);
        CHECK(found.success[i] == (after[i] != y[i]));
        if (!found.success[i]) {
            CHECK(same_bits<float>(found.adversarial[i], x[i]));
            continue;
        }
        for (std::size_t e = 0; e < 25; ++e) CHECK(found.adversarial[i][e] == found.adversarial[i][e / 5 * 5]);
        CHECK(found.distances[i].linf > 0);
    }
    const auto near = perturb(reparameterize(inner, rows_of_one_value{}, .55), model, x, y);
    for (std::size_t i = 0; i < 30; ++i) CHECK(near.success[i] == (found.success[i] && found.distances[i].linf <= .55));
}

TEST_CASE("the gradient in w is h's transposed Jacobian of the gradient in x", "[attacks][reparameterization]") {
    const auto model = toy_linear();
    const plain_program program(model);
    const rows_of_one_value h;
    const detail::reparameterized_program<plain_program<testing::linear_model<3>>, rows_of_one_value> composed(program, h);
    auto session = composed.make_session();
    constexpr std::size_t lanes = lane_values<decltype(session)::vector>::size;
    lane_vector<float> w(5 * lanes, .5f), logits(3 * lanes), slopes(3 * lanes), gradient(5 * lanes);
    for (std::size_t l = 0; l < lanes; ++l) slopes[lanes + l] = 1;
    session.forward(w.data(), logits.data());
    session.backward(slopes.data(), gradient.data());
    for (std::size_t r = 0; r < 5; ++r) {
        float sum = 0;
        for (std::size_t c = 0; c < 5; ++c) sum += model.weights()[25 + 5 * r + c];
        for (std::size_t l = 0; l < lanes; ++l) CHECK(gradient[r * lanes + l] == Approx(sum));
    }
}

TEST_CASE("a reparameterised attack gives the same bits for any threads, batches and order",
          "[attacks][reparameterization][threads]") {
    check_invariance(reparameterize(pgd({.epsilon = .3, .steps = 4}), rows_of_one_value{}), toy_quadratic(),
                     random_images(20, toy_shape));
}
