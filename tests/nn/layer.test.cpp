#include "saddle/nn/layer.hpp"
#include "saddle/nn/activations.hpp"
#include "saddle/nn/linear.hpp"
#include "support/backends.hpp"
#include "support/catch.hpp"

using namespace saddle;

namespace {

struct no_layer {};
struct without_kernel {
    template <class Shape>
    using output = Shape;
};

}  // namespace

TEST_CASE("a layer is a type that tells its output shape", "[nn]") {
    STATIC_REQUIRE(Layer<relu, shape<2, 3, 4>>);
    STATIC_REQUIRE(Layer<without_kernel, shape<2, 3, 4>>);
    STATIC_REQUIRE_FALSE(Layer<no_layer, shape<2, 3, 4>>);
}

TEST_CASE("a layer without value, forward or append has no kernel on this backend", "[nn]") {
    STATIC_REQUIRE_FALSE(saddle::detail::has_block_kernels<without_kernel, shape<4>, backend::reference, float>);
    STATIC_REQUIRE_FALSE(saddle::detail::appends_itself<without_kernel, shape<4>, backend::reference, float>);
    STATIC_REQUIRE(saddle::detail::appends_itself<linear<3>, shape<4>, backend::reference, float>);
}

TEST_CASE("a fixed string keeps its characters", "[nn]") {
    CHECK(fixed_string("conv1").str() == "conv1");
    CHECK(fixed_string("").str().empty());
}
