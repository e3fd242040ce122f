#include "saddle/attacks/rotation_translation.hpp"

#include "attacks/invariance.hpp"

using namespace saddle;

namespace {

/// The images turned by an angle: the last of the two candidates -angle and angle.
images turned_by(const images& x, double degrees) {
    const rotation_translation attack{.largest_angle = degrees, .angles = 2, .shifts = 1, .keep = keep_rule::last};
    const testing::linear_model<2> model(x.each(), random_weights(2 * x.each().size()));
    return perturb(attack, model, x, labels(x.size(), 0)).adversarial;
}

}  // namespace

TEST_CASE("a quarter turn moves every pixel to its place", "[attacks][spatial][closed form]") {
    const auto x = random_images(3, {2, 6, 6});
    const auto turned = turned_by(x, 90);
    for (std::size_t i = 0; i < 3; ++i)
        for (std::size_t c = 0; c < 2; ++c)
            for (std::size_t r = 0; r < 6; ++r)
                for (std::size_t q = 0; q < 6; ++q)
                    CHECK(turned[i][36 * c + 6 * r + q] == Approx(x[i][36 * c + 6 * (5 - q) + r]).margin(1e-5));
}

TEST_CASE("shifts by whole pixels bring zeros from outside", "[attacks][spatial][closed form]") {
    const auto x = random_images(2, {1, 5, 7});
    const testing::linear_model<2> model(x.each(), random_weights(70));
    const rotation_translation attack{.largest_shift = 2, .angles = 1, .shifts = 2, .keep = keep_rule::last};
    const auto found = perturb(attack, model, x, labels(2, 0));  // the last of the grid: 2 down, 2 right
    for (std::size_t i = 0; i < 2; ++i)
        for (std::size_t r = 0; r < 5; ++r)
            for (std::size_t q = 0; q < 7; ++q)
                CHECK(found.adversarial[i][7 * r + q] == (r < 2 || q < 2 ? 0.f : x[i][7 * (r - 2) + q - 2]));
    CHECK(found.forwards[0] == 5);
}

TEST_CASE("the grid is that of the paper, ends included, and random draws stay inside", "[attacks][spatial]") {
    const rotation_translation grid, random{.draws = 10};
    CHECK(grid.candidates() == 775);
    CHECK(grid.transform(0, 5, 0).degrees == -30);
    CHECK(grid.transform(774, 5, 0).degrees == 30);
    CHECK(grid.transform(774, 5, 0).right == 3);
    CHECK(grid.transform(387, 5, 0).degrees == 0);
    CHECK(grid.transform(387, 5, 0).down == 0);
    for (std::size_t n = 0; n < 10; ++n) {
        CHECK(std::abs(random.transform(n, 3, 0).degrees) <= 30);
        CHECK(std::abs(random.transform(n, 3, 0).down) <= 3);
    }
    CHECK(random.transform(1, 3, 0).degrees != random.transform(2, 3, 0).degrees);
    CHECK(random.transform(1, 3, 0).degrees != random.transform(1, 4, 0).degrees);
}

TEST_CASE("the whole grid is at least as strong as any part of it, in the range, and keeps the highest loss",
          "[attacks][spatial]") {
    const auto model = toy_quadratic();
    const auto x = random_images(40, toy_shape);
    const auto y = predicted(model, x);
    const auto coarse = perturb(rotation_translation{.angles = 3, .shifts = 3}, model, x, y, {.trace = true}),
               fine = perturb(rotation_translation{.angles = 5, .shifts = 3}, testing::black_box(model), x, y);
    CHECK(fine.success_rate() >= coarse.success_rate());
    CHECK(coarse.success_rate() > 0);
    CHECK(fine.rejected == 0);
    for (std::size_t i = 0; i < x.size(); ++i)
        for (std::size_t c = 0; c < 27; ++c)
            if (coarse.trace.success[27 * i + c] == coarse.success[i]) CHECK(coarse.loss[i] >= coarse.trace.loss[27 * i + c]);
}

TEST_CASE("rotations have the same bits for any number of threads, batch size and order", "[attacks][spatial][determinism]") {
    const auto x = random_images(67, {1, 5, 5});
    check_invariance(rotation_translation{.draws = 6, .early_stop = true}, toy_quadratic(), x);
    check_invariance(rotation_translation{.angles = 3, .shifts = 3, .early_stop = true}, toy_linear(), x);
}

TEST_CASE("rotations name the settings that are out of range", "[attacks][spatial][errors]") {
    const auto refused = [](const rotation_translation& a) { CHECK_THROWS_AS(a.validate("test"), invalid_argument); };
    refused({.largest_angle = 200});
    refused({.largest_shift = -1});
    refused({.angles = 0});
    refused({.shifts = 0});
}
