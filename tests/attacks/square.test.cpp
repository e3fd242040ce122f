#include "saddle/attacks/square.hpp"

#include "attacks/invariance.hpp"
#include "attacks/toy.hpp"
#include "saddle/losses/cross_entropy.hpp"

using namespace saddle;

namespace {

/// A two-class model that never changes its mind and writes down lane 0 of every query; `slope` decides which proposals improve.
template <int Channels, int Height, int Width>
struct stubborn_model {
    using value_type = float;
    static constexpr std::size_t classes = 2;
    std::vector<std::vector<float>>* seen;
    float slope = 0;

    extents input() const { return {Channels, Height, Width}; }
    void logits(const images& x, std::span<float> z) const {
        seen->emplace_back(x[0].begin(), x[0].end());
        for (std::size_t i = 0; i < x.size(); ++i) {
            float sum = 0;
            for (const float v : x[i]) sum += v;
            z[2 * i] = 1e6f - slope * sum;
            z[2 * i + 1] = 0;
        }
    }
};

/// First and last row and column where two images differ, and how many elements do.
struct difference {
    std::size_t top = 1000, bottom = 0, left = 1000, right = 0, count = 0;
    difference(const std::vector<float>& a, const std::vector<float>& b, std::size_t width) {
        for (std::size_t i = 0; i < a.size(); ++i) {
            if (a[i] == b[i]) continue;
            top = std::min(top, i / width), bottom = std::max(bottom, i / width);
            left = std::min(left, i % width), right = std::max(right, i % width);
            ++count;
        }
    }
};

}  // namespace

TEST_CASE("the Square attack's schedule and window sizes are those of the reference", "[attacks][square]") {
    const auto attack = square();
    for (const auto& [query, halvings] : std::vector<std::pair<std::size_t, std::size_t>>{{0, 0},
                                                                                          {10, 0},
                                                                                          {11, 1},
                                                                                          {50, 1},
                                                                                          {51, 2},
                                                                                          {200, 2},
                                                                                          {201, 3},
                                                                                          {501, 4},
                                                                                          {1001, 5},
                                                                                          {2001, 6},
                                                                                          {4001, 7},
                                                                                          {4999, 7},
                                                                                          {6001, 8},
                                                                                          {8001, 9}})
        CHECK(attack.halvings(query) == halvings);
    CHECK(square({.queries = 1000, .rescale = true}).halvings(2) == 1);
    CHECK(square({.queries = 1000, .rescale = true}).halvings(1) == 0);
    CHECK(attack.window_sizes({1, 28, 28}, false) == std::vector<std::size_t>{25, 18, 13, 9, 6, 4, 3, 2, 2, 1});
    CHECK(attack.window_sizes({3, 32, 32}, true) == std::vector<std::size_t>{29, 21, 15, 11, 7, 5, 5, 3, 3, 3});
    CHECK(attack.window_sizes({1, 4, 20}, false)[0] == 4);
}

TEST_CASE("Linf proposals change one square to an end of its interval", "[attacks][square]") {
    std::vector<std::vector<float>> seen;
    const stubborn_model<1, 12, 12> model{&seen};
    images x(1, model.input());
    std::fill(x[0].begin(), x[0].end(), .5f);
    const auto attack = square({.epsilon = .25, .queries = 300, .p = .2});
    const auto found = perturb(attack, model, x, labels{0}, {.verify = false});
    CHECK(found.forwards[0] == seen.size());
    for (std::size_t i = 0; i < 144; ++i) {
        CHECK((seen[1][i] == .25f || seen[1][i] == .75f));
        CHECK(seen[1][i] == seen[1][i % 12]);  // vertical stripes
    }
    for (std::size_t q = 2; q < seen.size(); ++q) {
        const difference d(seen[1], seen[q], 12);  // no proposal is better, so the start stays
        CHECK(d.count > 0);
        CHECK(d.bottom - d.top < 5);  // round(sqrt(.2 * 144)), later less
        CHECK(d.right - d.left < 5);
    }
}

TEST_CASE("Linf proposals that change nothing are not asked about, and the others are as if they were", "[attacks][square]") {
    std::vector<std::vector<float>> seen;
    const stubborn_model<1, 12, 12> model{&seen};
    images x(1, model.input());
    std::fill(x[0].begin(), x[0].end(), .5f);
    const auto attack = square({.epsilon = .25, .queries = 300, .p = .05, .seed = 7});
    (void)perturb(attack, model, x, labels{0}, {.verify = false});
    const auto sizes = attack.window_sizes(model.input(), false);
    auto next = seen.begin() + 2;
    std::size_t unchanged = 0;
    for (std::uint32_t query = 1; query <= 300; ++query) {
        const square_proposal p{random_stream({.seed = 7, .purpose = purpose::sample, .step = query}), 0,
                                sizes[attack.halvings(query - 1)]};
        auto proposed = seen[1];
        for (std::size_t r = 0; r < p.size; ++r)
            for (std::size_t k = 0; k < p.size; ++k)
                proposed[(p.place(0, 0, 12) + r) * 12 + p.place(0, 1, 12) + k] = p.positive(0) ? .75f : .25f;
        if (proposed == seen[1])
            ++unchanged;
        else
            REQUIRE((next != seen.end() && *next++ == proposed));
    }
    CHECK(next == seen.end());
    CHECK(unchanged > 50);
}

TEST_CASE("official windows never reach the last row or column, deterministic ones do (AutoAttack's random_int)",
          "[attacks][square][pitfalls]") {
    for (const auto profile : {attack_profile::official, attack_profile::deterministic}) {
        std::vector<std::vector<float>> seen;
        const stubborn_model<1, 12, 12> model{&seen};
        images x(1, model.input());
        std::fill(x[0].begin(), x[0].end(), .5f);
        (void)perturb(square({.epsilon = .25, .queries = 400, .p = .1, .profile = profile}), model, x, labels{0},
                      {.verify = false});
        std::size_t last_row = 0, last_column = 0;
        for (std::size_t q = 2; q < seen.size(); ++q) {
            const difference d(seen[1], seen[q], 12);
            last_row += d.count > 0 && d.bottom == 11;
            last_column += d.count > 0 && d.right == 11;
        }
        CHECK((last_row > 0) == (profile == attack_profile::deterministic));
        CHECK((last_column > 0) == (profile == attack_profile::deterministic));
    }
}

TEST_CASE("the Square attack keeps every improvement and nothing else", "[attacks][square]") {
    std::vector<std::vector<float>> seen;
    const stubborn_model<1, 10, 10> model{&seen, 1};  // the larger the sum, the better
    images x(1, model.input());
    std::fill(x[0].begin(), x[0].end(), .5f);
    const auto found = perturb(square({.epsilon = .25, .queries = 2000}), model, x, labels{0}, {.verify = false});
    std::vector<float> best = seen[1];
    const auto sum = [](const std::vector<float>& v) { return std::accumulate(v.begin(), v.end(), 0.f); };
    for (std::size_t q = 2; q < seen.size(); ++q)
        if (sum(seen[q]) > sum(best)) best = seen[q];
    CHECK(std::equal(best.begin(), best.end(), found.adversarial[0].begin()));
    CHECK(sum(best) > 72);  // 75 is the most
}

TEST_CASE("the Square attack stays in ball and range, in every norm", "[attacks][square]") {
    const toy_problem<40> p;
    const testing::black_box hidden(p.model);
    const auto rate = [&](const auto& attack) {
        const auto found = perturb(attack, hidden, p.x, p.y, {.verify = false});
        CHECK(verify_in_threat(p.x, found.adversarial, attack.projection).ok());
        CHECK(found.gradient_calls == 0);
        return found.success_rate();
    };
    for (const double rates : {rate(square({.epsilon = .05, .queries = 300})), rate(square<l2>({.epsilon = .25, .queries = 300})),
                               rate(square<l1>({.epsilon = 1.2, .queries = 300})),
                               rate(square<linf>({.epsilon = .05, .queries = 300}, cross_entropy{}))}) {
        CHECK(rates > .1);
        CHECK(rates < 1);
    }
}

TEMPLATE_TEST_CASE("L2 and L1 proposals have a norm of epsilon, or less where the range cuts", "[attacks][square]", l2, l1) {
    std::vector<std::vector<float>> seen;
    const stubborn_model<2, 15, 15> model{&seen};
    images x(1, model.input());
    std::fill(x[0].begin(), x[0].end(), .5f);
    (void)perturb(square<TestType>({.epsilon = .4, .queries = 60}), model, x, labels{0}, {.verify = false});
    CHECK(seen.size() == 62);
    for (std::size_t q = 1; q < seen.size(); ++q) {
        const auto size = measure_perturbation<float>(x[0], seen[q], model.input());
        CHECK((std::is_same_v<TestType, l2> ? size.l2 : size.l1) == Approx(.4).epsilon(1e-5));
    }
}

TEST_CASE("an image ends at its first success and its queries are counted", "[attacks][square]") {
    const toy_problem<40> p;
    const auto found = perturb(square({.epsilon = .05, .queries = 300}), p.model, p.x, p.y);
    for (std::size_t i = 0; i < 40; ++i) CHECK(found.forwards[i] <= 302);
    const auto brief = perturb(square({.epsilon = .05, .queries = 300}), p.model, p.x, p.y, {.max_forwards = 20});
    for (std::size_t i = 0; i < 40; ++i) {
        CHECK(brief.forwards[i] <= 20);
        CHECK(brief.success[i] == (found.success[i] && found.forwards[i] <= 20));
    }
    const auto again = perturb(square({.epsilon = .05, .queries = 300, .restarts = 3}), p.model, p.x, p.y);
    for (std::size_t i = 0; i < 40; ++i) CHECK(again.success[i] >= found.success[i]);
}

TEST_CASE("the Square attack takes images that are not square, tiny, or all misclassified (AutoAttack 81, 95, ART 1244)",
          "[attacks][square][pitfalls]") {
    const auto runs = [&](auto model) {
        images x(2, model.input());
        std::fill(x.values().begin(), x.values().end(), .5f);
        for (const labels& y : {labels{0, 0}, labels{1, 1}}) {
            const auto inside = [&](const auto& attack) {
                const auto found = perturb(attack, model, x, y);
                CHECK(found.rejected == 0);
                CHECK(found.success_rate() == (y[0] == 1 ? 1 : 0));
                if (y[0] == 1) CHECK(same_bits(found.adversarial, x));
            };
            inside(square({.queries = 30}));
            inside(square<l2>({.queries = 30, .profile = attack_profile::deterministic}));
            inside(square<l1>({.queries = 30}));
        }
    };
    std::vector<std::vector<float>> seen;
    runs(stubborn_model<3, 9, 31>{&seen, 1});
    runs(stubborn_model<1, 17, 6>{&seen, 1});
    runs(stubborn_model<1, 2, 3>{&seen, 1});
    runs(stubborn_model<2, 1, 1>{&seen, 1});
}

TEST_CASE("a targeted Square attack reaches its target", "[attacks][square]") {
    const toy_problem<40> p;
    const auto found = perturb(square({.epsilon = .3, .queries = 400, .targets = target_rule::next_class}), p.model, p.x, p.y);
    CHECK(found.success_rate() > .5);
    for (std::size_t i = 0; i < 40; ++i)
        if (found.success[i]) CHECK(found.adversarial_predictions[i] == (p.y[i] + 1) % 3);
}

TEST_CASE("the Square attack refuses settings out of range", "[attacks][square][errors]") {
    const auto refuses = [](const auto& attack) { CHECK_THROWS_AS(attack.validate("test"), invalid_argument); };
    refuses(square({.epsilon = -1}));
    refuses(square({.queries = 0}));
    refuses(square({.p = 0}));
    refuses(square({.p = 1.5}));
    refuses(square({.restarts = 0}));
}

TEST_CASE("the Square attack gives the same bits for any threads, batches and order", "[attacks][square][threads]") {
    const auto model = toy_quadratic();
    const auto x = random_images(40, toy_shape);
    check_invariance(square({.epsilon = .05, .queries = 60, .restarts = 2}), model, x);
    check_invariance(square<l2>({.epsilon = .25, .queries = 60}), model, x);
    check_invariance(square<l1>({.epsilon = 1, .queries = 60}), model, x);
}
