#include "saddle/training/substitute.hpp"

#include "attacks/toy.hpp"
#include "support/catch.hpp"

using namespace saddle;

namespace {

/// A substitute that the test trains by hand: the nearest mean of the images of each class.
struct centres {
    using value_type = float;
    static constexpr std::size_t classes = 3;
    std::vector<float> mean = std::vector<float>(75, .5f);

    extents input() const { return toy_shape; }
    void logits(const images& x, std::span<float> z) const { model().logits(x, z); }
    void input_gradient(const images& x, std::span<const float> s, std::span<float> g) const { model().input_gradient(x, s, g); }
    testing::quadratic_model<3> model() const { return {toy_shape, mean, 2.f}; }

    void train(const dataset& data) {
        std::vector<double> sum(75), count(3, 1e-9);
        for (std::size_t i = 0; i < data.size(); ++i) {
            const auto k = static_cast<std::size_t>(data.y[i]);
            ++count[k];
            for (std::size_t e = 0; e < 25; ++e) sum[25 * k + e] += static_cast<double>(data.x[i][e]);
        }
        for (std::size_t e = 0; e < 75; ++e) mean[e] = static_cast<float>(sum[e] / count[e / 25]);
    }
};

}  // namespace

TEST_CASE("a substitute learns a label-only target from images that double each round", "[training][substitute]") {
    const auto inner = toy_quadratic();
    const testing::black_box target(inner);
    centres substitute;
    worker_pool pool(1);
    std::vector<std::size_t> sizes;
    const auto seeds = random_images(40, toy_shape, 5);
    const auto data = train_substitute(target, substitute, seeds, pool, {.rounds = 4, .lambda = .1}, [&](const dataset& all) {
        sizes.push_back(all.size());
        substitute.train(all);
    });
    CHECK(sizes == std::vector<std::size_t>{40, 80, 160, 320});
    CHECK(data.size() == 320);
    CHECK(data.classes == 3);
    CHECK(data.y == predict(target, data.x, pool).classes);
    CHECK(same_bits(data.x.slice(0, 40), seeds));
    require_valid_images(data.x, "test");
    for (std::size_t i = 0; i < 40; ++i)  // round 2 adds a step of lambda for each image, in its order
        for (std::size_t e = 0; e < 25; ++e) CHECK(std::abs(data.x[40 + i][e] - data.x[i][e]) <= .1f + 1e-6f);
    const auto x = random_images(200, toy_shape, 6);
    const auto truth = predict(target, x, pool).classes;
    CHECK(predict(substitute, x, pool).accuracy(truth) > .6);
}

TEST_CASE("train_substitute refuses settings out of range", "[training][substitute][errors]") {
    const auto inner = toy_quadratic();
    centres substitute;
    worker_pool pool(1);
    const auto train = [](const dataset&) {};
    const auto run = [&](const substitute_settings& s, const images& x) {
        (void)train_substitute(inner, substitute, x, pool, s, train);
    };
    CHECK_THROWS_AS(run({.rounds = 0}, random_images(2, toy_shape)), invalid_argument);
    CHECK_THROWS_AS(run({.lambda = 0}, random_images(2, toy_shape)), invalid_argument);
    CHECK_THROWS_AS(run({}, images(0, toy_shape)), data_error);
}
