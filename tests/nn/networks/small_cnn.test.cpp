#include "saddle/nn/networks/small_cnn.hpp"
#include "saddle/nn/model.hpp"
#include "support/backends.hpp"
#include "support/catch.hpp"

using namespace saddle;

TEST_CASE("the small CNN and its CIFAR form have the published parameters", "[nn]") {
    CHECK(make_plan<networks::small_cnn<>, shape<1, 28, 28>, backend::reference, float>().parameter_count == 312'202);
    CHECK(make_plan<networks::small_cnn<64, 256>, shape<3, 32, 32>, backend::reference, float>().parameter_count == 1'147'978);
}
