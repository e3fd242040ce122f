#include "saddle/nn/linear.hpp"
#include "saddle/nn/sequential.hpp"
#include "saddle/testing/gradient_check.hpp"
#include "saddle/testing/random_images.hpp"
#include "support/backends.hpp"
#include "support/catch.hpp"
#include "support/evaluate.hpp"

using namespace saddle;
using namespace saddle::testing;

TEMPLATE_LIST_TEST_CASE("linear is the matrix product with its weight plus its bias", "[nn]", backends) {
    const model<linear<3>, shape<4>, TestType, double> m(2);
    const auto x = random_images(5, {4, 1, 1});
    const auto y = output_of_model(m, x);
    const auto weights = m.parameters();
    for (std::size_t n = 0; n < x.size(); ++n)
        for (std::size_t k = 0; k < 3; ++k) {
            double sum = weights[12 + k];
            for (std::size_t i = 0; i < 4; ++i) sum += weights[k * 4 + i] * x[n][i];
            CHECK(y[n][k] == Approx(sum).margin(1e-15));
        }
}

TEMPLATE_LIST_TEST_CASE("linear's gradients agree with finite differences", "[nn]", backends) {
    CHECK(check_gradients(model<linear<7>, shape<5>, TestType, double>(3), random_images(3, {5, 1, 1})).error() <= 1e-6);
    CHECK(check_gradients(model<linear<7, no_bias>, shape<5>, TestType, double>(3), random_images(3, {5, 1, 1})).error() <= 1e-6);
    CHECK(check_gradients(model<linear<1>, shape<33>, TestType, double>(3), random_images(1, {33, 1, 1})).error() <= 1e-6);
    CHECK(check_gradients(model<linear<33>, shape<1>, TestType, double>(3), random_images(20, {1, 1, 1})).error() <= 1e-6);
}

TEST_CASE("linear's parameters are named and laid out as PyTorch's", "[nn]") {
    const auto p = make_plan<linear<3>, shape<4>, backend::reference, float>();
    REQUIRE(p.parameters.size() == 2);
    CHECK(p.parameters[0].name == "weight");
    CHECK(p.parameters[0].dimensions == std::vector<std::size_t>{3, 4});
    CHECK(p.parameters[1].dimensions == std::vector<std::size_t>{3});
    CHECK(make_plan<linear<3, no_bias>, shape<4>, backend::reference, float>().parameters.size() == 1);
}

TEMPLATE_LIST_TEST_CASE("flatten keeps the values in channel, row, column order", "[nn]", backends) {
    const auto x = random_images(3, {2, 3, 4});
    const auto y = output_of_model(model<flatten, shape<2, 3, 4>, TestType, double>(), x);
    CHECK(y.each() == extents{24, 1, 1});
    CHECK(std::equal(y.values().begin(), y.values().end(), x.values().begin(), x.values().end()));
}

TEMPLATE_LIST_TEST_CASE("flatten between layers passes gradients through", "[nn]", backends) {
    using network = sequential<conv2d<3, 2>, flatten, linear<4>>;
    CHECK(check_gradients(model<network, shape<2, 3, 4>, TestType, double>(1), random_images(3, {2, 3, 4})).error() <= 1e-6);
}
