#include "saddle/nn/activations.hpp"
#include "saddle/nn/linear.hpp"
#include "saddle/nn/sequential.hpp"
#include "saddle/testing/gradient_check.hpp"
#include "saddle/testing/random_images.hpp"
#include "support/backends.hpp"
#include "support/catch.hpp"
#include "support/evaluate.hpp"

using namespace saddle;
using namespace saddle::testing;

namespace {

template <class Backend, class Activation, class Formula>
void check_values(const Activation& activation, Formula formula) {
    basic_images<double> x(1, {1, 3, 3});
    const double samples[] = {-40, -3, -.5, -1e-8, 0, 1e-8, .5, 3, 40};
    std::copy(std::begin(samples), std::end(samples), x.data());
    const auto y = output_of_model(model<Activation, shape<1, 3, 3>, Backend, double>(activation), x);
    for (std::size_t i = 0; i < 9; ++i) {
        INFO("x = " << samples[i]);
        CHECK(y.values()[i] == Approx(formula(samples[i])).epsilon(1e-13).margin(1e-300));
    }
}

template <class Backend, class Activation>
double gradient_error(const Activation& activation) {
    return check_gradients(model<Activation, shape<2, 3, 4>, Backend, double>(activation), random_images(3, {2, 3, 4})).error();
}

template <class Backend, class T, class Activation>
void check_extremes(double below, double above) {
    basic_images<T> x(1, {1, 1, 2});
    x.values()[0] = T(-1e4), x.values()[1] = T(1e4);
    const auto result = evaluate(prepare(model<Activation, shape<1, 1, 2>, Backend, T>()), x, {1, 1, 2},
                                 std::span<const T>(std::vector<T>{1, 1}));
    CHECK(result.output.values()[0] == Approx(below).margin(1e-30));
    CHECK(result.output.values()[1] == Approx(above));
    CHECK(std::isfinite(result.input_gradient.values()[0]));
    CHECK(std::isfinite(result.input_gradient.values()[1]));
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("activations have the values of their formulas", "[nn]", backends) {
    check_values<TestType>(relu{}, [](double x) { return std::max(x, 0.); });
    check_values<TestType>(leaky_relu{.slope = .1}, [](double x) { return x > 0 ? x : .1 * x; });
    check_values<TestType>(saddle::tanh{}, [](double x) { return std::tanh(x); });
    check_values<TestType>(sigmoid{}, [](double x) { return 1 / (1 + std::exp(-x)); });
    check_values<TestType>(silu{}, [](double x) { return x / (1 + std::exp(-x)); });
    check_values<TestType>(softplus{}, [](double x) { return x > 30 ? x + std::exp(-x) : std::log1p(std::exp(x)); });
}

TEMPLATE_LIST_TEST_CASE("activations' gradients agree with finite differences", "[nn]", backends) {
    CHECK(gradient_error<TestType>(relu{}) <= 1e-6);
    CHECK(gradient_error<TestType>(leaky_relu{.slope = .2}) <= 1e-6);
    CHECK(gradient_error<TestType>(sigmoid{}) <= 1e-6);
    CHECK(gradient_error<TestType>(saddle::tanh{}) <= 1e-6);
    CHECK(gradient_error<TestType>(softplus{}) <= 1e-6);
    CHECK(gradient_error<TestType>(silu{}) <= 1e-6);
}

TEMPLATE_LIST_TEST_CASE("a smooth network's gradients agree with finite differences", "[nn]", backends) {
    using network = sequential<linear<9>, softplus, linear<8>, silu, linear<7>, saddle::tanh, linear<6>, sigmoid, linear<5>>;
    CHECK(check_gradients(model<network, shape<6>, TestType, double>(4), random_images(4, {6, 1, 1})).error() <= 1e-6);
}

TEMPLATE_LIST_TEST_CASE("activations overflow nowhere", "[nn]", backends) {
    check_extremes<TestType, float, softplus>(0, 1e4);
    check_extremes<TestType, float, silu>(0, 1e4);
    check_extremes<TestType, float, sigmoid>(0, 1);
    check_extremes<TestType, float, saddle::tanh>(-1, 1);
    check_extremes<TestType, double, softplus>(0, 1e4);
    check_extremes<TestType, double, silu>(0, 1e4);
    check_extremes<TestType, double, sigmoid>(0, 1);
    check_extremes<TestType, double, saddle::tanh>(-1, 1);
}

TEMPLATE_LIST_TEST_CASE("the gradient of ReLU at 0 is 0, of leaky ReLU its slope", "[nn]", backends) {
    const basic_images<double> zero(1, {1, 1, 1});
    const std::vector<double> one{1};
    CHECK(evaluate(prepare(model<relu, shape<1>, TestType, double>()), zero, {1, 1, 1}, std::span<const double>(one))
              .input_gradient.values()[0] == 0);
    const model<leaky_relu, shape<1>, TestType, double> leaky(leaky_relu{.slope = .25});
    CHECK(evaluate(prepare(leaky), zero, {1, 1, 1}, std::span<const double>(one)).input_gradient.values()[0] == .25);
}

TEMPLATE_LIST_TEST_CASE("ReLU hides no NaN", "[nn]", backends) {
    basic_images<double> x(1, {1, 1, 1});
    x.values()[0] = std::numeric_limits<double>::quiet_NaN();
    CHECK(std::isnan(output_of_model(model<relu, shape<1>, TestType, double>(), x).values()[0]));
}
