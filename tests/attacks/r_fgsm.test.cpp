#include "saddle/attacks/r_fgsm.hpp"

#include "attacks/toy.hpp"
#include "support/catch.hpp"

using namespace saddle;

namespace {

/// Keeps every image that it is asked about; its slope is 1 on every pixel for class 0.
struct image_recorder {
    using value_type = float;
    static constexpr std::size_t classes = 2;
    mutable std::vector<float> seen;

    extents input() const { return {1, 3, 3}; }
    void logits(const images& x, std::span<float> z) const {
        seen.insert(seen.end(), x.values().begin(), x.values().end());
        for (std::size_t i = 0; i < x.size(); ++i) {
            z[2 * i] = 0;
            z[2 * i + 1] = 0;
            for (const float v : x[i]) z[2 * i] += v;
        }
    }
    void input_gradient(const images& x, std::span<const float> slopes, std::span<float> gradient) const {
        for (std::size_t i = 0; i < x.size(); ++i)
            for (std::size_t e = 0; e < 9; ++e) gradient[9 * i + e] = slopes[2 * i];
    }
};

images grey(float value) {
    images x(1, {1, 3, 3});
    for (auto& v : x.values()) v = value;
    return x;
}

}  // namespace

TEST_CASE("the unclipped start leaves the range before its gradient and returns to it", "[attacks][r_fgsm]") {
    const image_recorder model;
    const auto x = grey(.01f);
    const auto result = perturb(r_fgsm({.epsilon = .1}), model, x, labels{0});
    CHECK(*std::min_element(model.seen.begin(), model.seen.end()) < 0);
    CHECK(verify_in_threat(x, result.adversarial, linf{.1}).ok());
    for (const float v : result.adversarial[0]) CHECK(v < .0101f);  // label 0 is attacked downwards
}

TEST_CASE("the unclipped start is never returned", "[attacks][r_fgsm]") {
    auto attack = r_fgsm({.epsilon = .1});
    attack.keep = keep_rule::best;
    const auto x = grey(.01f);
    for (const std::int32_t label : {0, 1}) {
        const auto result = perturb(attack, image_recorder{}, x, labels{label});
        CHECK(verify_in_threat(x, result.adversarial, attack.projection).ok());
    }
}

TEST_CASE("RAND+FGSM starts half way along random signs and steps the other half", "[attacks][r_fgsm]") {
    const image_recorder model;
    const auto x = grey(.5f);
    const auto result = perturb(r_fgsm({.epsilon = .25, .kind = r_fgsm_kind::random_sign}), model, x, labels{0}, {.threads = 1});
    std::size_t up = 0;
    for (std::size_t e = 0; e < 9; ++e) {
        const bool started_up = result.adversarial[0][e] > .4f;
        CHECK(result.adversarial[0][e] == (started_up ? .5f : .25f));
        up += started_up;
    }
    CHECK(up > 0);
    CHECK(up < 9);
}

TEST_CASE("fast training's step is 1.25 epsilon from a start inside ball and range, and stays in the ball",
          "[attacks][r_fgsm][pitfalls]") {
    const auto attack = r_fgsm({.epsilon = .1, .kind = r_fgsm_kind::fast});
    CHECK(attack.step_size == Approx(.125));
    const image_recorder model;
    const auto x = grey(.02f);
    const auto result = perturb(attack, model, x, labels{1});
    CHECK(*std::min_element(model.seen.begin(), model.seen.end()) >= 0);
    CHECK(verify_in_threat(x, result.adversarial, linf{.1}).ok());  // the reference goes as far as 2.25 epsilon before its clamp
    for (const float v : result.adversarial[0]) CHECK(v > .02f);
}
