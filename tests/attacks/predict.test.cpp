#include "saddle/attacks/predict.hpp"

#include "attacks/toy.hpp"
#include "support/catch.hpp"

using namespace saddle;

TEST_CASE("predict returns the model's own logits in the images' order", "[attacks][predict]") {
    const auto model = toy_linear();
    const auto x = random_images(37, toy_shape);
    std::vector<float> expected(37 * 3);
    model.logits(x, expected);
    for (const std::size_t threads : {1u, 2u, 5u}) {
        worker_pool pool(threads);
        const auto found = predict(model, x, pool);
        CHECK(same_bits<float>(found.logits, expected));
        CHECK(found.not_finite == 0);
        for (std::size_t i = 0; i < 37; ++i) {
            const auto row = expected.begin() + static_cast<std::ptrdiff_t>(3 * i);
            CHECK(found.classes[i] == std::max_element(row, row + 3) - row);
        }
    }
}

TEST_CASE("predict makes a pool of its own where none is passed", "[attacks][predict]") {
    const auto model = toy_linear();
    const auto x = random_images(37, toy_shape);
    worker_pool pool(2);
    CHECK(same_bits<float>(predict(model, x).logits, predict(model, x, pool).logits));
}

TEST_CASE("NaN logits are no prediction and no success of anyone", "[attacks][predict][pitfalls]") {
    const auto inner = toy_linear();
    const partly_broken<testing::linear_model<3>> model{&inner};
    auto x = random_images(10, toy_shape);
    for (std::size_t i = 0; i < 10; ++i) x[i][0] = i < 2 ? 1.f : 0.f;
    worker_pool pool(1);
    const auto found = predict(model, x, pool);
    CHECK(found.not_finite == 2);
    CHECK(found.classes[1] == -1);
    CHECK(found.classes[2] >= 0);
    CHECK(found.accuracy(predicted(inner, x)) == Approx(.8));
}

TEST_CASE("predict refuses images that do not fit", "[attacks][predict][errors]") {
    const auto model = toy_linear();
    worker_pool pool(1);
    CHECK_THROWS_AS(predict(model, images(2, {3, 5, 5}), pool), shape_error);
    auto x = random_images(2, toy_shape);
    x[1][3] = -1;
    CHECK_THROWS_AS(predict(model, x, pool), data_error);
    x[1][3] = 0;
    CHECK_THROWS_AS(predict(model, x, pool).accuracy(labels{0}), shape_error);
}
