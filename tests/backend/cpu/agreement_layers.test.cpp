#include "saddle/nn/activations.hpp"
#include "saddle/nn/linear.hpp"
#include "saddle/nn/normalization.hpp"
#include "saddle/nn/pooling.hpp"
#include "saddle/nn/residual.hpp"
#include "saddle/nn/sequential.hpp"
#include "support/agreement.hpp"
#include "support/backends.hpp"
#include "support/catch.hpp"

using namespace saddle;
using namespace saddle::testing;

namespace {

/// In float to 1e-5, in double to 1e-12, over whole and partial blocks.
template <class Backend, class Shape, class Network>
void check_agreement(const Network& network = {}) {
    const auto narrow = compare_with_reference<Network, Shape, Backend, float>(21, network);
    const auto wide = compare_with_reference<Network, Shape, Backend, double>(11, network);
    INFO(Shape::value << " logits " << narrow.logits << " input " << narrow.input_gradient << " weights "
                      << narrow.weight_gradient << " buffers " << narrow.buffers);
    CHECK(narrow.worst() <= 1e-5);
    CHECK(wide.worst() <= 1e-12);
}

struct cube {
    template <class Shape>
    using output = Shape;
    template <class V>
    static V value(V x) {
        return x * x * x;
    }
    template <class V>
    static V derivative(V x) {
        return 3 * x * x;
    }
};

}  // namespace

TEMPLATE_LIST_TEST_CASE("3x3 convolutions agree with the reference", "[backend]", backends) {
    check_agreement<TestType, shape<3, 9, 7>, conv2d<8, 3>>();
    check_agreement<TestType, shape<16, 8, 8>, conv2d<32, 3, padding<1>>>();
    check_agreement<TestType, shape<64, 8, 6>, conv2d<64, 3, padding<1>, no_bias>>();
    check_agreement<TestType, shape<64, 4, 4>, conv2d<96, 3, padding<1>, no_bias>>();
    check_agreement<TestType, shape<64, 9, 7>, conv2d<65, 3>>();
    check_agreement<TestType, shape<6, 9, 7>, conv2d<10, 3, stride<2>, padding<1>>>();
    check_agreement<TestType, shape<1, 28, 28>, conv2d<32, 3>>();
}

TEMPLATE_LIST_TEST_CASE("convolutions of other sizes agree with the reference", "[backend]", backends) {
    check_agreement<TestType, shape<1, 28, 28>, conv2d<16, 4, stride<2>>>();
    check_agreement<TestType, shape<16, 13, 13>, conv2d<32, 4, stride<2>>>();
    check_agreement<TestType, shape<3, 12, 10>, conv2d<6, 5>>();
    check_agreement<TestType, shape<1, 14, 14>, conv2d<8, 5, padding<2>>>();
    check_agreement<TestType, shape<12, 6, 5>, conv2d<24, 1>>();
    check_agreement<TestType, shape<12, 6, 5>, conv2d<24, 1, stride<2>, no_bias>>();
    check_agreement<TestType, shape<2, 9, 11>, conv2d<5, 2, window_width<7>, stride<3>, padding<1>>>();
    check_agreement<TestType, shape<3, 17, 15>, conv2d<5, 7, stride<2>, padding<3>>>();
}

TEMPLATE_LIST_TEST_CASE("linear layers agree with the reference", "[backend]", backends) {
    check_agreement<TestType, shape<800>, linear<100>>();
    check_agreement<TestType, shape<100>, linear<10, no_bias>>();
    check_agreement<TestType, shape<3>, linear<1>>();
    check_agreement<TestType, shape<2, 5, 5>, sequential<flatten, linear<7>>>();
}

TEMPLATE_LIST_TEST_CASE("activations agree with the reference", "[backend]", backends) {
    using picture = shape<5, 7, 6>;
    check_agreement<TestType, picture, relu>();
    check_agreement<TestType, picture, leaky_relu>(leaky_relu{.slope = .1});
    check_agreement<TestType, picture, sigmoid>();
    check_agreement<TestType, picture, saddle::tanh>();
    check_agreement<TestType, picture, softplus>();
    check_agreement<TestType, picture, silu>();
    check_agreement<TestType, picture, cube>();
}

TEMPLATE_LIST_TEST_CASE("activations after layers that may absorb them agree with the reference", "[backend]", backends) {
    check_agreement<TestType, shape<3, 7, 6>,
                    sequential<conv2d<9, 3, padding<1>>, relu, conv2d<5, 3, padding<1>>, leaky_relu, conv2d<5, 2>, cube>>();
    check_agreement<TestType, shape<3, 7, 6>,
                    sequential<conv2d<9, 3, padding<1>>, silu, conv2d<5, 3, stride<2>>, softplus, conv2d<5, 1>, saddle::tanh>>();
    check_agreement<TestType, shape<3, 7, 6>, sequential<relu, relu, conv2d<4, 3, padding<1>>, sigmoid, relu>>();
}

TEMPLATE_LIST_TEST_CASE("pools agree with the reference", "[backend]", backends) {
    check_agreement<TestType, shape<5, 8, 6>, max_pool2d<2>>();
    check_agreement<TestType, shape<5, 9, 7>, max_pool2d<3, stride<2>, padding<1>>>();
    check_agreement<TestType, shape<5, 9, 7>, avg_pool2d<3, stride<2>, padding<1>>>();
    check_agreement<TestType, shape<5, 9, 7>, global_avg_pool>();
    check_agreement<TestType, shape<2, 9, 9>,
                    sequential<conv2d<6, 3>, relu, max_pool2d<2>, conv2d<4, 2, padding<1>>, max_pool2d<2>>>();
    check_agreement<TestType, shape<2, 9, 9>,
                    sequential<conv2d<6, 3, padding<1>>, max_pool2d<3, stride<2>, padding<1>>, relu, avg_pool2d<2>>>();
}

TEMPLATE_LIST_TEST_CASE("norms agree with the reference, folded or not", "[backend]", backends) {
    check_agreement<TestType, shape<5, 4, 6>, normalize>(
        normalize{.mean = {.1, .2, .3, .4, .5}, .deviation = {.2, .3, .4, .5, .6}});
    check_agreement<TestType, shape<5, 4, 6>, batch_norm>();
    check_agreement<TestType, shape<3, 6, 6>,
                    sequential<conv2d<8, 3, padding<1>>, batch_norm, relu, conv2d<6, 3, no_bias>, batch_norm>>();
    check_agreement<
        TestType, shape<3, 6, 6>,
        sequential<batch_norm, relu, conv2d<8, 3, padding<1>, no_bias>, batch_norm, relu, conv2d<8, 3, padding<1>>>>();
    check_agreement<TestType, shape<8, 4, 6>, group_norm<4>>();
    check_agreement<TestType, shape<3, 6, 6>,
                    sequential<conv2d<8, 3, padding<1>>, group_norm<2>, relu, conv2d<4, 3>, group_norm<1>>>();
    check_agreement<TestType, shape<1, 6, 6>, sequential<normalize, conv2d<4, 3, padding<1>>, relu>>(
        sequential<normalize, conv2d<4, 3, padding<1>>, relu>(normalize{.mean = {.1307}, .deviation = {.3081}}, {}, {}));
}

TEMPLATE_LIST_TEST_CASE("dropout agrees with the reference draw by draw", "[backend]", backends) {
    check_agreement<TestType, shape<3, 6, 6>, sequential<conv2d<8, 3>, relu, dropout, flatten, linear<9>, dropout>>();
}

TEMPLATE_LIST_TEST_CASE("residuals agree with the reference", "[backend]", backends) {
    using body = sequential<conv2d<4, 3, padding<1>>, batch_norm, relu, conv2d<4, 3, padding<1>, no_bias>, batch_norm>;
    check_agreement<TestType, shape<4, 6, 5>, sequential<residual<body>, relu, residual<body>>>();
    check_agreement<TestType, shape<4, 6, 5>, residual<relu>>();
    using projected = residual<sequential<conv2d<6, 3, stride<2>, padding<1>>, relu, conv2d<6, 3, padding<1>>>,
                               sequential<conv2d<6, 1, stride<2>>, batch_norm>>;
    check_agreement<TestType, shape<4, 7, 5>, sequential<conv2d<4, 3, padding<1>>, relu, projected, relu>>();
}
