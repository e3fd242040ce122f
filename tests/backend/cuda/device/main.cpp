// The CUDA backend on a device against the reference backend. Ends with status 77, which CTest reports as skipped, without a
// device.
#define CATCH_CONFIG_RUNNER
#include "apgd.hpp"
#include "certification.hpp"
#include "certification/networks.hpp"
#include "device.hpp"
#include "saddle/attacks/fgsm.hpp"
#include "saddle/attacks/pgd.hpp"
#include "saddle/backend/cpu/cpu.hpp"
#include "saddle/certification/box.hpp"
#include "saddle/certification/deep_poly.hpp"
#include "saddle/data/generated_digits.hpp"
#include "saddle/data/load.hpp"
#include "saddle/nn/activations.hpp"
#include "saddle/nn/networks/conv_small.hpp"
#include "saddle/nn/networks/resnet.hpp"
#include "saddle/nn/networks/small_cnn.hpp"
#include "support/agreement.hpp"
#include "support/catch.hpp"

#include <cstdlib>
#include <iostream>

using namespace saddle;
using namespace saddle::testing;
using device::arithmetic;

namespace {

template <arithmetic A>
inline constexpr double tolerance = A == arithmetic::fp32                                  ? 1e-5
                                    : A == arithmetic::tf32 || A == arithmetic::tf32_wgmma ? 2e-3
                                                                                           : 2e-2;

template <arithmetic A, class Shape, class Network>
void check_agreement(std::size_t count, const Network& network = {}) {
    const auto found = compare_with_reference<Network, Shape, device::backend<A>>(count, network);
    INFO(static_cast<int>(A) << ' ' << Shape::value << " logits " << found.logits << " input " << found.input_gradient
                             << " weights " << found.weight_gradient << " buffers " << found.buffers);
    CHECK(found.worst() <= tolerance<A>);
}
template <class Shape, class Network>
void check_all(std::size_t count, const Network& network = {}) {
    check_agreement<arithmetic::fp32, Shape>(count, network);
    check_agreement<arithmetic::tf32, Shape>(count, network);
    check_agreement<arithmetic::bf16, Shape>(count, network);
}

}  // namespace

TEST_CASE("convolutions on the device agree with the reference") {
    check_all<shape<3, 9, 7>, conv2d<8, 3>>(70);
    check_all<shape<16, 8, 8>, conv2d<32, 3, padding<1>>>(130);
    check_all<shape<64, 8, 6>, conv2d<64, 3, padding<1>, no_bias>>(128);
    check_all<shape<64, 4, 4>, conv2d<130, 3, padding<1>, no_bias>>(64);
    check_all<shape<128, 6, 6>, conv2d<256, 3, stride<2>, padding<1>, no_bias>>(128);
    check_all<shape<6, 9, 7>, conv2d<10, 3, stride<2>, padding<1>>>(21);
    check_all<shape<1, 28, 28>, conv2d<16, 4, stride<2>>>(65);
    check_all<shape<12, 6, 5>, conv2d<24, 1, stride<2>, no_bias>>(21);
    check_all<shape<2, 9, 11>, conv2d<5, 2, window_width<7>, stride<3>, padding<1>>>(21);
}

TEST_CASE("other layers on the device agree with the reference") {
    check_all<shape<800>, linear<100>>(130);
    check_all<shape<5, 7, 6>,
              sequential<conv2d<8, 1>, silu, conv2d<6, 1>, softplus, conv2d<4, 1>, saddle::tanh, sigmoid, leaky_relu>>(21);
    check_all<shape<5, 8, 6>, sequential<conv2d<8, 3>, relu, max_pool2d<2>>>(70);
    check_all<shape<5, 9, 7>, sequential<conv2d<6, 1>, max_pool2d<3, stride<2>, padding<1>>>>(21);
    check_all<shape<5, 9, 7>, sequential<conv2d<6, 1>, avg_pool2d<3, stride<2>, padding<1>>, global_avg_pool>>(21);
    check_all<shape<3, 6, 6>,
              sequential<normalize, conv2d<8, 3, padding<1>>, batch_norm, relu, conv2d<6, 3, no_bias>, batch_norm>>(100);
    check_all<shape<3, 6, 6>, sequential<conv2d<8, 3, padding<1>>, group_norm<2>, relu, conv2d<4, 3>, group_norm<1>>>(21);
    check_all<shape<3, 6, 6>, sequential<conv2d<8, 3>, relu, dropout, flatten, linear<9>, dropout>>(70);
}

TEST_CASE("whole networks on the device agree with the reference") {
    check_all<shape<1, 28, 28>, networks::conv_small<>>(128);
    check_all<shape<1, 28, 28>, networks::small_cnn<>>(64);
    check_agreement<arithmetic::fp32, shape<3, 32, 32>, networks::preact_resnet18<>>(8);
}

namespace {

template <arithmetic A>
void check_wgmma() {
    check_agreement<A, shape<64, 8, 6>, conv2d<64, 3, padding<1>, no_bias>>(128);
    check_agreement<A, shape<64, 5, 5>, conv2d<130, 3, padding<1>>>(64);
    check_agreement<A, shape<128, 6, 6>, conv2d<256, 3, stride<2>, padding<1>, no_bias>>(256);
    check_agreement<A, shape<160, 6, 6>, conv2d<160, 3, padding<1>, no_bias>>(128);
    check_agreement<A, shape<40, 7, 6>, conv2d<72, 1, stride<2>>>(130);
    check_agreement<A, shape<512, 4, 4>, conv2d<512, 3, padding<1>, no_bias>>(64);
    check_agreement<A, shape<128, 8, 8>, conv2d<64, 3, padding<1>, no_bias>>(192);
    check_agreement<A, shape<3, 32, 32>, networks::preact_resnet18<>>(8);
}

/// Every run gives the same bits, and an image's result does not depend on its batch.
template <arithmetic A>
void check_bits_by_wgmma() {
    using network = sequential<conv2d<64, 3, padding<1>>, relu, conv2d<64, 3, padding<1>>, relu, conv2d<128, 3, stride<2>>, relu,
                               flatten, linear<10>>;
    const model<network, shape<1, 28, 28>, backend::cpu> m(1);
    const auto data = generated_digits(1, 256).test;
    using program = typename device::backend<A>::template program<float>;
    const auto attack = pgd({.epsilon = .1, .step_size = .01, .steps = 5});
    worker_pool pool(1);
    const auto run = [&](std::size_t count) {
        return perturb(attack, program(m.structure(), m.parameters(), m.buffers()), data.x.slice(0, count),
                       labels(data.y.begin(), data.y.begin() + static_cast<std::ptrdiff_t>(count)), pool);
    };
    const auto once = run(256), part = run(64);
    CHECK(run(256).adversarial == once.adversarial);
    CHECK(std::equal(part.adversarial.values().begin(), part.adversarial.values().end(), once.adversarial.values().begin()));

    std::vector<float> gradient(m.parameters().size()), again(gradient.size());
    for (auto* to : {&gradient, &again}) {
        typename device::backend<A>::template trainer_program<float> trainer(m.structure(), pool);
        std::vector<float> buffers(m.buffers().begin(), m.buffers().end());
        std::vector<std::uint64_t> ids(data.x.size());
        trainer.differentiate(
            m.parameters(), buffers, data.x, ids, training_settings{},
            [](const float* z, std::size_t, std::size_t, float* dz) { std::copy_n(z, 10 * 64, dz); }, *to);
    }
    CHECK(again == gradient);
}

}  // namespace

TEST_CASE("convolutions and weight gradients by wgmma on the device agree with the reference", "[wgmma]") {
    check_wgmma<arithmetic::bf16_wgmma>();
    check_wgmma<arithmetic::tf32_wgmma>();
}
TEST_CASE("the copies of a weight gradient by wgmma in TF32 round", "[wgmma]") {
    const model<conv2d<32, 1, no_bias>, shape<32, 1, 1>, backend::cpu> m(1);
    constexpr float value = .5f + .75f * 0x1p-11f, nearest = .5f + 0x1p-11f;  // cut: .5
    images x(64, {32, 1, 1});
    std::fill(x.values().begin(), x.values().end(), value);
    worker_pool pool(1);
    device::backend<arithmetic::tf32_wgmma>::trainer_program<float> trainer(m.structure(), pool);
    std::vector<float> gradient(m.parameters().size()), buffers;
    trainer.differentiate(
        m.parameters(), buffers, x, std::vector<std::uint64_t>(64), training_settings{},
        [&](const float*, std::size_t, std::size_t, float* dz) { std::fill_n(dz, 32 * 64, value); }, gradient);
    for (const float g : gradient) CHECK(g == Approx(64 * nearest * nearest).epsilon(2e-4));
}
TEST_CASE("every run by wgmma gives the same bits, and an image's result does not depend on its batch", "[wgmma]") {
    check_bits_by_wgmma<arithmetic::bf16_wgmma>();
    check_bits_by_wgmma<arithmetic::tf32_wgmma>();
}

TEST_CASE("every run on the device gives the same bits") {
    const model<networks::small_cnn<>, shape<1, 28, 28>, backend::cpu> m(1);
    const auto data = generated_digits(1, 300).test;
    const auto run = [&]<arithmetic A>(std::integral_constant<arithmetic, A>) {
        using program = typename device::backend<A>::template program<float>;
        const auto attack = pgd(pgd_mnist);
        worker_pool pool(1);
        const auto once = perturb(attack, program(m.structure(), m.parameters(), m.buffers()), data.x, data.y, pool);
        const auto again = perturb(attack, program(m.structure(), m.parameters(), m.buffers()), data.x, data.y, pool);
        CHECK(once.adversarial == again.adversarial);
        CHECK(once.rejected == 0);
        const auto part = perturb(attack, program(m.structure(), m.parameters(), m.buffers()), data.x.slice(0, 70),
                                  labels(data.y.begin(), data.y.begin() + 70), pool);
        CHECK(std::equal(part.adversarial.values().begin(), part.adversarial.values().end(), once.adversarial.values().begin()));
    };
    run(std::integral_constant<arithmetic, arithmetic::fp32>{});
    run(std::integral_constant<arithmetic, arithmetic::tf32>{});
    run(std::integral_constant<arithmetic, arithmetic::bf16>{});
}

TEST_CASE("small networks on the device: three kernels a step decide as the layers do, with the same bits every run") {
    const auto run = [&]<class Network, class Shape, arithmetic A>(const Network&, Shape, std::integral_constant<arithmetic, A>) {
        const model<Network, Shape, backend::cpu> m(1);
        using program = typename device::backend<A>::template program<float>;
        program small(m.structure(), m.parameters(), m.buffers()), layers(m.structure(), m.parameters(), m.buffers());
        layers.fuse_small_networks(false);
        auto x = random_images<float>(600, Shape::value);
        for (auto& v : x.values()) v = .5f + .5f * v;
        worker_pool pool(1);
        const auto y = predict(m, x, pool).classes;
        const auto attack = pgd({.epsilon = .1, .step_size = .01, .steps = 20});
        const auto found = perturb(attack, small, x, y, pool), expected = perturb(attack, layers, x, y, pool);
        CHECK(found.rejected == 0);
        CHECK(perturb(attack, small, x, y, pool).adversarial == found.adversarial);
        const auto part = perturb(attack, small, x.slice(0, 70), labels(y.begin(), y.begin() + 70), pool);
        CHECK(std::equal(part.adversarial.values().begin(), part.adversarial.values().end(), found.adversarial.values().begin()));
        std::size_t same = 0;
        for (std::size_t i = 0; i < x.size(); ++i) same += found.success[i] == expected.success[i];
        CHECK(same >= (A == arithmetic::fp32 ? 598 : 570));
    };
    const auto both = [&](const auto& network, auto shape) {
        run(network, shape, std::integral_constant<arithmetic, arithmetic::fp32>{});
        run(network, shape, std::integral_constant<arithmetic, arithmetic::tf32>{});
    };
    both(networks::conv_small<>{}, shape<1, 28, 28>{});
    both(networks::lenet<>{}, shape<3, 32, 32>{});
    both(sequential<flatten, linear<100>, relu, linear<100>, relu, linear<10>>{}, shape<1, 28, 28>{});
}

TEST_CASE("attack decisions on the device are the processor's on at least 99.8 % of the images") {
    const char* const folder = std::getenv("SADDLE_MNIST");
    const dataset data = folder ? load(folder).test : generated_digits(1, 2000).test;
    model<networks::conv_small<>, shape<1, 28, 28>, backend::cpu> m(1);
    worker_pool pool;
    using program = device::backend<arithmetic::fp32>::program<float>;
    const auto attack = pgd({.epsilon = .1, .step_size = .01, .steps = 20});
    const auto host = perturb(attack, m, data.x, data.y, pool);
    const auto found = perturb(attack, program(m.structure(), m.parameters(), m.buffers()), data.x, data.y, pool);
    std::size_t same = 0;
    for (std::size_t i = 0; i < data.size(); ++i) same += host.success[i] == found.success[i];
    std::cout << "decisions equal on " << same << " of " << data.size() << " images\n";
    CHECK(static_cast<double>(same) >= .998 * static_cast<double>(data.size()));
}

TEST_CASE(
    "APGD over target classes on the device decides as on the processor, with the same bits every run and for every batch") {
    const model<networks::conv_small<>, shape<1, 28, 28>, backend::cpu> m(1);
    const auto x = generated_digits(1, 500).test.x;
    worker_pool pool;
    const auto y = predict(m, x, pool).classes;
    const auto run = [&](const auto& attack) {
        const auto on_device = [&](std::size_t count) {
            return device::attack_by_apgd(attack, m.structure(), m.parameters(), m.buffers(), x.slice(0, count),
                                          labels(y.begin(), y.begin() + static_cast<std::ptrdiff_t>(count)));
        };
        const auto found = on_device(500), part = on_device(70), expected = perturb(attack, m, x, y, pool);
        CHECK(on_device(500).adversarial == found.adversarial);
        CHECK(std::equal(part.adversarial.values().begin(), part.adversarial.values().end(), found.adversarial.values().begin()));
        CHECK(found.rejected == 0);
        std::size_t same = 0;
        for (std::size_t i = 0; i < x.size(); ++i) same += found.success[i] == expected.success[i];
        std::cout << "APGD, " << attack.projection.name << ": decisions equal on " << same << " of 500 images\n";
        CHECK(same >= 495);
    };
    run(apgd<linf, dlr>({.epsilon = .006, .steps = 20, .target_classes = 3}));
    run(apgd<l2, dlr>({.epsilon = .1, .steps = 20, .target_classes = 3}));
    run(apgd<l1, dlr>({.epsilon = 1, .steps = 20, .target_classes = 3, .larger_epsilons = true}));
}

namespace {

/// Certifies images of a model by every domain on both sides; every status is equal, every margin within 1e-9.
template <class Model>
void check_certificates(const Model& m, const images& x, double epsilon) {
    worker_pool pool;
    const auto y = predict(m, x, pool).classes;
    const auto same = [&](const certification_result& found, const certification_result& expected) {
        CHECK(found.status == expected.status);
        for (std::size_t i = 0; i < x.size(); ++i)
            CHECK(found.margin[i] == Approx(expected.margin[i]).epsilon(1e-9).margin(1e-9));
    };
    same(device::certify_box(m.structure(), m.parameters(), m.buffers(), x, y, epsilon),
         certify<box, double>(m, x, y, linf_box{epsilon}, pool));
    for (const bool intersect : {false, true})
        same(device::certify_zonotope(m.structure(), m.parameters(), m.buffers(), x, y, epsilon, {.intersect = intersect}),
             certify<zonotope, double>(m, x, y, linf_box{epsilon}, pool, {.intersect = intersect}));
    same(device::certify_deep_poly(m.structure(), m.parameters(), m.buffers(), x, y, epsilon),
         certify<deep_poly, double>(m, x, y, linf_box{epsilon}, pool));
}

}  // namespace

TEMPLATE_TEST_CASE("certification on the device gives the processor's bounds", "", SADDLE_CERTIFIED_NETWORKS) {
    const auto m = random_model<TestType>(4);
    auto x = random_images<float>(70, m.structure().input());
    for (auto& v : x.values()) v = .5f + .5f * v;
    check_certificates(m, x, .02);
}

TEST_CASE("certification of conv_small on the device gives the processor's bounds, and the same bits every run") {
    const model<networks::conv_small<>, shape<1, 28, 28>, backend::cpu> m(1);
    const auto data = generated_digits(1, 100).test;
    check_certificates(m, data.x, .01);
    worker_pool pool;
    const auto y = predict(m, data.x, pool).classes;
    const auto run = [&](std::size_t first, std::size_t count, std::size_t memory) {
        const auto at = y.begin() + static_cast<std::ptrdiff_t>(first);
        return device::certify_deep_poly(m.structure(), m.parameters(), m.buffers(), data.x.slice(first, count),
                                         labels(at, at + static_cast<std::ptrdiff_t>(count)), .1, memory)
            .margins;
    };
    const auto whole = run(0, 100, std::size_t{1} << 30), part = run(30, 40, std::size_t{1} << 24);
    CHECK(run(0, 100, std::size_t{1} << 30) == whole);
    CHECK(std::equal(part.begin(), part.end(), whole.begin() + 300));
    const auto forms = [&](std::size_t memory) {
        return device::certify_zonotope(m.structure(), m.parameters(), m.buffers(), data.x, y, .1, {.memory = memory}).margins;
    };
    const auto together = forms(std::size_t{4} << 30);
    CHECK(forms(std::size_t{4} << 30) == together);
    CHECK(forms(std::size_t{1} << 29) == together);
}

int main(int count, char** arguments) {
    if (!device::available()) {
        std::cout << "SKIPPED: no CUDA device of compute capability 8.0 or newer\n";
        return 77;
    }
    std::cout << "device: " << device::name() << '\n';
    Catch::Session session;
    if (const int status = session.applyCommandLine(count, arguments); status != 0) return status;
    if (!device::has_wgmma()) {
        std::cout << "SKIPPED: what needs wgmma; the device or the architectures of this build have none\n";
        auto& chosen = session.configData().testsOrTags;
        if (chosen.empty()) chosen.emplace_back();
        for (auto& tests : chosen) {  // of each alternative
            for (std::size_t at = tests.find(','); at != std::string::npos; at = tests.find(',', at + 10))
                tests.insert(at, "~[wgmma]");
            tests += "~[wgmma]";
        }
    }
    return session.run();
}
