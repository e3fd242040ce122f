#include "saddle/testing/gradient_check.hpp"
#include "saddle/nn/custom_layer.hpp"
#include "saddle/nn/linear.hpp"
#include "saddle/nn/sequential.hpp"
#include "saddle/testing/random_images.hpp"
#include "support/backends.hpp"
#include "support/catch.hpp"

using namespace saddle;
using namespace saddle::testing;

namespace {

/// Its derivative is off by one part in a thousand.
struct wrong_square {
    template <class Shape>
    using output = Shape;
    template <class V>
    static V value(V x) {
        return x * x;
    }
    template <class V>
    static V derivative(V x) {
        return V(2.002) * x;
    }
};

/// A plain model: z_k = sin(k+1 + sum of x). `Scale` 1 is its true gradient.
template <int Scale>
struct wave {
    using value_type = double;
    static constexpr std::size_t classes = 3;
    [[nodiscard]] extents input() const { return {1, 2, 2}; }
    void logits(const basic_images<double>& x, std::span<double> z) const {
        for (std::size_t i = 0; i < z.size(); ++i) z[i] = std::sin(phase(x, i));
    }
    void input_gradient(const basic_images<double>& x, std::span<const double> dz, std::span<double> gradient) const {
        std::fill(gradient.begin(), gradient.end(), 0.);
        for (std::size_t i = 0; i < dz.size(); ++i)
            for (std::size_t j = 0; j < 4; ++j) gradient[i / 3 * 4 + j] += Scale * dz[i] * std::cos(phase(x, i));
    }
    static double phase(const basic_images<double>& x, std::size_t i) {
        return std::accumulate(x[i / 3].begin(), x[i / 3].end(), static_cast<double>(i % 3 + 1));
    }
};

}  // namespace

TEST_CASE("the gradient check passes a linear function to rounding", "[testing]") {
    std::vector<double> at{1, 2, 3};
    const std::vector<double> gradient{4, -5, 6};
    const auto result = compare_gradient("x", at, gradient, [&] { return 4 * at[0] - 5 * at[1] + 6 * at[2]; });
    CHECK(result.difference <= 1e-9);
    CHECK(result.size >= 4);
    CHECK(at == std::vector<double>{1, 2, 3});
}

TEST_CASE("the gradient check finds a derivative that is off by a thousandth, in the input and below", "[testing]") {
    const model<sequential<linear<4>, wrong_square, linear<3>>, shape<4>, backend::reference, double> m(1);
    const auto report = check_gradients(m, random_images(3, {4, 1, 1}));
    REQUIRE(report.tensors.size() == 5);
    for (const auto& c : report.tensors) {
        const bool below = c.name == "input" || c.name == "0.weight" || c.name == "0.bias";
        INFO(c.name);
        if (below)
            CHECK(report.relative(c) == Approx(1e-3).epsilon(.05));
        else
            CHECK(report.relative(c) <= 1e-6);
    }
    CHECK(report.error() > 1e-4);
    CHECK(report.describe().find("0.weight: relative error") != std::string::npos);
}

TEST_CASE("the gradient check judges a NaN as wrong", "[testing]") {
    std::vector<double> at{1};
    const std::vector<double> gradient{std::nan("")};
    const gradient_report report{{compare_gradient("x", at, gradient, [&] { return at[0]; })}};
    CHECK_FALSE(report.error() <= 1e-6);
}

TEST_CASE("the gradient check takes a class of the user's own", "[testing]") {
    CHECK(check_gradients(wave<1>{}, random_images(3, {1, 2, 2})).error() <= 1e-6);
    CHECK(check_gradients(wave<2>{}, random_images(3, {1, 2, 2})).error() > .1);
}

TEST_CASE("the gradient check refuses images of another shape", "[testing]") {
    const model<linear<3>, shape<4>, backend::reference, double> m;
    CHECK_THROWS_AS(check_gradients(m, random_images(3, {5, 1, 1})), shape_error);
    CHECK_THROWS_AS(check_gradients(m, basic_images<double>(0, {4, 1, 1})), shape_error);
}
