#include "saddle/backend/cuda/convolution.cuh"
#include "saddle/backend/cuda/pointwise.cuh"
#include "support/cuda_kernels.hpp"

#include <tuple>

using namespace saddle;
using namespace saddle::cuda;

using precisions = std::tuple<saddle::cuda::fp32, saddle::cuda::tf32, saddle::cuda::bf16>;

namespace {

template <class Precision, std::size_t Tile, bool Sliced = false>
void check_tile(const convolution_shape& s, std::size_t lanes) {
    INFO("tile " << Tile);
    check_convolution<Precision>(s, lanes, [&](const auto* source, const auto* weights, const auto& e) {
        cuda::detail::launch_tile<Precision, Tile, Sliced>(nullptr, s, source, weights, e, lanes);
    });
}

}  // namespace

TEST_CASE("every tile of the convolution sums its taps and finishes them", "[cuda][kernels]") {
    check_tile<fp32, 4>(padded(5, 9).forward, 64);
    check_tile<fp32, 3>(strided(17, 33).backward, 64);
    check_tile<fp32, 2>(padded(18, 65).forward, 64);
    check_tile<fp32, 1>(padded(4, 66).forward, 128);
    check_tile<fp32, 0>(strided(4, 130).forward, 128);
    check_tile<tf32, 4>(strided(18, 9).forward, 64);
    check_tile<tf32, 3>(padded(17, 40).backward, 64);
    check_tile<tf32, 2>(strided(5, 65).backward, 64);
    check_tile<tf32, 1>(padded(5, 20).forward, 128);
    check_tile<tf32, 0>(padded(5, 20).forward, 128);
    check_tile<bf16, 4>(strided(33, 9).backward, 64);
    check_tile<bf16, 3>(padded(40, 33).forward, 64);
    check_tile<bf16, 2>(padded(9, 65).forward, 64);
    check_tile<bf16, 1>(strided(9, 20).forward, 128);
    check_tile<bf16, 0>(padded(9, 20).forward, 128);
}

TEST_CASE("slices of a layer's products add up to the same sums", "[cuda][kernels]") {
    const convolution_pair dense({1, 1, 1, 0}, {300, 1, 1}, {20, 1, 1});
    check_tile<fp32, 4, true>(dense.forward, 64);
    check_tile<tf32, 3, true>(dense.forward, 64);
    check_tile<bf16, 2, true>(dense.forward, 64);
    check_tile<tf32, 4, true>(padded(37, 9).forward, 64);
    check_tile<bf16, 4, true>(strided(70, 9).backward, 64);
    check_tile<fp32, 4, true>(convolution_pair({1, 1, 1, 0}, {20, 1, 1}, {5, 1, 1}).forward, 64);  // fewer steps than slices
}

TEMPLATE_LIST_TEST_CASE("weight gradients are sums over pixels and lanes", "[cuda][kernels]", precisions) {
    constexpr std::size_t lanes = 64;
    for (const auto& pair : {padded(3, 20), padded(40, 20), strided(70, 17), padded(131, 130)}) {
        const auto& s = pair.forward;
        check_weight_gradient<TestType>(s, lanes, [&](const auto* x, const auto* dy, float* gradient) {
            std::vector<float> partial(gradient_scratch<TestType>(s, lanes, false));
            launch_weight_gradient<TestType>(nullptr, s, x, dy, lanes, partial.data(), gradient);
        });
    }
}

TEST_CASE("sums over channels leave out the lanes past the last image", "[cuda][kernels]") {
    constexpr std::size_t lanes = 64, valid = 37;
    const extents shape{3, 2, 5};
    auto dy = random_values<float>(shape.size() * lanes, 0);
    std::vector<double> expected(shape.channels);
    for (std::size_t i = 0; i < dy.size(); ++i)
        if (i % lanes < valid)
            expected[i / (shape.pixels() * lanes)] += dy[i];
        else
            dy[i] = 1e30f;
    const auto found = in_both_orders([&] {
        std::vector<sum_pair> partial(shape.channels * 64);
        std::vector<float> sums(shape.channels);
        const auto parts = launch_channel_sums(nullptr, "sums", shape, lanes, valid, bias_sums<float>{dy.data()}, partial.data());
        launch(nullptr, add_channel_sums<>, {.operation = "sums"}, static_cast<const sum_pair*>(partial.data()), 3,
               static_cast<int>(parts), sums.data(), static_cast<float*>(nullptr));
        return sums;
    });
    for (std::size_t c = 0; c < shape.channels; ++c) CHECK(found[c] == Approx(expected[c]).epsilon(1e-5));
}
