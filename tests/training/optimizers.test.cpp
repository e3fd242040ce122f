#include "saddle/training/optimizers.hpp"
#include "saddle/core/random.hpp"

#include "support/catch.hpp"

namespace {

using namespace saddle;

plan two_parameters(std::size_t matrix, std::size_t vector) {
    plan p;
    p.add_tensor({1, 1, 1});
    p.add_parameter("weight", {matrix, 1}, 1);
    p.add_parameter("bias", {vector}, 1);
    return p;
}

template <class T, class O>
std::vector<T> run(const O& optimizer, std::vector<T> parameters, const std::vector<std::vector<T>>& gradients, double rate,
                   std::size_t threads = 1) {
    worker_pool pool(threads);
    auto state = optimizer.template start<T>(two_parameters(parameters.size(), 0));
    for (const auto& g : gradients) optimizer.update(state, std::span<T>(parameters), std::span<const T>(g), rate, pool);
    return parameters;
}

}  // namespace

TEST_CASE("plain sgd subtracts rate times gradient") {
    const auto p = run<double>(sgd{}, {1, 2}, {{.5, -1}}, .1);
    CHECK(p[0] == Approx(.95).epsilon(1e-15));
    CHECK(p[1] == Approx(2.1).epsilon(1e-15));
}

TEST_CASE("sgd momentum starts with the gradient and then decays") {
    // m: 1, then .9·1 + 2 = 2.9; p: 1 - .1·1 = .9, then .9 - .1·2.9 = .61
    CHECK(run<double>(sgd{.momentum = .9}, {1}, {{1}, {2}}, .1)[0] == Approx(.61).epsilon(1e-14));
}

TEST_CASE("sgd dampening spares the first gradient") {
    // m: 1, then .9·1 + (1 - .5)·2 = 1.9; p: .9, then .71
    CHECK(run<double>(sgd{.momentum = .9, .dampening = .5}, {1}, {{1}, {2}}, .1)[0] == Approx(.71).epsilon(1e-14));
}

TEST_CASE("sgd nesterov looks ahead") {
    // m 1: step 1 + .9·1 = 1.9, p .81; m 2.9: step 2 + .9·2.9 = 4.61, p .349
    CHECK(run<double>(sgd{.momentum = .9, .nesterov = true}, {1}, {{1}, {2}}, .1)[0] == Approx(.349).epsilon(1e-14));
}

TEST_CASE("sgd weight decay is part of the gradient that momentum sees") {
    // g 1 + .5·1 = 1.5, m 1.5, p .85; g 2 + .5·.85 = 2.425, m 1.35 + 2.425 = 3.775, p .4725
    CHECK(run<double>(sgd{.momentum = .9, .weight_decay = .5}, {1}, {{1}, {2}}, .1)[0] == Approx(.4725).epsilon(1e-14));
}

TEST_CASE("adam's first step has the size of the learning rate") {
    const auto p = run<double>(adam{.epsilon = 0}, {1, 1}, {{3, -1e-3}}, .01);
    CHECK(p[0] == Approx(.99).epsilon(1e-12));
    CHECK(p[1] == Approx(1.01).epsilon(1e-12));
}

TEST_CASE("adam follows its formula with bias correction, epsilon and weight decay") {
    const adam o{.beta1 = .8, .beta2 = .9, .epsilon = 1e-3, .weight_decay = .1};
    double p = .5, m = 0, v = 0;
    const std::vector<double> gradients{.3, -.7, .2};
    for (int t = 1; t <= 3; ++t) {
        const double g = gradients[static_cast<std::size_t>(t - 1)] + .1 * p;
        m = .8 * m + .2 * g;
        v = .9 * v + .1 * g * g;
        p -= .05 * (m / (1 - std::pow(.8, t))) / (std::sqrt(v / (1 - std::pow(.9, t))) + 1e-3);
    }
    CHECK(run<double>(o, {.5}, {{.3}, {-.7}, {.2}}, .05)[0] == Approx(p).epsilon(1e-12));
}

TEST_CASE("vectors are spared the weight decay only when asked for") {
    worker_pool pool(1);
    const auto p = two_parameters(1, 1);
    for (const bool all : {true, false}) {
        const sgd o{.weight_decay = .5, .decay_vectors = all};
        std::vector<double> values{1, 1};
        const std::vector<double> gradient{0, 0};
        auto state = o.start<double>(p);
        o.update(state, std::span<double>(values), std::span<const double>(gradient), .1, pool);
        CHECK(values[0] == Approx(.95));
        CHECK(values[1] == Approx(all ? .95 : 1.));
    }
}

TEMPLATE_TEST_CASE("an update has the same bits for any number of threads and in every position", "", float, double) {
    const std::size_t n = 70'001;
    std::vector<TestType> parameters(n), gradient(n);
    const random_stream draws({.seed = 3});
    for (std::size_t i = 0; i < n; ++i)
        parameters[i] = TestType(draws.uniform(0, i)) - TestType(.5), gradient[i] = TestType(draws.uniform(1, i)) - TestType(.5);
    const adam a{.weight_decay = .01};
    const sgd s{.momentum = .9, .weight_decay = .01, .nesterov = true};
    const auto once = run<TestType>(a, parameters, {gradient, gradient}, .1);
    const auto plain = run<TestType>(s, parameters, {gradient, gradient}, .1);
    for (const std::size_t threads : {2u, 3u}) {
        CHECK(run<TestType>(a, parameters, {gradient, gradient}, .1, threads) == once);
        CHECK(run<TestType>(s, parameters, {gradient, gradient}, .1, threads) == plain);
    }
    CHECK(run<TestType>(a, {parameters.back()}, {{gradient.back()}, {gradient.back()}}, .1)[0] == once.back());
    CHECK(run<TestType>(a, {parameters[5]}, {{gradient[5]}, {gradient[5]}}, .1)[0] == once[5]);
}

TEST_CASE("optimizers refuse constants outside their range") {
    const double nan = std::nan("");
    CHECK_THROWS_AS(sgd{.learning_rate = -1}.validate("test"), invalid_argument);
    CHECK_THROWS_AS(sgd{.learning_rate = nan}.validate("test"), invalid_argument);
    CHECK_THROWS_AS(sgd{.momentum = -.1}.validate("test"), invalid_argument);
    CHECK_THROWS_AS(sgd{.weight_decay = nan}.validate("test"), invalid_argument);
    CHECK_THROWS_AS(sgd{.nesterov = true}.validate("test"), invalid_argument);
    CHECK_THROWS_AS((sgd{.momentum = .9, .dampening = .1, .nesterov = true}.validate("test")), invalid_argument);
    CHECK_THROWS_AS(adam{.learning_rate = nan}.validate("test"), invalid_argument);
    CHECK_THROWS_AS(adam{.beta1 = 1}.validate("test"), invalid_argument);
    CHECK_THROWS_AS(adam{.beta2 = -.1}.validate("test"), invalid_argument);
    CHECK_THROWS_AS(adam{.epsilon = -1e-8}.validate("test"), invalid_argument);
    CHECK_NOTHROW(sgd{}.validate("test"));
    CHECK_NOTHROW(adam{}.validate("test"));
}
