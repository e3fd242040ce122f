#include "saddle/nn/networks/conv_small.hpp"
#include "saddle/nn/networks/small_cnn.hpp"
#include "saddle/nn/networks/wide_resnet.hpp"
#include "support/agreement.hpp"
#include "support/backends.hpp"
#include "support/catch.hpp"

using namespace saddle;
using namespace saddle::testing;

namespace {

/// Networks with ReLU and max-pool: gradients with the backend's masks imposed on the reference.
template <class Backend, class Shape, class Network>
void check_network(std::size_t count) {
    const auto found = compare_with_reference<Network, Shape, Backend, float>(count);
    INFO("logits " << found.logits << " input " << found.input_gradient << " weights " << found.weight_gradient << " buffers "
                   << found.buffers);
    CHECK(found.worst() <= 1e-5);
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("the small networks agree with the reference with identical masks", "[backend]", backends) {
    check_network<TestType, shape<1, 28, 28>, networks::conv_small<>>(5);
    check_network<TestType, shape<3, 32, 32>, networks::lenet<>>(5);
    check_network<TestType, shape<1, 28, 28>, networks::model_z<>>(5);
}

TEMPLATE_LIST_TEST_CASE("the small CNN and Madry's network agree with the reference with identical masks", "[backend]",
                        backends) {
    check_network<TestType, shape<1, 28, 28>, networks::small_cnn<>>(5);
    check_network<TestType, shape<1, 28, 28>, networks::madry_mnist<>>(3);
}

TEMPLATE_LIST_TEST_CASE("residual networks agree with the reference with identical masks", "[backend]", backends) {
    using basic = sequential<named<"conv1", networks::detail::convolution<16, 3>>, named<"bn1", batch_norm>, relu,
                             networks::detail::basic_block<16, 1, identity>,
                             networks::detail::basic_block<24, 2, networks::detail::projection<24, 2>>, global_avg_pool, flatten,
                             linear<10>>;
    check_network<TestType, shape<3, 12, 12>, basic>(9);
    using bottleneck = sequential<networks::detail::bottleneck<8, 1, networks::detail::projection<32, 1>>,
                                  networks::detail::bottleneck<8, 1, identity>, global_avg_pool, flatten, linear<10>>;
    check_network<TestType, shape<3, 12, 12>, bottleneck>(9);
    check_network<TestType, shape<3, 16, 16>, networks::wide_resnet<10, 1>>(9);
}
