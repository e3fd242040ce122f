#include "saddle/attacks/flow.hpp"

#include "attacks/invariance.hpp"

using namespace saddle;

namespace {

constexpr extents field_shape{2, 4, 5};

std::vector<double> random_flow(double scale) {
    const random_stream draws({.seed = 5});
    std::vector<double> flow(2 * field_shape.pixels());
    for (std::size_t i = 0; i < flow.size(); ++i) flow[i] = scale * normal(draws, 0, i);
    return flow;
}

}  // namespace

TEST_CASE("no flow leaves the image, a flow of whole pixels fetches the neighbours", "[attacks][spatial][closed form]") {
    const auto x = random_images<double>(1, field_shape);
    std::vector<double> flow(40), z(40);
    apply_flow(x.data(), z.data(), 0, 1, std::span<const double>(flow), field_shape);
    CHECK(std::equal(z.begin(), z.end(), x.data()));
    std::fill(flow.begin(), flow.begin() + 20, 1.);
    std::fill(flow.begin() + 20, flow.end(), -2.);
    apply_flow(x.data(), z.data(), 0, 1, std::span<const double>(flow), field_shape);
    for (std::size_t c = 0; c < 2; ++c)
        for (std::size_t r = 0; r < 4; ++r)
            for (std::size_t q = 0; q < 5; ++q)
                CHECK(z[20 * c + 5 * r + q] == Approx(x[0][20 * c + 5 * std::min<std::size_t>(r + 1, 3) + (q < 2 ? 0 : q - 2)]));
}

TEST_CASE("slopes of the moved image and of the smoothness agree with finite differences", "[attacks][spatial]") {
    const auto x = random_images<double>(1, field_shape);
    const auto pull = random_weights<double>(40);
    const auto value = [&](const std::vector<double>& flow) {
        std::vector<double> z(40), unused(40);
        apply_flow(x.data(), z.data(), 0, 1, std::span<const double>(flow), field_shape);
        double sum = .3 * flow_roughness(flow, field_shape, 0, unused);
        for (std::size_t e = 0; e < 40; ++e) sum += pull[e] * z[e];
        return sum;
    };
    const auto flow = random_flow(.7);
    std::vector<double> slope(40);
    flow_slope(x.data(), pull.data(), 0, 1, std::span<const double>(flow), field_shape, std::span<double>(slope));
    (void)flow_roughness(flow, field_shape, .3, slope);
    for (std::size_t i = 0; i < 40; ++i) {
        auto up = flow, down = flow;
        up[i] += 1e-6, down[i] -= 1e-6;
        CHECK(slope[i] == Approx((value(up) - value(down)) / 2e-6).margin(1e-6));
    }
}

TEST_CASE("L-BFGS reaches the minimum of a stretched parabola in few evaluations", "[attacks][spatial][closed form]") {
    lbfgs search(20, 10);
    search.begin();
    std::vector<double> slope(20);
    double value = 0;
    int evaluations = 0;
    for (; evaluations < 200; ++evaluations) {
        value = 0;
        for (std::size_t i = 0; i < 20; ++i) {
            const double stretch = std::pow(100., static_cast<double>(i) / 19), d = search.point()[i] - static_cast<double>(i);
            value += .5 * stretch * d * d;
            slope[i] = stretch * d;
        }
        if (value < 1e-10 || !search.tell(value, slope)) break;
    }
    CHECK(value < 1e-10);
    CHECK(evaluations < 100);
}

TEST_CASE("the flow attack changes the class by small moves, smoother with more weight", "[attacks][spatial]") {
    const auto model = toy_quadratic();
    const auto x = random_images(40, toy_shape);
    const auto y = predicted(model, x);
    const auto loose = perturb(flow{.smoothness = 1e-4, .steps = 150}, model, x, y),
               smooth = perturb(flow{.smoothness = .02, .steps = 150}, model, x, y);
    CHECK(loose.success_rate() > .5);
    CHECK(loose.success_rate() >= smooth.success_rate());
    CHECK(loose.rejected + smooth.rejected == 0);
    for (std::size_t i = 0; i < x.size(); ++i) {
        if (loose.success[i]) continue;
        CHECK(same_bits<float>(loose.adversarial[i], x[i]));
        CHECK(loose.status[i] == attack_status::failed);
    }
    double lowest = 1, highest = 0;  // bilinear values stay between the image's own
    for (std::size_t i = 0; i < x.size(); ++i)
        for (std::size_t e = 0; e < 25; ++e)
            lowest = std::min<double>(lowest, loose.adversarial[i][e]),
            highest = std::max<double>(highest, loose.adversarial[i][e]);
    CHECK(lowest >= 0);
    CHECK(highest <= 1);
}

TEST_CASE("the flow attack has the same bits for any number of threads, batch size and order",
          "[attacks][spatial][determinism]") {
    check_invariance(flow{.steps = 12, .targets = target_rule::random}, toy_quadratic(), random_images(37, toy_shape));
}

TEST_CASE("the flow attack names the settings that are out of range", "[attacks][spatial][errors]") {
    CHECK_THROWS_AS(flow{.smoothness = -1}.validate("test"), invalid_argument);
    CHECK_THROWS_AS(flow{.steps = 0}.validate("test"), invalid_argument);
    CHECK_THROWS_AS(flow{.loss = {.kappa = -1}}.validate("test"), invalid_argument);
}
