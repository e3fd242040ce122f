#include "saddle/nn/networks/conv_small.hpp"
#include "saddle/nn/model.hpp"
#include "support/backends.hpp"
#include "support/catch.hpp"

using namespace saddle;

namespace {

template <class Network, class Shape>
plan structure() {
    return make_plan<Network, Shape, backend::reference, float>();
}

}  // namespace

TEST_CASE("conv_small has the published parameters and neurons", "[nn]") {
    const auto mnist = structure<networks::conv_small<>, shape<1, 28, 28>>(),
               cifar = structure<networks::conv_small<>, shape<3, 32, 32>>();
    CHECK(mnist.parameter_count == 89'606);
    CHECK(cifar.parameter_count == 125'318);
    const auto neurons = [](const plan& p) {
        std::size_t sum = 0;
        for (const auto& op : p.operations) sum += op.kind == operation_kind::convolution ? p.tensors[op.output].size() : 0;
        return sum;
    };
    CHECK(neurons(mnist) == 3'614);
    CHECK(neurons(cifar) == 4'862);
}

TEST_CASE("model Z, LeNet and Madry's network have the published parameters", "[nn]") {
    CHECK(structure<networks::model_z<>, shape<1, 28, 28>>().parameter_count == 166'406);
    CHECK(structure<networks::lenet<>, shape<3, 32, 32>>().parameter_count == 62'006);
    CHECK(structure<networks::madry_mnist<>, shape<1, 28, 28>>().parameter_count == 3'274'634);
}

TEST_CASE("conv_small's parameters are named as those of an nn.Sequential", "[nn]") {
    const auto p = structure<networks::conv_small<>, shape<1, 28, 28>>();
    std::vector<std::string> names;
    for (const auto& info : p.parameters) names.push_back(info.name);
    CHECK(names ==
          std::vector<std::string>{"0.weight", "0.bias", "2.weight", "2.bias", "5.weight", "5.bias", "7.weight", "7.bias"});
}

TEST_CASE("the number of classes is a parameter of every small network", "[nn]") {
    CHECK(structure<networks::conv_small<100>, shape<3, 32, 32>>().classes() == 100);
    CHECK(structure<networks::model_z<7>, shape<1, 28, 28>>().classes() == 7);
    CHECK(structure<networks::lenet<7>, shape<3, 32, 32>>().classes() == 7);
    CHECK(structure<networks::madry_mnist<7>, shape<1, 28, 28>>().classes() == 7);
}
