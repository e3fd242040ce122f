#include "saddle/attacks/pgd.hpp"
#include "saddle/losses/label_smoothed.hpp"
#include "saddle/training/objectives/adversarial.hpp"
#include "saddle/training/objectives/mixed.hpp"
#include "training/small_training.hpp"

#include "support/catch.hpp"

using namespace saddle;
using namespace small_training;

namespace {

using plain = saddle::model<sequential<flatten, linear<3>>, shape<1, 3, 3>, backend::reference, double>;

/// Loss, accuracy and gradient of an objective on the first batch of a model, without an update.
template <class Model>
struct first_step {
    objective_result result;
    std::vector<typename Model::value_type> gradient;
    basic_images<typename Model::value_type> x;
    labels y;
};

template <class Model, class Objective>
first_step<Model> differentiate(Model& m, const Objective& objective, std::size_t epoch = 0, std::uint64_t seed = 3) {
    using value_type = typename Model::value_type;
    const auto d = data(16);
    training_batch<value_type> batch{basic_images<value_type>(16, d.x.each()), d.y, {}};
    std::copy(d.x.values().begin(), d.x.values().end(), batch.x.data());
    for (std::uint64_t i = 0; i < 16; ++i) batch.ids.push_back(100 + i);
    worker_pool pool(2);
    training_programs<Model> programs(m.structure(), pool);
    first_step<Model> step{{}, std::vector<value_type>(m.structure().parameter_count), batch.x, batch.y};
    const training_context<Model> context(m, programs, pool, batch, {epoch, 0, 1, 9}, seed, 1. / 16, step.gradient);
    no_state state;
    step.result = objective.differentiate(context, state);
    return step;
}

const auto weak = pgd({.epsilon = .1, .step_size = .025, .steps = 5});

}  // namespace

TEST_CASE("the natural gradient is that of the mean loss") {
    plain m(1);
    const auto loss_at = [&](std::size_t i, double change) {
        m.parameters()[i] += change;
        const double loss = differentiate(m, objectives::natural(label_smoothed{.alpha = .2})).result.loss / 16;
        m.parameters()[i] -= change;
        return loss;
    };
    const auto step = differentiate(m, objectives::natural(label_smoothed{.alpha = .2}));
    for (const std::size_t i : {0u, 5u, 13u, 26u, 27u, 29u})
        CHECK(step.gradient[i] == Approx((loss_at(i, 1e-5) - loss_at(i, -1e-5)) / 2e-5).epsilon(1e-7));
}

TEST_CASE("adversarial training differentiates the loss at the attacked images") {
    plain m(1);
    const auto step = differentiate(m, objectives::adversarial(weak));
    auto attack = weak;
    attack.seed += 3;
    std::vector<std::uint64_t> ids;
    for (std::uint64_t i = 0; i < 16; ++i) ids.push_back(100 + i);
    const auto attacked = perturb(attack, m, step.x, step.y, {.ids = ids});
    double loss = 0;
    std::vector<double> gradient(30);
    std::size_t correct = 0;
    for (std::size_t i = 0; i < 16; ++i) {
        double z[3], sum = 0;
        for (std::size_t k = 0; k < 3; ++k) {
            z[k] = m.parameters()[27 + k];
            for (std::size_t j = 0; j < 9; ++j) z[k] += m.parameters()[k * 9 + j] * attacked.adversarial[i][j];
            sum += std::exp(z[k]);
        }
        const auto y = static_cast<std::size_t>(step.y[i]);
        loss += std::log(sum) - z[y];
        correct += std::max_element(z, z + 3) == z + y;
        for (std::size_t k = 0; k < 3; ++k) {
            const double slope = (std::exp(z[k]) / sum - (k == y)) / 16;
            gradient[27 + k] += slope;
            for (std::size_t j = 0; j < 9; ++j) gradient[k * 9 + j] += slope * attacked.adversarial[i][j];
        }
    }
    CHECK(step.result.loss == Approx(loss).epsilon(1e-12));
    CHECK(step.result.correct == correct);
    for (std::size_t i = 0; i < 30; ++i) CHECK(step.gradient[i] == Approx(gradient[i]).epsilon(1e-10).margin(1e-14));
}

TEST_CASE("the attacked loss is above the clean one") {
    plain m(1);
    CHECK(differentiate(m, objectives::adversarial(weak)).result.loss >
          differentiate(m, objectives::natural(cross_entropy{})).result.loss);
}

TEST_CASE("the mixed objective is the weighted sum of its two parts") {
    plain m(1);
    const auto clean = differentiate(m, objectives::natural(cross_entropy{}));
    const auto attacked = differentiate(m, objectives::adversarial(weak));
    const auto mixed = differentiate(m, objectives::mixed(weak, .3));
    CHECK(mixed.result.loss == Approx(.3 * clean.result.loss + .7 * attacked.result.loss).epsilon(1e-12));
    CHECK(mixed.result.correct == attacked.result.correct);
    for (std::size_t i = 0; i < 30; ++i)
        CHECK(mixed.gradient[i] == Approx(.3 * clean.gradient[i] + .7 * attacked.gradient[i]).epsilon(1e-10).margin(1e-14));
}

TEST_CASE("random starts change with the epoch and the trainer's seed") {
    plain m(1);
    auto one_step = weak;
    one_step.steps = 1;
    const auto loss = [&](std::size_t epoch, std::uint64_t seed) {
        return differentiate(m, objectives::adversarial(one_step), epoch, seed).result.loss;
    };
    CHECK(loss(0, 3) == loss(0, 3));
    CHECK(loss(0, 3) != loss(1, 3));
    CHECK(loss(0, 3) != loss(0, 4));
}

TEST_CASE("the attack runs in evaluation mode and leaves the running statistics to the training pass") {
    small_training::model m(1), twice(1);
    differentiate(m, objectives::adversarial(weak));
    CHECK(m.buffers()[2 * 24] == 1);
    differentiate(twice, objectives::mixed(weak));
    CHECK(twice.buffers()[2 * 24] == 2);
}

TEST_CASE("objectives refuse what their attack, loss or share refuses") {
    auto broken = weak;
    broken.steps = 0;
    CHECK_THROWS_AS(objectives::adversarial(broken).validate("test"), invalid_argument);
    CHECK_THROWS_AS(objectives::mixed(broken).validate("test"), invalid_argument);
    CHECK_THROWS_AS(objectives::mixed(weak, 1.5).validate("test"), invalid_argument);
    CHECK_THROWS_AS(objectives::mixed(weak, std::nan("")).validate("test"), invalid_argument);
    CHECK_THROWS_AS(objectives::natural(label_smoothed{.alpha = 2}).validate("test"), invalid_argument);
    CHECK_NOTHROW(objectives::mixed(weak, 1).validate("test"));
}

TEST_CASE("adversarial training gives the same bits for any number of threads") {
    std::vector<float> once;
    for (const std::size_t threads : {1u, 2u, 5u}) {
        small_training::model m(1);
        auto s = settings;
        s.threads = threads;
        trainer(m, objectives::adversarial(weak), momentum, schedules::cyclic{}, s).fit(data());
        if (threads == 1) once = bits(m);
        CHECK(bits(m) == once);
    }
}
