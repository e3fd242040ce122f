#include "saddle/nn/pooling.hpp"
#include "saddle/testing/gradient_check.hpp"
#include "saddle/testing/random_images.hpp"
#include "support/backends.hpp"
#include "support/catch.hpp"
#include "support/evaluate.hpp"

using namespace saddle;
using namespace saddle::testing;

namespace {

/// The definition, written out: `largest` picks the maximum inside the image, otherwise the mean with zeros in the padding.
basic_images<double> direct_pool(const basic_images<double>& x, extents out, const window& w, bool largest) {
    const extents in = x.each();
    basic_images<double> y(x.size(), out);
    for (std::size_t n = 0; n < x.size(); ++n)
        for (std::size_t i = 0; i < out.size(); ++i) {
            const std::size_t c = i / out.pixels(), r = i % out.pixels() / out.width, s = i % out.width;
            double best = -std::numeric_limits<double>::infinity(), sum = 0;
            for (std::size_t row = 0; row < in.height; ++row)
                for (std::size_t column = 0; column < in.width; ++column) {
                    if (row + w.padding < r * w.stride || row + w.padding >= r * w.stride + w.height) continue;
                    if (column + w.padding < s * w.stride || column + w.padding >= s * w.stride + w.width) continue;
                    const double value = x[n][(c * in.height + row) * in.width + column];
                    best = std::max(best, value);
                    sum += value;
                }
            y[n][i] = largest ? best : sum / static_cast<double>(w.height * w.width);
        }
    return y;
}

template <class Backend, class Shape, class Pool>
void check_pool(bool largest) {
    const model<Pool, Shape, Backend, double> m;
    const auto x = random_images(3, Shape::value);
    const auto& w = m.structure().operations[0].window;
    INFO(Shape::value << " window " << w.height << 'x' << w.width << " stride " << w.stride << " padding " << w.padding);
    CHECK(relative_difference(output_of_model(m, x), direct_pool(x, m.structure().tensors[1], w, largest)) <= 1e-14);
    CHECK(check_gradients(m, x).error() <= 1e-6);
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("max pooling and its gradient follow the definition, with padding, overlap and leftovers", "[nn]",
                        backends) {
    check_pool<TestType, shape<2, 6, 4>, max_pool2d<2>>(true);
    check_pool<TestType, shape<2, 7, 5>, max_pool2d<2>>(true);
    check_pool<TestType, shape<2, 7, 5>, max_pool2d<3, stride<2>>>(true);
    check_pool<TestType, shape<2, 7, 5>, max_pool2d<3, stride<2>, padding<1>>>(true);
    check_pool<TestType, shape<2, 7, 5>, max_pool2d<2, stride<3>>>(true);
    check_pool<TestType, shape<1, 5, 6>, max_pool2d<3, stride<1>, padding<1>>>(true);
    check_pool<TestType, shape<1, 5, 6>, max_pool2d<2, window_width<3>, stride<1>>>(true);
}

TEMPLATE_LIST_TEST_CASE("average pooling and its gradient follow the definition, with padding, overlap and leftovers", "[nn]",
                        backends) {
    check_pool<TestType, shape<2, 6, 4>, avg_pool2d<2>>(false);
    check_pool<TestType, shape<2, 7, 5>, avg_pool2d<3, stride<2>>>(false);
    check_pool<TestType, shape<2, 7, 5>, avg_pool2d<3, stride<2>, padding<1>>>(false);
    check_pool<TestType, shape<2, 7, 5>, avg_pool2d<2, stride<3>>>(false);
    check_pool<TestType, shape<1, 5, 6>, avg_pool2d<2, window_width<3>, stride<1>>>(false);
}

TEMPLATE_LIST_TEST_CASE("global average pooling is the mean of each channel", "[nn]", backends) {
    check_pool<TestType, shape<3, 5, 4>, global_avg_pool>(false);
    check_pool<TestType, shape<3, 1, 1>, global_avg_pool>(false);
    STATIC_REQUIRE(output_of<global_avg_pool, shape<3, 5, 4>>::value == extents{3, 1, 1});
}

TEMPLATE_LIST_TEST_CASE("of equal largest values the first in row order takes the gradient", "[nn]", backends) {
    const basic_images<double> x(1, {1, 2, 2});
    const std::vector<double> one{1};
    const auto dx =
        evaluate(prepare(model<max_pool2d<2>, shape<1, 2, 2>, TestType, double>()), x, {1, 1, 1}, std::span<const double>(one))
            .input_gradient;
    CHECK(std::vector<double>(dx.values().begin(), dx.values().end()) == std::vector<double>{1, 0, 0, 0});
}

TEMPLATE_LIST_TEST_CASE("the padding of a max pool never wins against negative values", "[nn]", backends) {
    basic_images<double> x(1, {1, 2, 2});
    std::fill(x.values().begin(), x.values().end(), -3.);
    const auto y = output_of_model(model<max_pool2d<2, padding<1>>, shape<1, 2, 2>, TestType, double>(), x);
    CHECK(std::all_of(y.values().begin(), y.values().end(), [](double v) { return v == -3; }));
}

TEST_CASE("a pool's stride is its window unless given", "[nn]") {
    STATIC_REQUIRE(output_of<max_pool2d<2>, shape<4, 7, 5>>::value == extents{4, 3, 2});
    STATIC_REQUIRE(output_of<avg_pool2d<3, stride<1>, padding<1>>, shape<4, 7, 5>>::value == extents{4, 7, 5});
}
