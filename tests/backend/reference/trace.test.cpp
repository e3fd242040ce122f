#include "saddle/backend/reference/reference.hpp"
#include "saddle/nn/activations.hpp"
#include "saddle/nn/linear.hpp"
#include "saddle/nn/model.hpp"
#include "saddle/nn/normalization.hpp"
#include "saddle/nn/pooling.hpp"
#include "saddle/nn/sequential.hpp"
#include "saddle/testing/finite_differences.hpp"
#include "saddle/testing/random_images.hpp"
#include "support/catch.hpp"

#include <numeric>

using namespace saddle;
using namespace saddle::testing;

namespace {

template <class Network, class Shape>
using exact_model = model<Network, Shape, backend::reference, double>;

template <class Model>
backend::reference::trace<double> evaluated(const Model& m, const basic_images<double>& x) {
    backend::reference::trace<double> trace(m.structure(), m.parameters(), m.buffers());
    trace.forward(x);
    return trace;
}

}  // namespace

TEST_CASE("a trace keeps the output of every operation", "[backend]") {
    const exact_model<sequential<conv2d<3, 2>, relu, max_pool2d<2>, flatten>, shape<2, 5, 5>> m(1);
    const auto x = random_images(3, {2, 5, 5});
    const auto trace = evaluated(m, x);
    REQUIRE(trace.tensors.size() == 5);
    CHECK(trace.tensors[0] == x);
    CHECK(trace.tensors[1].each() == extents{3, 4, 4});
    CHECK(trace.tensors[4].each() == extents{12, 1, 1});
    for (std::size_t i = 0; i < trace.tensors[1].values().size(); ++i)
        CHECK(trace.tensors[2].values()[i] == std::max(trace.tensors[1].values()[i], 0.));
    CHECK(trace.logits().size() == 36);
}

TEST_CASE("overwriting a ReLU's stored output imposes its mask", "[backend]") {
    const exact_model<relu, shape<4>> m;
    auto trace = evaluated(m, random_images(1, {4, 1, 1}));
    const double imposed[] = {0, 1, 0, 2};
    std::copy_n(imposed, 4, trace.tensors[1].data());
    const auto dx = trace.backward(std::vector<double>{5, 6, 7, 8});
    CHECK(std::vector<double>(dx.values().begin(), dx.values().end()) == std::vector<double>{0, 6, 0, 8});
}

TEST_CASE("overwriting a max-pool's stored input imposes its choice", "[backend]") {
    const exact_model<max_pool2d<2>, shape<1, 2, 2>> m;
    auto trace = evaluated(m, random_images(1, {1, 2, 2}));
    const double imposed[] = {0, 1, 3, 2};
    std::copy_n(imposed, 4, trace.tensors[0].data());
    const auto dx = trace.backward(std::vector<double>{5});
    CHECK(std::vector<double>(dx.values().begin(), dx.values().end()) == std::vector<double>{0, 0, 5, 0});
}

TEST_CASE("the input gradient through batch statistics agrees with finite differences", "[backend]") {
    const exact_model<sequential<batch_norm, softplus, conv2d<3, 2>, batch_norm, dropout>, shape<2, 4, 3>> m(1);
    auto x = random_images(5, {2, 4, 3});
    std::vector<std::uint64_t> ids(5);
    std::iota(ids.begin(), ids.end(), std::uint64_t{7});
    backend::reference::trace<double> trace(m.structure(), m.parameters(), m.buffers(), {.seed = 3}, ids);
    trace.forward(x);
    std::vector<double> cotangents(trace.logits().size());
    for (std::size_t i = 0; i < cotangents.size(); ++i) cotangents[i] = std::sin(static_cast<double>(i));
    const auto dx = trace.backward(cotangents);
    const auto result = compare_gradient("input", x.values(), dx.values(), [&] {
        trace.forward(x);
        return std::inner_product(cotangents.begin(), cotangents.end(), trace.logits().begin(), 0.);
    });
    CHECK(result.difference <= 1e-6 * result.size);
}

TEST_CASE("the weight gradient in evaluation mode agrees with finite differences", "[backend]") {
    exact_model<sequential<conv2d<3, 2>, batch_norm, softplus>, shape<2, 4, 3>> m(1);
    const auto x = random_images(5, {2, 4, 3});
    auto trace = evaluated(m, x);
    const std::vector<double> ones(trace.logits().size(), 1.);
    std::vector<double> gradient(m.parameters().size());
    trace.backward(ones, gradient);
    const auto result = compare_gradient("weights", m.parameters(), gradient, [&] {
        trace.forward(x);
        return std::accumulate(trace.logits().begin(), trace.logits().end(), 0.);
    });
    CHECK(result.difference <= 1e-6 * result.size);
}

TEST_CASE("a weight gradient is added to what is there", "[backend]") {
    const exact_model<sequential<conv2d<3, 2>, batch_norm, flatten, linear<2>>, shape<2, 4, 3>> m(1);
    const auto trace = evaluated(m, random_images(5, {2, 4, 3}));
    const std::vector<double> ones(10, 1.);
    std::vector<double> once(m.parameters().size()), twice(m.parameters().size());
    trace.backward(ones, once);
    trace.backward(ones, twice);
    trace.backward(ones, twice);
    for (std::size_t i = 0; i < once.size(); ++i) CHECK(twice[i] == Approx(2 * once[i]).margin(1e-15));
}

TEST_CASE("a trace refuses images, ids and gradients that do not fit", "[backend]") {
    const exact_model<linear<2>, shape<4>> m;
    backend::reference::trace<double> trace(m.structure(), m.parameters(), m.buffers());
    CHECK_THROWS_AS(trace.forward(random_images(2, {5, 1, 1})), shape_error);
    trace.forward(random_images(2, {4, 1, 1}));
    CHECK_THROWS_AS(trace.backward(std::vector<double>(3)), shape_error);
    std::vector<double> gradient(3);
    CHECK_THROWS_AS(trace.backward(std::vector<double>(4), gradient), shape_error);
    const std::vector<std::uint64_t> ids(1);
    backend::reference::trace<double> training(m.structure(), m.parameters(), m.buffers(), {}, ids);
    CHECK_THROWS_AS(training.forward(random_images(2, {4, 1, 1})), shape_error);
}
