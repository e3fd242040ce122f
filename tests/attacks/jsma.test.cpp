#include "saddle/attacks/jsma.hpp"

#include "attacks/invariance.hpp"
#include "attacks/nearest.hpp"

using namespace saddle;

namespace {

/// JSMA as it is defined, one image, all pairs tried, the whole Jacobian, in double.
struct reference_jsma {
    std::vector<double> z;
    std::size_t pairs = 0;
    bool success = false;

    reference_jsma(const testing::quadratic_model<3, double>& model, std::span<const double> x, std::size_t t,
                   const jsma& settings)
        : z(x.begin(), x.end()) {
        const std::size_t n = z.size(), rounds = static_cast<std::size_t>(settings.gamma * static_cast<double>(n) / 2);
        std::vector<bool> domain(n);
        for (std::size_t e = 0; e < n; ++e) domain[e] = settings.theta > 0 ? z[e] < .99 : z[e] > .01;
        basic_images<double> at(1, model.input());
        for (;; ++pairs) {
            std::copy(z.begin(), z.end(), at[0].begin());
            std::array<double, 3> logits, slopes;
            model.logits(at, logits);
            success = static_cast<std::size_t>(std::max_element(logits.begin(), logits.end()) - logits.begin()) == t;
            if (success || pairs == rounds) return;
            double sum = 0;
            std::array<double, 3> p;
            for (std::size_t k = 0; k < 3; ++k) sum += p[k] = std::exp(logits[k] - logits[t]);
            std::vector<std::vector<double>> jacobian(3, std::vector<double>(n));
            for (std::size_t k = 0; k < 3; ++k) {
                for (std::size_t c = 0; c < 3; ++c)
                    slopes[c] = settings.kind == jsma_kind::logits ? c == k : p[k] / sum * ((c == k) - p[c] / sum);
                model.input_gradient(at, slopes, jacobian[k]);
            }
            double best = 0;
            std::size_t first = n, second = n;
            for (std::size_t i = 0; i < n; ++i)
                for (std::size_t j = i + 1; j < n; ++j) {
                    if (!domain[i] || !domain[j]) continue;
                    const double alpha = jacobian[t][i] + jacobian[t][j];
                    double beta = 0;
                    for (std::size_t k = 0; k < 3; ++k)
                        if (k != t) beta += jacobian[k][i] + jacobian[k][j];
                    const bool qualifies = settings.theta > 0 ? alpha > 0 && beta < 0 : alpha < 0 && beta > 0;
                    if (qualifies && -alpha * beta > best) best = -alpha * beta, first = i, second = j;
                }
            if (first == n) return;
            for (const std::size_t e : {first, second}) {
                z[e] = std::clamp(z[e] + settings.theta, 0., 1.);
                domain[e] = false;
            }
        }
    }
};

testing::quadratic_model<3, double> double_quadratic() {
    auto centres = random_weights<double>(75, 9);
    for (auto& c : centres) c = .5 + .3 * c;
    return {toy_shape, centres, 2.};
}

}  // namespace

TEST_CASE("JSMA changes the pairs of the definition, in the definition's order", "[attacks][jsma][reference]") {
    const auto model = double_quadratic();
    const auto x = random_images<double>(25, toy_shape);
    const auto y = predicted(model, x);
    for (const auto kind : {jsma_kind::logits, jsma_kind::probabilities})
        for (const double theta : {1., -1., .4}) {
            INFO("theta " << theta);
            const jsma attack{.kind = kind, .theta = theta, .gamma = .8};
            const auto found = perturb(attack, model, x, y);
            std::size_t successes = 0;
            for (std::size_t i = 0; i < x.size(); ++i) {
                const reference_jsma expected(model, x[i], static_cast<std::size_t>((y[i] + 1) % 3), attack);
                CHECK(found.success[i] == expected.success);
                successes += found.success[i];
                if (!expected.success) continue;
                CHECK(found.gradients[i] == expected.pairs * (kind == jsma_kind::logits ? 2 : 1));
                CHECK(std::equal(expected.z.begin(), expected.z.end(), found.adversarial[i].begin()));
            }
            if (theta < 1) continue;
            CHECK(successes > 3);
        }
}

TEST_CASE("JSMA changes at most gamma of the elements, each once, none that is saturated", "[attacks][jsma]") {
    const auto model = toy_quadratic();
    auto x = random_images(40, toy_shape);
    for (std::size_t i = 0; i < x.size(); ++i) x[i][3] = .995f;
    const auto y = predicted(model, x);
    const auto found = perturb(jsma{.gamma = .4}, model, x, y);
    std::size_t successes = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
        CHECK(found.distances[i].l0 <= 10);
        CHECK(found.gradients[i] <= 10);
        CHECK(found.adversarial[i][3] == .995f);
        CHECK(found.targets[i] == (y[i] + 1) % 3);
        if (found.success[i])
            ++successes;
        else
            CHECK(same_bits<float>(found.adversarial[i], x[i]));
    }
    CHECK(successes > 5);
    CHECK(successes < 40);
    CHECK(found.rejected == 0);
}

TEST_CASE("JSMA-F goes on where the target's probability underflows", "[attacks][jsma][pitfalls]") {
    const testing::linear_model<2> model({1, 1, 4}, {400, 300, 200, 100, -400, -300, -200, -100});
    images x(1, {1, 1, 4});
    for (auto& v : x.values()) v = .5f;
    const auto found = perturb(jsma{.kind = jsma_kind::probabilities, .theta = -1, .gamma = 1}, model, x, labels{0});
    CHECK(found.gradients[0] == 2);  // x -> 0: a tie, class 0 still
    CHECK(found.success[0] == 0);
    const testing::linear_model<2> shifted({1, 1, 4}, {400, 300, 200, 100, -400, -300, -200, -100}, {-250, 250});
    CHECK(perturb(jsma{.kind = jsma_kind::probabilities, .theta = -1, .gamma = 1}, shifted, x, labels{0}).success[0] == 1);
}

TEST_CASE("JSMA has the same bits for any number of threads, batch size and order", "[attacks][jsma][determinism]") {
    const testing::linear_program<lanes<float>> program(toy_shape, 3, random_weights(75));
    auto attack = jsma_z;
    attack.gamma = .6;
    check_invariance(attack, program, random_images(67, toy_shape));
    attack.kind = jsma_kind::probabilities;
    attack.targets = target_rule::random;
    check_invariance(attack, toy_quadratic(), random_images(67, toy_shape));
}

TEST_CASE("JSMA never spends more gradients than it may", "[attacks][jsma][budget]") {
    const auto model = toy_quadratic();
    const auto x = random_images(20, toy_shape);
    for (const auto n : perturb(jsma{.gamma = 1}, model, x, predicted(model, x), {.max_gradients = 5}).gradients) CHECK(n <= 4);
}

TEST_CASE("JSMA names the settings that are out of range, no target among them (torchattacks takes label + 1 silently)",
          "[attacks][jsma][errors]") {
    const auto refused = [](const jsma& a) { CHECK_THROWS_AS(a.validate("test"), invalid_argument); };
    refused({.theta = 0});
    refused({.theta = 2});
    refused({.gamma = 0});
    refused({.saturation = 1});
    refused({.targets = target_rule::untargeted});
    CHECK(jsma_f.kind == jsma_kind::probabilities);
    CHECK(jsma_z.gamma == .1);
}
