#include "saddle/nn/sequential.hpp"
#include "saddle/nn/activations.hpp"
#include "saddle/nn/linear.hpp"
#include "saddle/nn/normalization.hpp"
#include "saddle/testing/gradient_check.hpp"
#include "saddle/testing/random_images.hpp"
#include "support/backends.hpp"
#include "support/catch.hpp"
#include "support/evaluate.hpp"

using namespace saddle;
using namespace saddle::testing;

namespace {

template <class Network, class Shape>
std::vector<std::string> names() {
    std::vector<std::string> all;
    for (const auto& info : make_plan<Network, Shape, backend::reference, float>().parameters) all.push_back(info.name);
    return all;
}
using strings = std::vector<std::string>;

}  // namespace

TEMPLATE_LIST_TEST_CASE("a sequential runs its layers in order", "[nn]", backends) {
    const model<sequential<linear<5>, relu, linear<2>>, shape<4>, TestType, double> whole(1);
    model<linear<5>, shape<4>, TestType, double> first;
    model<linear<2>, shape<5>, TestType, double> last;
    std::copy_n(whole.parameters().begin(), 25, first.parameters().begin());
    std::copy_n(whole.parameters().begin() + 25, 12, last.parameters().begin());
    const auto x = random_images(3, {4, 1, 1});
    auto middle = output_of_model(first, x);
    for (auto& v : middle.values()) v = std::max(v, 0.);
    CHECK(relative_difference(output_of_model(whole, x), output_of_model(last, middle)) <= 1e-14);
}

TEMPLATE_LIST_TEST_CASE("repeat has the gradients of the layers written out", "[nn]", backends) {
    const auto x = random_images(3, {4, 1, 1});
    const model<sequential<repeat<3, linear<4>>, saddle::tanh>, shape<4>, TestType, double> repeated(1);
    const model<sequential<linear<4>, linear<4>, linear<4>, saddle::tanh>, shape<4>, TestType, double> written(1);
    CHECK(output_of_model(repeated, x) == output_of_model(written, x));
    CHECK(check_gradients(repeated, x).error() <= 1e-6);
}

TEMPLATE_LIST_TEST_CASE("an empty sequential passes its input and gradient on", "[nn]", backends) {
    const auto x = random_images(3, {2, 2, 3});
    const model<sequential<>, shape<2, 2, 3>, TestType, double> m;
    CHECK(output_of_model(m, x) == x);
    CHECK(check_gradients(m, x).error() <= 1e-6);
}

TEST_CASE("layers are named by position, and by their own name where they have one", "[nn]") {
    CHECK(names<sequential<flatten, linear<3>, relu, linear<2>>, shape<1, 2, 2>>() ==
          strings{"1.weight", "1.bias", "3.weight", "3.bias"});
    CHECK(
        names<sequential<named<"hidden", linear<3, no_bias>>, relu, named<"out", sequential<linear<2, no_bias>>>>, shape<4>>() ==
        strings{"hidden.weight", "out.0.weight"});
    CHECK(names<sequential<named<"", linear<3>>>, shape<4>>() == strings{"weight", "bias"});
}

TEST_CASE("a repeat counts as many neighbours as it repeats", "[nn]") {
    CHECK(names<sequential<linear<4, no_bias>, repeat<2, linear<4, no_bias>>, linear<2, no_bias>>, shape<4>>() ==
          strings{"0.weight", "1.weight", "2.weight", "3.weight"});
    CHECK(names<repeat<2, linear<4, no_bias>>, shape<4>>() == strings{"0.weight", "1.weight"});
}

TEST_CASE("layers with settings are given to a sequential as values", "[nn]") {
    const sequential network{leaky_relu{.slope = .3}, dropout{.rate = .1}};
    const auto p = make_plan<decltype(network), shape<4>, backend::reference, float>(network);
    CHECK(p.operations[0].slope == .3);
    CHECK(p.operations[1].rate == .1);
}
