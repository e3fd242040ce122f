#include "saddle/nn/normalization.hpp"
#include "saddle/nn/conv2d.hpp"
#include "saddle/nn/sequential.hpp"
#include "saddle/testing/gradient_check.hpp"
#include "saddle/testing/random_images.hpp"
#include "support/backends.hpp"
#include "support/catch.hpp"
#include "support/evaluate.hpp"

using namespace saddle;
using namespace saddle::testing;

namespace {

using picture = shape<3, 4, 5>;

template <class Model, class Backend = typename Model::backend>
training_pass<double> train(const Model& m, const basic_images<double>& x, const training_settings& settings = {}) {
    const std::vector<double> zeros(x.size() * Model::classes);
    return train_once<Backend, double>(m.structure(), m.parameters(), m.buffers(), x, std::span<const double>(zeros), settings);
}

/// Mean and biased variance of one channel over all images and pixels, and the number of values.
struct channel_moments {
    double mean = 0, variance = 0, count = 0;
    channel_moments(const basic_images<double>& x, std::size_t channel) {
        const std::size_t pixels = x.each().pixels();
        count = static_cast<double>(x.size() * pixels);
        for (std::size_t n = 0; n < x.size(); ++n)
            for (std::size_t i = 0; i < pixels; ++i) mean += x[n][channel * pixels + i] / count;
        for (std::size_t n = 0; n < x.size(); ++n)
            for (std::size_t i = 0; i < pixels; ++i) variance += std::pow(x[n][channel * pixels + i] - mean, 2) / count;
    }
};

}  // namespace

TEMPLATE_LIST_TEST_CASE("normalize subtracts the mean and divides by the deviation of each channel", "[nn]", backends) {
    const model<normalize, picture, TestType, double> m(normalize{.mean = {.1, .2, .3}, .deviation = {.5, 2, 4}});
    const auto x = random_images(3, picture::value);
    const auto y = output_of_model(m, x);
    for (std::size_t i = 0; i < x.values().size(); ++i) {
        const std::size_t c = i / 20 % 3;
        CHECK(y.values()[i] == Approx((x.values()[i] - std::array{.1, .2, .3}[c]) / std::array{.5, 2., 4.}[c]).margin(1e-15));
    }
    CHECK(check_gradients(m, x).error() <= 1e-6);
}

TEST_CASE("normalize spreads one constant over all channels and refuses other counts and deviations", "[nn]") {
    const model<normalize, picture, backend::reference> m(normalize{.mean = {.5}, .deviation = {.25}});
    CHECK(std::vector<float>(m.buffers().begin(), m.buffers().end()) == std::vector<float>{.5f, .5f, .5f, .25f, .25f, .25f});
    CHECK(m.structure().buffers[0].constant);
    using grey = model<normalize, picture, backend::reference>;
    CHECK_THROWS_AS(grey(normalize{.mean = {.1, .2}, .deviation = {1}}), invalid_argument);
    CHECK_THROWS_AS(grey(normalize{.mean = {0}, .deviation = {0}}), invalid_argument);
    CHECK_THROWS_AS(grey(normalize{.mean = {0}, .deviation = {std::nan("")}}), invalid_argument);
}

TEMPLATE_LIST_TEST_CASE("batch norm in evaluation mode uses the running moments", "[nn]", backends) {
    model<batch_norm, picture, TestType, double> m;
    perturb(m);
    const auto x = random_images(3, picture::value);
    const auto y = output_of_model(m, x);
    const auto w = m.parameters(), b = m.buffers();
    for (std::size_t i = 0; i < x.values().size(); ++i) {
        const std::size_t c = i / 20 % 3;
        CHECK(y.values()[i] ==
              Approx((x.values()[i] - b[c]) / std::sqrt(b[3 + c] + 1e-5) * w[c] + w[3 + c]).epsilon(1e-12).margin(1e-14));
    }
}

TEMPLATE_LIST_TEST_CASE("batch norm in training mode uses the batch's moments", "[nn]", backends) {
    model<batch_norm, picture, TestType, double> m;
    perturb(m);
    const auto x = random_images(7, picture::value);
    const auto y = train(m, x).output;
    const auto w = m.parameters();
    for (std::size_t i = 0; i < x.values().size(); ++i) {
        const std::size_t c = i / 20 % 3;
        const channel_moments moments(x, c);
        CHECK(y.values()[i] == Approx((x.values()[i] - moments.mean) / std::sqrt(moments.variance + 1e-5) * w[c] + w[3 + c])
                                   .epsilon(1e-10)
                                   .margin(1e-12));
    }
}

TEMPLATE_LIST_TEST_CASE("batch norm moves its running mean, unbiased variance and count as PyTorch", "[nn]", backends) {
    model<batch_norm, picture, TestType, double> m;
    perturb(m);
    const auto x = random_images(7, picture::value);
    const auto after = train(m, x).buffers;
    for (std::size_t c = 0; c < 3; ++c) {
        const channel_moments moments(x, c);
        CHECK(after[c] == Approx(.9 * m.buffers()[c] + .1 * moments.mean).epsilon(1e-12));
        CHECK(after[3 + c] ==
              Approx(.9 * m.buffers()[3 + c] + .1 * moments.variance * moments.count / (moments.count - 1)).epsilon(1e-12));
    }
    CHECK(after[6] == m.buffers()[6] + 1);
}

TEMPLATE_LIST_TEST_CASE("batch norm leaves its statistics alone when told so", "[nn]", backends) {
    const model<batch_norm, picture, TestType, double> m;
    const auto after = train(m, random_images(7, picture::value), {.update_statistics = false}).buffers;
    CHECK(std::equal(after.begin(), after.end(), m.buffers().begin(), m.buffers().end()));
}

TEMPLATE_LIST_TEST_CASE("batch norm's gradients agree with finite differences in both modes", "[nn]", backends) {
    model<sequential<conv2d<4, 3, padding<1>>, batch_norm, conv2d<3, 2>, batch_norm>, picture, TestType, double> m(1);
    perturb(m);
    const auto report = check_gradients(m, random_images(5, picture::value));
    INFO(report.describe());
    CHECK(report.error() <= 1e-6);
}

TEMPLATE_LIST_TEST_CASE("batch norm refuses to train on one value per channel", "[nn]", backends) {
    CHECK_THROWS_AS(train(model<batch_norm, shape<3>, TestType, double>(), random_images(1, {3, 1, 1})), shape_error);
}

TEMPLATE_LIST_TEST_CASE("batch norm of a constant channel gives its bias", "[nn]", backends) {
    const model<batch_norm, shape<1, 2, 2>, TestType, double> m;
    basic_images<double> x(3, {1, 2, 2});
    std::fill(x.values().begin(), x.values().end(), .75);
    const auto y = train(m, x).output;
    for (const double v : y.values()) CHECK(v == Approx(0).margin(1e-10));
}

TEMPLATE_LIST_TEST_CASE("group norm standardises each group of each example", "[nn]", backends) {
    model<group_norm<2>, shape<6, 3, 2>, TestType, double> m;
    perturb(m);
    const auto x = random_images(3, {6, 3, 2});
    const auto y = output_of_model(m, x);
    const auto w = m.parameters();
    for (std::size_t n = 0; n < 3; ++n)
        for (std::size_t g = 0; g < 2; ++g) {
            double mean = 0, variance = 0;
            for (std::size_t i = 0; i < 18; ++i) mean += x[n][g * 18 + i] / 18;
            for (std::size_t i = 0; i < 18; ++i) variance += std::pow(x[n][g * 18 + i] - mean, 2) / 18;
            for (std::size_t i = 0; i < 18; ++i) {
                const std::size_t c = g * 3 + i / 6;
                CHECK(y[n][g * 18 + i] == Approx((x[n][g * 18 + i] - mean) / std::sqrt(variance + 1e-5) * w[c] + w[6 + c])
                                              .epsilon(1e-10)
                                              .margin(1e-12));
            }
        }
}

TEMPLATE_LIST_TEST_CASE("group norm's gradients agree with finite differences", "[nn]", backends) {
    model<group_norm<1>, shape<6, 3, 2>, TestType, double> whole;
    model<group_norm<3>, shape<6, 3, 2>, TestType, double> thirds;
    model<group_norm<6>, shape<6, 3, 2>, TestType, double> channels;
    perturb(whole), perturb(thirds), perturb(channels);
    const auto x = random_images(3, {6, 3, 2});
    CHECK(check_gradients(whole, x).error() <= 1e-6);
    CHECK(check_gradients(thirds, x).error() <= 1e-6);
    CHECK(check_gradients(channels, x).error() <= 1e-6);
}

TEMPLATE_LIST_TEST_CASE("dropout passes its input on in evaluation mode", "[nn]", backends) {
    const auto x = random_images(3, picture::value);
    CHECK(output_of_model(model<dropout, picture, TestType, double>(), x) == x);
}

TEMPLATE_LIST_TEST_CASE("dropout in training mode keeps what its keyed draws keep and scales it", "[nn]", backends) {
    const model<dropout, picture, TestType, double> m(dropout{.rate = .25});
    const auto x = random_images(5, picture::value);
    const training_settings settings{.seed = 9, .epoch = 2, .step = 31};
    const auto y = train(m, x, settings).output;
    const random_stream draws({.seed = 9, .purpose = purpose::dropout, .layer = 0, .epoch = 2, .step = 31});
    for (std::size_t n = 0; n < x.size(); ++n)
        for (std::size_t i = 0; i < 60; ++i)
            CHECK(y[n][i] == (draws.uniform(100 + n, i) >= .25 ? Approx(x[n][i] / .75) : Approx(0)));
}

TEMPLATE_LIST_TEST_CASE("dropout's masks of two layers, epochs and steps differ", "[nn]", backends) {
    const model<dropout, picture, TestType, double> one;
    const model<sequential<normalize, dropout>, picture, TestType, double> second;
    const auto x = random_images(5, picture::value);
    const auto y = train(one, x).output;
    CHECK(train(one, x).output == y);
    CHECK_FALSE(train(one, x, {.epoch = 1}).output == y);
    CHECK_FALSE(train(one, x, {.step = 1}).output == y);
    CHECK_FALSE(train(one, x, {.seed = 1}).output == y);
    CHECK_FALSE(train(second, x).output == y);
}

TEMPLATE_LIST_TEST_CASE("dropout's gradients agree with finite differences", "[nn]", backends) {
    const model<sequential<conv2d<4, 3>, dropout, conv2d<2, 2>>, picture, TestType, double> m(1);
    CHECK(check_gradients(m, random_images(5, picture::value)).error() <= 1e-6);
}

TEST_CASE("dropout refuses a rate outside [0,1)", "[nn]") {
    using dropped = model<dropout, picture, backend::reference>;
    CHECK_THROWS_AS(dropped(dropout{.rate = 1}), invalid_argument);
    CHECK_THROWS_AS(dropped(dropout{.rate = -.1}), invalid_argument);
    CHECK_THROWS_AS(dropped(dropout{.rate = std::nan("")}), invalid_argument);
    CHECK_NOTHROW(dropped(dropout{.rate = 0}));
}

TEST_CASE("norms' parameters and buffers are named and start as PyTorch's", "[nn]") {
    const model<batch_norm, picture, backend::reference> m;
    const auto& p = m.structure();
    CHECK(p.parameters[0].name == "weight");
    CHECK(p.parameters[1].name == "bias");
    REQUIRE(p.buffers.size() == 3);
    CHECK(p.buffers[0].name == "running_mean");
    CHECK(p.buffers[1].name == "running_var");
    CHECK(p.buffers[2].name == "num_batches_tracked");
    CHECK(p.buffers[2].dimensions.empty());
    CHECK(std::vector<float>(m.parameters().begin(), m.parameters().end()) == std::vector<float>{1, 1, 1, 0, 0, 0});
    CHECK(std::vector<float>(m.buffers().begin(), m.buffers().end()) == std::vector<float>{0, 0, 0, 1, 1, 1, 0});
}
