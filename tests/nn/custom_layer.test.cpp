#include "saddle/nn/custom_layer.hpp"
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

/// A user's elementwise layer: x / (1 + x²).
struct bump {
    template <class Shape>
    using output = Shape;
    template <class V>
    static V value(V x) {
        return x / (1 + x * x);
    }
    template <class V>
    static V derivative(V x) {
        return (1 - x * x) / ((1 + x * x) * (1 + x * x));
    }
};

/// A user's layer on blocks with parameters: y[c] = gain[c] · x[c]² + x[C-1-c] + offset[0].
struct mirror {
    template <class Shape>
    using output = Shape;

    template <class In>
    static std::vector<parameter_info> parameters() {
        return {{.name = "gain", .dimensions = {In::channels}, .fan_in = 1},
                {.name = "offset", .dimensions = {1}, .start = initial_value::zeros}};
    }
    template <class In, class T>
    static void forward(block<const T> x, std::span<const T* const> parameters, block<T> y) {
        each(x, [&](std::size_t c, std::size_t r, std::size_t i) {
            const T v = x.at(c, r)[i];
            y.at(c, r)[i] = parameters[0][c] * v * v + x.at(In::channels - 1 - c, r)[i] + parameters[1][0];
        });
    }
    template <class In, class T>
    static void backward(block<const T> x, block<const T>, block<const T> dy, std::span<const T* const> parameters, block<T> dx) {
        each(x, [&](std::size_t c, std::size_t r, std::size_t i) {
            dx.at(c, r)[i] = 2 * parameters[0][c] * x.at(c, r)[i] * dy.at(c, r)[i] + dy.at(In::channels - 1 - c, r)[i];
        });
    }
    template <class In, class T>
    static void gradient(block<const T> x, block<const T>, block<const T> dy, std::span<T* const> gradients) {
        each(x, [&](std::size_t c, std::size_t r, std::size_t i) {
            gradients[0][c] += dy.at(c, r)[i] * x.at(c, r)[i] * x.at(c, r)[i];
            gradients[1][0] += dy.at(c, r)[i];
        });
    }

private:
    template <class T, class F>
    static void each(block<const T> x, F f) {
        for (std::size_t c = 0; c < x.shape.channels; ++c)
            for (std::size_t r = 0; r < x.shape.height; ++r)
                for (std::size_t i = 0; i < x.shape.width * x.lanes; ++i) f(c, r, i);
    }
};

/// A user's layer that changes the shape: keeps the first row.
struct first_row {
    template <class Shape>
    using output = shape<Shape::channels, 1, Shape::width>;
    template <class In, class T>
    static void forward(block<const T> x, std::span<const T* const>, block<T> y) {
        for (std::size_t c = 0; c < In::channels; ++c) std::copy_n(x.at(c), In::width * x.lanes, y.at(c));
    }
    template <class In, class T>
    static void backward(block<const T>, block<const T>, block<const T> dy, std::span<const T* const>, block<T> dx) {
        for (std::size_t c = 0; c < In::channels; ++c)
            for (std::size_t r = 0; r < In::height; ++r)
                for (std::size_t i = 0; i < In::width * dx.lanes; ++i) dx.at(c, r)[i] = r == 0 ? dy.at(c)[i] : T(0);
    }
};

}  // namespace

TEMPLATE_LIST_TEST_CASE("a user's elementwise layer computes its value and derivative", "[nn]", backends) {
    const model<bump, shape<2, 3, 4>, TestType, double> m;
    const auto x = random_images(3, {2, 3, 4});
    const auto y = output_of_model(m, x);
    for (std::size_t i = 0; i < x.values().size(); ++i) CHECK(y.values()[i] == Approx(bump::value(x.values()[i])).margin(1e-15));
    CHECK(check_gradients(m, x).error() <= 1e-6);
}

TEMPLATE_LIST_TEST_CASE("a user's layer on blocks has parameters that train", "[nn]", backends) {
    const model<mirror, shape<3, 2, 4>, TestType, double> m(2);
    const auto x = random_images(5, {3, 2, 4});
    const auto y = output_of_model(m, x);
    for (std::size_t n = 0; n < 5; ++n)
        for (std::size_t i = 0; i < 24; ++i)
            CHECK(y[n][i] == Approx(m.parameters()[i / 8] * x[n][i] * x[n][i] + x[n][(2 - i / 8) * 8 + i % 8]).margin(1e-15));
    CHECK(check_gradients(m, x).error() <= 1e-6);
}

TEMPLATE_LIST_TEST_CASE("a user's layers stand between built-in ones", "[nn]", backends) {
    using network = sequential<conv2d<4, 3, padding<1>>, bump, mirror, conv2d<2, 2, padding<1>>, first_row, bump>;
    const auto report = check_gradients(model<network, shape<2, 5, 4>, TestType, double>(3), random_images(5, {2, 5, 4}));
    INFO(report.describe());
    CHECK(report.error() <= 1e-6);
}

TEST_CASE("a user's parameters are named after the layer's path and start as asked", "[nn]") {
    const model<sequential<bump, mirror>, shape<3, 2, 4>, backend::reference> m;
    REQUIRE(m.structure().parameters.size() == 2);
    CHECK(m.structure().parameters[0].name == "1.gain");
    CHECK(m.structure().parameters[1].name == "1.offset");
    CHECK(m.parameters()[3] == 0);
}
