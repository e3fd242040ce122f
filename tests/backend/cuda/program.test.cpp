#include "saddle/cuda.cuh"
#include "saddle/nn/activations.hpp"
#include "saddle/nn/linear.hpp"
#include "saddle/nn/normalization.hpp"
#include "saddle/nn/pooling.hpp"
#include "saddle/nn/residual.hpp"
#include "saddle/nn/sequential.hpp"
#include "support/agreement.hpp"
#include "support/catch.hpp"

using namespace saddle;
using namespace saddle::testing;

namespace {

/// The bars of docs/backends.md, relative to the largest value.
template <class Precision>
inline constexpr double tolerance = 1e-5;
template <>
inline constexpr double tolerance<cuda::tf32> = 2e-3;
template <>
inline constexpr double tolerance<cuda::bf16> = 2e-2;

template <class Precision, class Shape, class Network>
void check_agreement(const Network& network = {}) {
    const auto found = compare_with_reference<Network, Shape, backend::basic_cuda<Precision>>(5, network);
    INFO(Precision::name << ' ' << Shape::value << " logits " << found.logits << " input " << found.input_gradient << " weights "
                         << found.weight_gradient << " buffers " << found.buffers);
    CHECK(found.worst() <= tolerance<Precision>);
}

struct cube {
    template <class Shape>
    using output = Shape;
    template <class V>
    SADDLE_HOST_DEVICE static V value(V x) {
        return x * x * x;
    }
    template <class V>
    SADDLE_HOST_DEVICE static V derivative(V x) {
        return 3 * x * x;
    }
};

}  // namespace

using precisions = std::tuple<cuda::fp32, cuda::tf32, cuda::bf16>;

TEMPLATE_LIST_TEST_CASE("convolutions on the emulated device agree with the reference", "[cuda]", precisions) {
    check_agreement<TestType, shape<3, 5, 4>, conv2d<9, 3>>();
    check_agreement<TestType, shape<18, 4, 3>, conv2d<20, 3, padding<1>>>();
    check_agreement<TestType, shape<6, 5, 4>, conv2d<10, 3, stride<2>, padding<1>>>();
    check_agreement<TestType, shape<1, 6, 6>, conv2d<4, 4, stride<2>>>();
    check_agreement<TestType, shape<2, 5, 6>, conv2d<5, 2, window_width<4>, stride<3>, padding<1>>>();
}

TEMPLATE_LIST_TEST_CASE("linear layers on the emulated device agree with the reference", "[cuda]", precisions) {
    check_agreement<TestType, shape<70>, linear<33>>();
    check_agreement<TestType, shape<3>, linear<1>>();
    check_agreement<TestType, shape<2, 3, 3>, sequential<flatten, linear<7, no_bias>>>();
}

TEMPLATE_LIST_TEST_CASE("elementwise layers on the emulated device agree with the reference", "[cuda]", precisions) {
    check_agreement<TestType, shape<4, 3, 3>,
                    sequential<conv2d<8, 1>, silu, conv2d<6, 1>, softplus, conv2d<4, 1>, saddle::tanh>>();
    check_agreement<TestType, shape<4, 3, 3>, sequential<conv2d<8, 1>, relu, conv2d<6, 1>, leaky_relu, conv2d<6, 1>, sigmoid>>();
    check_agreement<TestType, shape<4, 3, 3>, cube>();
    check_agreement<TestType, shape<3, 2, 3>, sequential<relu, relu, conv2d<4, 1>, cube, relu>>();
}

TEMPLATE_LIST_TEST_CASE("pools on the emulated device agree with the reference", "[cuda]", precisions) {
    check_agreement<TestType, shape<3, 6, 4>, max_pool2d<2>>();
    check_agreement<TestType, shape<2, 5, 4>, sequential<conv2d<6, 2>, relu, max_pool2d<2, stride<1>, padding<1>>>>();
    check_agreement<TestType, shape<2, 5, 5>, avg_pool2d<3, stride<2>, padding<1>>>();
    check_agreement<TestType, shape<4, 5, 3>, sequential<conv2d<5, 1>, global_avg_pool>>();
}

TEMPLATE_LIST_TEST_CASE("norms on the emulated device agree with the reference", "[cuda]", precisions) {
    check_agreement<TestType, shape<1, 4, 4>, sequential<normalize, conv2d<4, 3, padding<1>>, relu>>(
        sequential<normalize, conv2d<4, 3, padding<1>>, relu>(normalize{.mean = {.1307}, .deviation = {.3081}}, {}, {}));
    check_agreement<TestType, shape<3, 4, 3>,
                    sequential<conv2d<8, 3, padding<1>>, batch_norm, relu, conv2d<6, 3, no_bias>, batch_norm>>();
    check_agreement<TestType, shape<3, 4, 3>,
                    sequential<conv2d<8, 3, padding<1>>, group_norm<2>, relu, conv2d<4, 3>, group_norm<1>>>();
}

TEMPLATE_LIST_TEST_CASE("dropout on the emulated device agrees with the reference draw by draw", "[cuda]", precisions) {
    check_agreement<TestType, shape<3, 3, 3>, sequential<conv2d<5, 2>, relu, dropout, flatten, linear<9>, dropout>>();
}

TEMPLATE_LIST_TEST_CASE("residuals on the emulated device agree with the reference", "[cuda]", precisions) {
    using body = sequential<batch_norm, relu, conv2d<4, 3, padding<1>>, batch_norm, relu, conv2d<4, 3, padding<1>, no_bias>>;
    check_agreement<TestType, shape<2, 4, 3>, sequential<conv2d<4, 1>, residual<body>, residual<body>, flatten, linear<5>>>();
    check_agreement<TestType, shape<4, 3, 3>, residual<relu>>();
    using projected = residual<sequential<conv2d<6, 3, stride<2>, padding<1>>, relu, conv2d<6, 3, padding<1>>>,
                               sequential<conv2d<6, 1, stride<2>>, batch_norm>>;
    check_agreement<TestType, shape<4, 5, 3>, sequential<conv2d<4, 3, padding<1>>, relu, projected, relu>>();
}

namespace {

/// Whether kernels have been launched, by the shared memory that they asked for.
template <class... Kernels>
bool launched(Kernels*... kernels) {
    return (cuda_emulator::shared_limits().count(reinterpret_cast<const void*>(kernels)) && ...);
}

}  // namespace

TEMPLATE_TEST_CASE("networks by wgmma on the emulated device agree with the reference", "[cuda][wgmma]", cuda::tf32, cuda::bf16) {
    constexpr std::size_t smallest = cuda::tuning::wgmma_tiles<TestType>.size() - 1;
    const auto used = [] {
        return launched(
            cuda::implicit_gemm_wgmma<TestType, cuda::tuning::wgmma_tile_at<TestType, smallest>, typename TestType::storage>);
    };
    const auto gradient_used = [] {
        return launched(cuda::weight_gradient_wgmma<TestType, cuda::tuning::wgmma_gradient_tile_at<TestType, 4>>);
    };
    using body = sequential<batch_norm, relu, conv2d<64, 3, padding<1>, no_bias>>;
    using network = sequential<conv2d<64, 1>, residual<body>, flatten, linear<5>>;
    const auto worst = [](auto on) { return compare_with_reference<network, shape<3, 3, 6>, decltype(on)>(5).worst(); };
    CHECK(worst(backend::basic_cuda<TestType>{}) <= tolerance<TestType>);
    CHECK_FALSE((used() || gradient_used()));  // off from the start
    CHECK(worst(backend::cuda_wgmma<TestType>{}) <= tolerance<TestType>);
    CHECK(used());
    CHECK(gradient_used());
}

TEMPLATE_TEST_CASE("wgmma can be switched on and off", "[cuda][wgmma]", cuda::tf32, cuda::bf16) {
    using network = sequential<conv2d<33, 1>, batch_norm, relu, conv2d<64, 3, padding<1>, no_bias>, flatten, linear<5>>;
    using on_device = backend::basic_cuda<TestType>;
    const weighted_plan<on_device, float> m(make_plan<network, shape<3, 3, 6>, on_device, float>(), 1);
    auto program = prepare(m);
    program.fuse_small_networks(false);
    const auto logits = [&](bool on) {
        program.use_wgmma(on);
        std::vector<float> z(5 * 5);
        program.logits(random_images<float>(5, {3, 3, 6}), z);
        return z;
    };
    const auto off = logits(false), on = logits(true);
    for (std::size_t i = 0; i < on.size(); ++i) CHECK(on[i] == Approx(off[i]).margin(tolerance<TestType>));
    CHECK(logits(false) == off);
    CHECK(logits(true) == on);
}

TEST_CASE("batches keep their tensor maps until their memory or their lanes change", "[cuda][wgmma]") {
    using network = sequential<conv2d<32, 1>, relu, conv2d<64, 3, padding<1>, no_bias>, flatten, linear<5>>;
    using on_device = backend::cuda_wgmma<cuda::bf16>;
    const weighted_plan<on_device, float> m(make_plan<network, shape<3, 3, 6>, on_device, float>(), 1);
    const weighted_plan<backend::cuda_bf16, float> plain(m.structure(), 1);
    const auto program = prepare(m);
    const auto expected = prepare(plain);
    const auto logits = [](const auto& p, std::size_t count) {
        std::vector<float> z(count * 5);
        p.logits(random_images<float>(count, {3, 3, 6}), z);
        return z;
    };
    const auto maps_of = [&](std::size_t count) {
        const std::size_t before = cuda_emulator::tensor_maps_made;
        const auto found = logits(program, count), wanted = logits(expected, count);
        for (std::size_t i = 0; i < found.size(); ++i) CHECK(found[i] == Approx(wanted[i]).margin(2e-2));
        return cuda_emulator::tensor_maps_made - before;
    };
    CHECK(maps_of(3) == 2);
    CHECK(maps_of(64) == 0);
    CHECK(maps_of(65) == 2);  // more lanes elsewhere
    CHECK(maps_of(70) == 0);
    CHECK(maps_of(1) == 2);  // fewer in the same place
}

TEST_CASE("wgmma in fp32 is an error", "[cuda][wgmma]") {
    const weighted_plan<backend::cuda_fp32, float> m(make_plan<conv2d<4, 1>, shape<3, 2, 2>, backend::cuda_fp32, float>(), 1);
    auto program = prepare(m);
    CHECK_THROWS_WITH(program.use_wgmma(true), Catch::Matchers::Contains("bf16 and TF32"));
    CHECK_NOTHROW(program.use_wgmma(false));
}
