#include "saddle/nn/networks/wide_resnet.hpp"
#include "saddle/nn/model.hpp"
#include "support/backends.hpp"
#include "support/catch.hpp"

#include <set>

using namespace saddle;

TEST_CASE("the wide ResNets have the published parameters", "[nn]") {
    CHECK(make_plan<networks::wrn_28_10<>, shape<3, 32, 32>, backend::reference, float>().parameter_count == 36'479'194);
    CHECK(make_plan<networks::wrn_34_10<>, shape<3, 32, 32>, backend::reference, float>().parameter_count == 46'160'474);
}

TEST_CASE("a wide ResNet's parameters are named as in TRADES", "[nn]") {
    std::set<std::string> all;
    for (const auto& info : make_plan<networks::wide_resnet<10, 1>, shape<3, 32, 32>, backend::reference, float>().parameters)
        all.insert(info.name);
    CHECK(all == std::set<std::string>{"conv1.weight",
                                       "block1.layer.0.bn1.weight",
                                       "block1.layer.0.bn1.bias",
                                       "block1.layer.0.conv1.weight",
                                       "block1.layer.0.bn2.weight",
                                       "block1.layer.0.bn2.bias",
                                       "block1.layer.0.conv2.weight",
                                       "block1.layer.0.convShortcut.weight",
                                       "block2.layer.0.bn1.weight",
                                       "block2.layer.0.bn1.bias",
                                       "block2.layer.0.conv1.weight",
                                       "block2.layer.0.bn2.weight",
                                       "block2.layer.0.bn2.bias",
                                       "block2.layer.0.conv2.weight",
                                       "block2.layer.0.convShortcut.weight",
                                       "block3.layer.0.bn1.weight",
                                       "block3.layer.0.bn1.bias",
                                       "block3.layer.0.conv1.weight",
                                       "block3.layer.0.bn2.weight",
                                       "block3.layer.0.bn2.bias",
                                       "block3.layer.0.conv2.weight",
                                       "block3.layer.0.convShortcut.weight",
                                       "bn1.weight",
                                       "bn1.bias",
                                       "fc.weight",
                                       "fc.bias"});
}
