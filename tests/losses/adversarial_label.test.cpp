#include "saddle/losses/adversarial_label.hpp"

#include "saddle/core/random.hpp"
#include "support/catch.hpp"

#include <numeric>

using namespace saddle;

namespace {

std::vector<double> random_logits(std::size_t images, std::size_t classes) {
    const random_stream draws({.seed = 3});
    std::vector<double> z(images * classes);
    for (std::size_t i = 0; i < z.size(); ++i) z[i] = 3 * normal(draws, 0, i);
    return z;
}
std::vector<double> labels_of(const std::vector<double>& z, const labels& y, std::size_t classes,
                              const adversarial_label_settings& s) {
    return adversarial_labels(std::span<const double>(z), y, classes, s);
}

}  // namespace

TEST_CASE("adversarial labels sum to 1 and give the least likely classes most", "[losses][adversarial label]") {
    const auto z = random_logits(20, 10);
    labels y(20);
    for (std::size_t i = 0; i < 20; ++i) y[i] = static_cast<std::int32_t>(i % 10);
    const auto soft = labels_of(z, y, 10, {.budget = .4});
    for (std::size_t i = 0; i < 20; ++i) {
        CHECK(std::accumulate(soft.begin() + static_cast<std::ptrdiff_t>(10 * i),
                              soft.begin() + static_cast<std::ptrdiff_t>(10 * i + 10), 0.) == Approx(1));
        CHECK(soft[10 * i + i % 10] == Approx(.6));
        for (std::size_t a = 0; a < 10; ++a)
            for (std::size_t b = 0; b < 10; ++b)
                if (a != i % 10 && b != i % 10 && z[10 * i + a] < z[10 * i + b]) CHECK(soft[10 * i + a] >= soft[10 * i + b]);
    }
}

TEST_CASE("the closed form is that of the paper", "[losses][adversarial label][closed form]") {
    const std::vector<double> z{2, 1, -1};
    const double sum = std::exp(2.) + std::exp(1.) + std::exp(-1.), v1 = -std::log(std::exp(1.) / sum + 1e-8),
                 v2 = -std::log(std::exp(-1.) / sum + 1e-8), mean = (v1 + v2) / 2;
    const auto soft = labels_of(z, {0}, 3, {.budget = .5, .gamma = .01});
    CHECK(soft[0] == Approx(.5));
    CHECK(soft[1] == Approx(.5 / 2 * .01 / (mean - v1 + .01)));
    CHECK(soft[2] == Approx(.5 / 2 * (v2 - v1 + .01) / (mean - v1 + .01)));
}

TEST_CASE("a ratio is met exactly, and its budget lies between its limits", "[losses][adversarial label]") {
    const auto z = random_logits(20, 10);
    const labels y(20, 4);
    for (const double beta : {1., 9., 100.}) {
        const auto soft = labels_of(z, y, 10, {.ratio = beta});
        for (std::size_t i = 0; i < 20; ++i) {
            double most = 0;
            for (std::size_t k = 0; k < 10; ++k)
                if (k != 4) most = std::max(most, soft[10 * i + k]);
            CHECK(soft[10 * i + 4] / most == Approx(beta));
            CHECK(1 - soft[10 * i + 4] > 1 / (1 + beta));
            CHECK(1 - soft[10 * i + 4] <= 1 / (1 + beta / 9) + 1e-12);
        }
    }
}

TEST_CASE("equal costs give label smoothing, with the paper's pairs of budget and ratio", "[losses][adversarial label]") {
    std::vector<double> z(10, 0.);
    z[2] = 5;
    for (const auto& [budget, beta] : {std::pair(.1, 81.), std::pair(.5, 9.), std::pair(.9, 1.)}) {
        const auto by_budget = labels_of(z, {2}, 10, {.budget = budget}), by_ratio = labels_of(z, {2}, 10, {.ratio = beta});
        for (std::size_t k = 0; k < 10; ++k) {
            CHECK(by_budget[k] == Approx(k == 2 ? 1 - budget : budget / 9));
            CHECK(by_ratio[k] == Approx(by_budget[k]));
        }
    }
}

TEST_CASE("adversarial labels refuse what they cannot use", "[losses][adversarial label][errors]") {
    const std::vector<double> z{1, 2, 3};
    CHECK_THROWS_AS(labels_of(z, {0}, 3, {.budget = 1}), invalid_argument);
    CHECK_THROWS_AS(labels_of(z, {0}, 3, {.ratio = -1}), invalid_argument);
    CHECK_THROWS_AS(labels_of(z, {0}, 3, {.gamma = 0}), invalid_argument);
    CHECK_THROWS_AS(labels_of(z, {0, 1}, 3, {}), shape_error);
    CHECK_THROWS_AS(labels_of(z, {3}, 3, {}), data_error);
    CHECK_THROWS_AS(labels_of({1, std::nan(""), 0}, {0}, 3, {}), numeric_error);
}
