#include "saddle/evaluation/obfuscation.hpp"

#include "attacks/any_model.hpp"
#include "attacks/toy.hpp"
#include "support/catch.hpp"

using namespace saddle;

namespace {

using model3 = any_model<3>;

obfuscation_report check(const model3& model, const labels& y, const images& x, double epsilon = .05) {
    worker_pool pool(2);
    return check_obfuscation("model", model, x, y, pool,
                             {.epsilon = epsilon, .steps = 10, .unbounded_steps = 60, .queries = 60, .random_draws = 20});
}
bool suspicious(const obfuscation_report& r, const char* name) { return r.sign(name).verdict == sign_verdict::suspicious; }

/// The quadratic model with something done to its gradient or its outputs.
struct masked {
    testing::quadratic_model<3> inner = toy_quadratic();
    std::function<void(std::span<float>)> gradient = [](std::span<float>) {};
    std::function<void(std::span<float>)> outputs = [](std::span<float>) {};

    extents input() const { return inner.input(); }
    void logits(const images& x, std::span<float> z) const {
        inner.logits(x, z);
        outputs(z);
    }
    void input_gradient(const images& x, std::span<const float> slopes, std::span<float> g) const {
        inner.input_gradient(x, slopes, g);
        gradient(g);
    }
};

struct problem {
    images x = random_images(30, toy_shape);
    labels y = predicted(toy_quadratic(), x);
};

/// The quadratic model without a gradient around some images.
struct partly_masked {
    using value_type = float;
    static constexpr std::size_t classes = 3;
    testing::quadratic_model<3> inner = toy_quadratic();
    std::vector<std::vector<float>> hidden{};

    extents input() const { return inner.input(); }
    void logits(const images& x, std::span<float> z) const { inner.logits(x, z); }
    void input_gradient(const images& x, std::span<const float> slopes, std::span<float> g) const {
        inner.input_gradient(x, slopes, g);
        const std::size_t n = input().size();
        for (std::size_t i = 0; i < x.size(); ++i)
            for (const auto& image : hidden)
                if (std::equal(image.begin(), image.end(), x[i].data(), [](float a, float b) { return std::abs(a - b) < .15f; }))
                    std::fill_n(g.begin() + static_cast<std::ptrdiff_t>(i * n), n, 0.f);
    }
};

}  // namespace

TEST_CASE("an honest model shows no sign", "[evaluation][obfuscation]") {
    const problem p;
    const auto r = check(model3(masked{}), p.y, p.x);
    for (const auto& s : r.signs) {
        INFO(s.name << ": " << s.measured);
        CHECK(s.verdict == sign_verdict::clear);
    }
    CHECK(r.signs.size() == 9);
    CHECK(r.suspicions() == 0);
}

TEST_CASE("a gradient of zeros is found out by queries, random points, no bound and a larger one", "[evaluation][obfuscation]") {
    const problem p;
    masked m;
    m.gradient = [](std::span<float> g) { std::fill(g.begin(), g.end(), 0.f); };
    const auto r = check(model3(m), p.y, p.x, .1);
    for (const char* name : {"black box beats white box", "zero gradients"}) CHECK(suspicious(r, name));
    CHECK(r.suspicions() >= 3);
    CHECK_FALSE(suspicious(r, "randomised outputs"));
    CHECK_FALSE(suspicious(r, "NaN gradients"));
    CHECK(r.sign("zero gradients").reason == "the model's gradient vanishes");
}

TEST_CASE("a gradient of the wrong sign makes the unbounded attack fail", "[evaluation][obfuscation]") {
    const problem p;
    masked m;
    m.gradient = [](std::span<float> g) {
        for (auto& v : g) v = -v;
    };
    const auto r = check(model3(m), p.y, p.x);
    CHECK(suspicious(r, "unbounded attack fails"));
    CHECK(suspicious(r, "black box beats white box"));
}

TEST_CASE("random points fool where a gradient of the wrong sign leads away", "[evaluation][obfuscation]") {
    const problem p;
    masked m;
    m.gradient = [](std::span<float> g) {
        for (auto& v : g) v = -v;
    };
    const auto r = check(model3(m), p.y, p.x, .2);
    INFO(r.sign("random search succeeds").measured);
    CHECK(suspicious(r, "random search succeeds"));
    CHECK(r.sign("random search succeeds").reason == "random points of the ball fool where gradients do not");
    CHECK_FALSE(suspicious(check(model3(masked{}), p.y, p.x, .2), "random search succeeds"));
}

TEST_CASE("a gradient that is honest near the clean image alone fools fewer images in a larger ball",
          "[evaluation][obfuscation]") {
    const problem p;
    const auto* clean = &p.x;
    const auto inner = toy_quadratic();
    model3 model{masked{}};
    model.slopes = [inner, clean](const images& x, std::span<const float> s, std::span<float> g) {
        inner.input_gradient(x, s, g);
        for (std::size_t i = 0; i < x.size(); ++i) {
            double nearest = 1;
            for (std::size_t c = 0; c < clean->size(); ++c)
                nearest = std::min(nearest, measure_perturbation<float>((*clean)[c], x[i], toy_shape).linf);
            if (nearest > .06)
                for (std::size_t e = 0; e < 25; ++e) g[25 * i + e] = -g[25 * i + e];
        }
    };
    const auto r = check(model, p.y, p.x, .05);
    INFO(r.sign("larger bound does not help").measured);
    CHECK(suspicious(r, "larger bound does not help"));
    CHECK(r.sign("larger bound does not help").reason == "a larger ball contains the smaller one, yet no more images are fooled");
    CHECK_FALSE(suspicious(r, "black box beats white box"));  // inside epsilon the gradient is all there is to find
}

TEST_CASE("a model that never changes its mind is as robust at four times the bound", "[evaluation][obfuscation]") {
    const problem p;
    model3 model{masked{}};
    model.values = [](const images& x, std::span<float> z) {
        for (std::size_t i = 0; i < x.size(); ++i) z[3 * i] = 1, z[3 * i + 1] = z[3 * i + 2] = 0;
    };
    const auto r = check(model, labels(p.x.size(), 0), p.x);
    INFO(r.sign("larger bound does not help").measured);
    CHECK(suspicious(r, "larger bound does not help"));
    CHECK(suspicious(r, "unbounded attack fails"));
}

TEST_CASE("a gradient that is right at the clean image alone lets one step beat iterations", "[evaluation][obfuscation]") {
    const problem p;
    masked m;
    const auto* clean = &p.x;
    const auto inner = toy_quadratic();
    model3 model(m);
    model.slopes = [inner, clean](const images& x, std::span<const float> s, std::span<float> g) {
        inner.input_gradient(x, s, g);
        for (std::size_t i = 0; i < x.size(); ++i) {
            bool is_clean = false;
            for (std::size_t c = 0; c < clean->size(); ++c) is_clean = is_clean || same_bits<float>(x[i], (*clean)[c]);
            if (!is_clean)
                for (std::size_t e = 0; e < 25; ++e) g[25 * i + e] = -g[25 * i + e];
        }
    };
    CHECK(suspicious(check(model, p.y, p.x), "one step beats iterations"));
}

TEST_CASE("a saturated softmax has zero gradients of the cross-entropy but not of the margin", "[evaluation][obfuscation]") {
    const problem p;
    const auto inner = toy_quadratic();
    model3 model{masked{}};
    model.values = [inner](const images& x, std::span<float> z) {
        inner.logits(x, z);
        for (auto& v : z) v *= 1e5f;
    };
    model.slopes = [inner](const images& x, std::span<const float> s, std::span<float> g) {
        inner.input_gradient(x, s, g);
        for (auto& v : g) v *= 1e5f;
    };
    const auto r = check(model, p.y, p.x);
    CHECK(suspicious(r, "zero gradients"));
    CHECK(r.sign("zero gradients").reason == "the cross-entropy is saturated: attack the margin or DLR");
}

TEST_CASE("NaN gradients, probabilities and randomness are found", "[evaluation][obfuscation]") {
    const problem p;
    masked broken;
    broken.gradient = [](std::span<float> g) { g[0] = std::numeric_limits<float>::quiet_NaN(); };
    CHECK(suspicious(check(model3(broken), p.y, p.x), "NaN gradients"));

    masked probabilities;
    probabilities.outputs = [](std::span<float> z) {
        for (std::size_t i = 0; i < z.size(); i += 3) {
            const float top = std::max({z[i], z[i + 1], z[i + 2]});
            float sum = 0;
            for (std::size_t k = 0; k < 3; ++k) sum += z[i + k] = std::exp(z[i + k] - top);
            for (std::size_t k = 0; k < 3; ++k) z[i + k] /= sum;
        }
    };
    CHECK(suspicious(check(model3(probabilities), p.y, p.x), "softmax outputs"));

    masked random;
    random.outputs = [calls = std::make_shared<std::atomic<int>>(0)](std::span<float> z) {
        z[0] += .01f * static_cast<float>(++*calls % 7);
    };
    CHECK(suspicious(check(model3(random), p.y, p.x), "randomised outputs"));
}

TEST_CASE("models without gradients or correct images leave signs open", "[evaluation][obfuscation]") {
    const problem p;
    worker_pool pool(1);
    const auto model = toy_quadratic();
    const auto hidden = check_obfuscation("hidden", testing::black_box(model), p.x, p.y, pool);
    CHECK(hidden.sign("unbounded attack fails").verdict == sign_verdict::unknown);
    CHECK(hidden.sign("softmax outputs").verdict == sign_verdict::clear);
    auto wrong = p.y;
    for (auto& label : wrong) label = (label + 1) % 3;
    CHECK(check(model3(masked{}), wrong, p.x).sign("zero gradients").verdict == sign_verdict::unknown);
}

TEST_CASE("two images that only queries fool are chance, three are a sign", "[evaluation][obfuscation]") {
    const problem p;
    worker_pool pool(1);
    const auto blind = perturb(noise<linf>{.projection = {.1}, .samples = 50}, toy_quadratic(), p.x, p.y, pool);
    const auto asked = perturb(square({.epsilon = .1, .queries = 1000}), toy_quadratic(), p.x, p.y, pool);
    std::vector<std::vector<float>> only_asked;
    for (std::size_t i = 0; i < p.x.size(); ++i)
        if (asked.success[i] && !blind.success[i]) only_asked.emplace_back(p.x[i].begin(), p.x[i].end());
    REQUIRE(only_asked.size() >= 3);
    for (const std::size_t count : {2u, 3u}) {
        partly_masked model;
        model.hidden.assign(only_asked.begin(), only_asked.begin() + static_cast<std::ptrdiff_t>(count));
        const auto r = check_obfuscation("m", model, p.x, p.y, pool, {.epsilon = .1});
        const auto& sign = r.sign("black box beats white box");
        INFO(count << ": " << sign.measured);
        CHECK(sign.verdict == (count == 2 ? sign_verdict::clear : sign_verdict::suspicious));
    }
}

TEST_CASE("the battery refuses settings out of range", "[evaluation][obfuscation][errors]") {
    const problem p;
    worker_pool pool(1);
    const model3 model{masked{}};
    const auto refuses = [&](const obfuscation_settings& s) {
        CHECK_THROWS_AS(check_obfuscation("m", model, p.x, p.y, pool, s), invalid_argument);
    };
    for (const double epsilon : {-1., 0., 2.}) refuses({.epsilon = epsilon});
    refuses({.queries = 0});
    refuses({.steps = 0});
    refuses({.tolerance = 2});
    refuses({.repeats = 1});
}
