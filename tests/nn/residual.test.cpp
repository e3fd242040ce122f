#include "saddle/nn/residual.hpp"
#include "saddle/nn/activations.hpp"
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

using body = conv2d<2, 3, padding<1>>;
using projected = residual<conv2d<4, 3, stride<2>, padding<1>>, conv2d<4, 1, stride<2>, no_bias>>;

}  // namespace

TEMPLATE_LIST_TEST_CASE("a residual adds its input to what its body makes of it", "[nn]", backends) {
    const model<residual<body>, shape<2, 4, 5>, TestType, double> whole(1);
    const model<body, shape<2, 4, 5>, TestType, double> inside(1);
    const auto x = random_images(3, {2, 4, 5});
    const auto y = output_of_model(whole, x), through = output_of_model(inside, x);
    for (std::size_t i = 0; i < x.values().size(); ++i)
        CHECK(y.values()[i] == Approx(x.values()[i] + through.values()[i]).margin(1e-15));
}

TEMPLATE_LIST_TEST_CASE("a residual's gradients agree with finite differences, with identity, projection and nesting", "[nn]",
                        backends) {
    const auto x = random_images(3, {2, 6, 5});
    CHECK(check_gradients(model<residual<body>, shape<2, 6, 5>, TestType, double>(1), x).error() <= 1e-6);
    CHECK(check_gradients(model<projected, shape<2, 6, 5>, TestType, double>(1), x).error() <= 1e-6);
    using nested = sequential<residual<sequential<body, softplus, residual<body>>>, silu, projected, saddle::tanh>;
    CHECK(check_gradients(model<nested, shape<2, 6, 5>, TestType, double>(1), x).error() <= 1e-6);
}

TEMPLATE_LIST_TEST_CASE("a residual right at the input or of activations alone keeps the values that its shortcut needs", "[nn]",
                        backends) {
    const auto x = random_images(3, {2, 6, 5});
    CHECK(check_gradients(model<residual<softplus>, shape<2, 6, 5>, TestType, double>(1), x).error() <= 1e-6);
    CHECK(check_gradients(
              model<sequential<body, residual<sequential<relu, silu>>, residual<relu>>, shape<2, 6, 5>, TestType, double>(1), x)
              .error() <= 1e-6);
}

TEMPLATE_LIST_TEST_CASE("a residual whose body passes its input on doubles it", "[nn]", backends) {
    const auto x = random_images(3, {2, 4, 5});
    const auto y = output_of_model(model<residual<identity>, shape<2, 4, 5>, TestType, double>(), x);
    for (std::size_t i = 0; i < x.values().size(); ++i) CHECK(y.values()[i] == 2 * x.values()[i]);
}

TEST_CASE("a residual names its shortcut's parameters", "[nn]") {
    const auto p = make_plan<sequential<projected>, shape<2, 6, 5>, backend::reference, float>();
    REQUIRE(p.parameters.size() == 3);
    CHECK(p.parameters[0].name == "0.weight");
    CHECK(p.parameters[1].name == "0.bias");
    CHECK(p.parameters[2].name == "0.shortcut.weight");
    using named_shortcut = residual<conv2d<4, 1>, named<"down", conv2d<4, 1, no_bias>>>;
    CHECK(make_plan<named_shortcut, shape<2, 6, 5>, backend::reference, float>().parameters[2].name == "down.weight");
}
