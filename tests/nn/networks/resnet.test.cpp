#include "saddle/nn/networks/resnet.hpp"
#include "saddle/nn/model.hpp"
#include "saddle/testing/gradient_check.hpp"
#include "saddle/testing/random_images.hpp"
#include "support/backends.hpp"
#include "support/catch.hpp"
#include "support/evaluate.hpp"

#include <set>

using namespace saddle;
using namespace saddle::testing;

namespace {

template <class Network>
plan structure() {
    return make_plan<Network, shape<3, 32, 32>, backend::reference, float>();
}

std::set<std::string> names(const plan& p) {
    std::set<std::string> all;
    for (const auto& info : p.parameters) all.insert(info.name);
    for (const auto& info : p.buffers) all.insert(info.name);
    return all;
}

/// The blocks of the ResNets with few channels and a smooth function in ReLU's place.
template <std::size_t Channels, std::size_t Stride, class Shortcut>
using smooth_block = sequential<
    residual<sequential<named<"conv1", networks::detail::convolution<Channels, 3, Stride>>, named<"bn1", batch_norm>, softplus,
                        named<"conv2", networks::detail::convolution<Channels, 3>>, named<"bn2", batch_norm>>,
             Shortcut>,
    softplus>;
using smooth_resnet = sequential<named<"conv1", networks::detail::convolution<4, 3>>, named<"bn1", batch_norm>, softplus,
                                 repeat<2, smooth_block<4, 1, identity>>, smooth_block<6, 2, networks::detail::projection<6, 2>>,
                                 global_avg_pool, flatten, linear<5>>;

}  // namespace

TEST_CASE("the ResNets have the published parameters", "[nn]") {
    CHECK(structure<networks::resnet18<>>().parameter_count == 11'173'962);
    CHECK(structure<networks::preact_resnet18<>>().parameter_count == 11'171'146);
    CHECK(structure<networks::resnet50<>>().parameter_count == 23'520'842);
}

TEST_CASE("ResNet-18's parameters are named as in the CIFAR reference code", "[nn]") {
    const auto all = names(structure<networks::resnet18<>>());
    CHECK(all.size() == 62 + 60);
    for (const auto* name :
         {"conv1.weight", "bn1.running_var", "layer1.0.conv1.weight", "layer1.1.bn2.bias", "layer2.0.shortcut.0.weight",
          "layer2.0.shortcut.1.num_batches_tracked", "layer4.1.conv2.weight", "linear.weight", "linear.bias"})
        CHECK(all.count(name) == 1);
}

TEST_CASE("PreAct-ResNet-18's parameters are named as in the CIFAR reference code", "[nn]") {
    const auto all = names(structure<networks::preact_resnet18<>>());
    for (const auto* name : {"conv1.weight", "layer1.0.bn1.weight", "layer1.1.conv2.weight", "layer2.0.shortcut.0.weight",
                             "layer2.0.conv1.weight", "layer4.1.bn2.running_mean", "linear.weight"})
        CHECK(all.count(name) == 1);
    CHECK(all.count("bn1.weight") == 0);
}

TEST_CASE("ResNet-50's parameters are named as in the CIFAR reference code", "[nn]") {
    const auto all = names(structure<networks::resnet50<>>());
    for (const auto* name :
         {"layer1.0.conv3.weight", "layer1.0.shortcut.0.weight", "layer3.5.bn3.weight", "layer4.2.conv1.weight"})
        CHECK(all.count(name) == 1);
}

TEMPLATE_LIST_TEST_CASE("a small residual network with batch norm has gradients that agree with finite differences", "[nn]",
                        backends) {
    model<smooth_resnet, shape<3, 6, 5>, TestType, double> m(1);
    perturb(m);
    const auto report = check_gradients(m, random_images(5, {3, 6, 5}), {.directions = 2, .coordinates = 4});
    INFO(report.describe());
    CHECK(report.error() <= 1e-6);
}
