#include "saddle/nn/conv2d.hpp"
#include "saddle/testing/gradient_check.hpp"
#include "saddle/testing/random_images.hpp"
#include "support/backends.hpp"
#include "support/catch.hpp"
#include "support/evaluate.hpp"

using namespace saddle;
using namespace saddle::testing;

namespace {

/// The definition, written out: one sum per output value.
basic_images<double> direct_convolution(const basic_images<double>& x, const plan& p, std::span<const double> parameters) {
    const auto& op = p.operations[0];
    const auto& w = op.window;
    const extents in = x.each(), out = p.tensors[1];
    basic_images<double> y(x.size(), out);
    for (std::size_t n = 0; n < x.size(); ++n)
        for (std::size_t o = 0; o < out.channels; ++o)
            for (std::size_t r = 0; r < out.height; ++r)
                for (std::size_t s = 0; s < out.width; ++s) {
                    double sum = op.bias == none ? 0 : parameters[p.parameters[op.bias].offset + o];
                    for (std::size_t c = 0; c < in.channels; ++c)
                        for (std::size_t i = 0; i < w.height; ++i)
                            for (std::size_t j = 0; j < w.width; ++j) {
                                const auto row =
                                    static_cast<std::ptrdiff_t>(r * w.stride + i) - static_cast<std::ptrdiff_t>(w.padding);
                                const auto column =
                                    static_cast<std::ptrdiff_t>(s * w.stride + j) - static_cast<std::ptrdiff_t>(w.padding);
                                if (row < 0 || column < 0 || row >= static_cast<std::ptrdiff_t>(in.height) ||
                                    column >= static_cast<std::ptrdiff_t>(in.width))
                                    continue;
                                sum += parameters[((o * in.channels + c) * w.height + i) * w.width + j] *
                                       x[n][(c * in.height + static_cast<std::size_t>(row)) * in.width +
                                            static_cast<std::size_t>(column)];
                            }
                    y[n][(o * out.height + r) * out.width + s] = sum;
                }
    return y;
}

template <class Backend, class Shape, class Layer>
void check_convolution() {
    const model<Layer, Shape, Backend, double> m(5);
    const auto x = random_images(3, Shape::value);
    INFO(Shape::value << " stride " << Layer::options::window.stride << " padding " << Layer::options::window.padding << " bias "
                      << Layer::options::bias);
    CHECK(relative_difference(output_of_model(m, x), direct_convolution(x, m.structure(), m.parameters())) <= 1e-14);
    const auto report = check_gradients(m, x);
    INFO(report.describe());
    CHECK(report.error() <= 1e-6);
}

template <class Backend, class Shape, std::size_t Size, std::size_t Stride>
void check_paddings() {
    check_convolution<Backend, Shape, conv2d<4, Size, stride<Stride>>>();
    check_convolution<Backend, Shape, conv2d<4, Size, stride<Stride>, no_bias>>();
    check_convolution<Backend, Shape, conv2d<4, Size, stride<Stride>, padding<1>>>();
    check_convolution<Backend, Shape, conv2d<4, Size, stride<Stride>, padding<2>, no_bias>>();
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("a convolution and its gradients follow the definition for every stride, padding and bias", "[nn]",
                        backends) {
    check_paddings<TestType, shape<2, 7, 5>, 3, 1>();
    check_paddings<TestType, shape<2, 7, 5>, 3, 2>();
    check_paddings<TestType, shape<2, 7, 5>, 3, 3>();
    check_paddings<TestType, shape<1, 6, 9>, 4, 2>();
}

TEMPLATE_LIST_TEST_CASE("a convolution's window may be rectangular, a single pixel, or the whole image", "[nn]", backends) {
    check_convolution<TestType, shape<2, 7, 5>, conv2d<3, 2, window_width<4>>>();
    check_convolution<TestType, shape<2, 7, 5>, conv2d<3, 5, window_width<1>, stride<2>, padding<1>>>();
    check_convolution<TestType, shape<3, 4, 6>, conv2d<5, 1>>();
    check_convolution<TestType, shape<3, 4, 6>, conv2d<5, 1, stride<2>, no_bias>>();
    check_convolution<TestType, shape<3, 4, 4>, conv2d<1, 4>>();
    check_convolution<TestType, shape<1, 1, 8>, conv2d<2, 1, window_width<3>>>();
    check_convolution<TestType, shape<2, 1, 1>, conv2d<3, 3, padding<1>>>();
}

TEMPLATE_LIST_TEST_CASE("a convolution handles channel counts that fill no register tile", "[nn]", backends) {
    check_convolution<TestType, shape<3, 5, 5>, conv2d<1, 3, padding<1>>>();
    check_convolution<TestType, shape<5, 5, 6>, conv2d<7, 3, padding<1>>>();
    check_convolution<TestType, shape<17, 4, 4>, conv2d<19, 3, padding<1>, no_bias>>();
}

TEST_CASE("a convolution's output shape follows stride, padding and window width", "[nn]") {
    STATIC_REQUIRE(output_of<conv2d<16, 4, stride<2>>, shape<1, 28, 28>>::value == extents{16, 13, 13});
    STATIC_REQUIRE(output_of<conv2d<32, 5, padding<2>>, shape<1, 28, 20>>::value == extents{32, 28, 20});
    STATIC_REQUIRE(output_of<conv2d<8, 3, window_width<1>, stride<3>>, shape<2, 10, 7>>::value == extents{8, 3, 3});
}

TEST_CASE("a convolution's parameters are named and laid out as PyTorch's", "[nn]") {
    const auto p = make_plan<conv2d<6, 3, window_width<2>>, shape<4, 8, 8>, backend::reference, float>();
    REQUIRE(p.parameters.size() == 2);
    CHECK(p.parameters[0].name == "weight");
    CHECK(p.parameters[0].dimensions == std::vector<std::size_t>{6, 4, 3, 2});
    CHECK(p.parameters[1].name == "bias");
    CHECK(p.parameters[1].dimensions == std::vector<std::size_t>{6});
}

TEST_CASE("a convolution's weights start uniform within one over the root of the fan-in", "[nn]") {
    const model<conv2d<64, 3>, shape<4, 8, 8>, backend::reference> m(1);
    const double bound = 1 / std::sqrt(36.);
    double largest = 0, mean = 0;
    for (const float w : m.parameters())
        largest = std::max(largest, std::abs(static_cast<double>(w))), mean += w / static_cast<double>(m.parameters().size());
    CHECK(largest <= bound);
    CHECK(largest > .99 * bound);
    CHECK(std::abs(mean) < .1 * bound);
}
