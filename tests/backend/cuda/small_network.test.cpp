#include "saddle/attacks/apgd.hpp"
#include "saddle/attacks/mifgsm.hpp"
#include "saddle/attacks/perturb.hpp"
#include "saddle/attacks/pgd.hpp"
#include "saddle/cuda.cuh"
#include "saddle/losses/cross_entropy.hpp"
#include "saddle/losses/kl_divergence.hpp"
#include "saddle/nn/activations.hpp"
#include "saddle/nn/linear.hpp"
#include "saddle/nn/model.hpp"
#include "saddle/nn/networks/conv_small.hpp"
#include "saddle/nn/normalization.hpp"
#include "saddle/nn/pooling.hpp"
#include "saddle/nn/residual.hpp"
#include "saddle/nn/sequential.hpp"
#include "saddle/projections/l2.hpp"
#include "saddle/testing/random_images.hpp"
#include "support/catch.hpp"
#include "support/evaluate.hpp"

using namespace saddle;

namespace cuda_small {

using strided =
    sequential<conv2d<5, 4, stride<2>>, relu, conv2d<9, 3, stride<2>, padding<1>>, relu, flatten, linear<70>, relu, linear<4>>;
using pooled = sequential<normalize, conv2d<6, 3>, relu, max_pool2d<2>, conv2d<7, 2, padding<1>>, batch_norm, relu,
                          max_pool2d<3, stride<2>, padding<1>>, relu, flatten, linear<9>, relu, linear<8>, relu, linear<4>>;
using averaged = sequential<conv2d<10, 3, padding<1>>, batch_norm, relu, avg_pool2d<3, stride<2>, padding<1>>, conv2d<3, 1>,
                            flatten, linear<4>>;
using dense = sequential<flatten, linear<40>, relu, linear<30>, relu, linear<4>>;

/// Logits, then the input's gradient of the cross-entropy against label 1.
struct pass {
    std::vector<float> logits, gradient;
};

pooled normalised() {
    return pooled(normalize{.mean = {.1307}, .deviation = {.3081}}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {});
}

cuda::device_properties device_of(int multiprocessors, std::size_t shared = 227 * 1024) {
    auto d = cuda::read_device();
    d.multiprocessors = multiprocessors;
    d.shared_memory = shared;
    return d;
}

template <class Precision, class Network, class Shape>
struct bench {
    model<Network, Shape, backend::basic_cuda<Precision>> m;
    cuda::machine<Precision> machine;
    cuda::stream order;

    explicit bench(const Network& network = {}, int multiprocessors = 4)
        : m(network, 3), machine(m.structure(), false, device_of(multiprocessors)) {
        testing::perturb(m);
        machine.upload(order.handle(), m.parameters(), m.buffers());
        machine.pack(order.handle());
    }
    pass run(std::size_t lanes, bool small) {
        const auto& p = m.structure();
        cuda::batch_session<Precision> batch(machine, p.input(), p.classes());
        batch.reserve(lanes);
        const auto place = batch.place();
        const random_stream draws({.seed = 4});
        for (std::size_t e = 0; e < batch.elements(); ++e)
            for (std::size_t l = 0; l < lanes; ++l) place.input[e * lanes + l] = draws.uniform(l, e);
        cuda::lane_memory records;
        records.reserve(lanes, 0);
        const auto& s = records.device();
        for (std::size_t l = 0; l < lanes; ++l) s.label[l] = s.target[l] = 1;
        cuda::judge_rules rules;
        const random_stream none_drawn({});
        cuda::launch(order.handle(), cuda::begin_lanes<>, {.operation = "begin", .blocks = lanes / 64, .threads = 64}, rules, s,
                     none_drawn, 4, static_cast<int>(lanes), false);
        for (std::size_t l = 0; l < lanes; ++l) s.goal[l] = 1;
        const cuda::judgement<cross_entropy> verdict{
            {}, rules, s, none_drawn, 4, static_cast<int>(lanes), static_cast<int>(lanes), false, true, true, 0, nullptr};
        if (small) {
            auto net = cuda::small_network<Precision>::of(machine);
            REQUIRE(net.has_value());
            net->reserve(lanes);
            net->forward(place);
            net->judge(place, verdict, true);
            if (net->has_trunk()) net->backward(place, cuda::store_few<float>{{.gradient = place.input_gradient}});
        } else {
            batch.forward();
            cuda::launch(order.handle(), cuda::judge<cross_entropy>, {.operation = "judge", .blocks = lanes / 64, .threads = 64},
                         verdict, static_cast<const float*>(place.logits), place.logits_gradient);
            batch.backward();
        }
        return {{place.logits, place.logits + 4 * lanes},
                {place.input_gradient, place.input_gradient + batch.elements() * lanes}};
    }
};

template <class Network, class Shape, class Precision = cuda::fp32>
void check_passes(const Network& network = {}) {
    bench<Precision, Network, Shape> b(network);
    constexpr double tolerance = std::is_same_v<Precision, cuda::fp32> ? 1e-5 : 2e-3;
    const auto layers = b.run(64, false), small = b.run(64, true);
    CHECK(testing::relative_difference(std::span<const float>(small.logits), std::span<const float>(layers.logits)) <= tolerance);
    CHECK(testing::relative_difference(std::span<const float>(small.gradient), std::span<const float>(layers.gradient)) <=
          tolerance);
    for (const int multiprocessors : {2, 8, 132}) {  // which decide how many lanes a block has
        const auto other = bench<Precision, Network, Shape>(network, multiprocessors).run(64, true);
        CHECK(other.logits == small.logits);
        CHECK(other.gradient == small.gradient);
    }
    cuda_emulator::reverse_order = true;
    const auto reverse = b.run(64, true);
    cuda_emulator::reverse_order = false;
    CHECK(reverse.logits == small.logits);
    CHECK(reverse.gradient == small.gradient);
}

template <class Network, class Shape>
struct attacked {
    model<Network, Shape, backend::cuda_fp32> m{3};
    images x;
    labels y;
    worker_pool pool{1};

    explicit attacked(const Network& network = {}, std::size_t count = 9)
        : m(network, 3), x(testing::random_images<float>(count, Shape::value)) {
        testing::perturb(m);
        for (auto& v : x.values()) v = .5f + .5f * v;
        y = predict(prepare(m), x, pool).classes;
        y[2] = (y[2] + 1) % 4;
    }
    template <class Attack>
    void check(const Attack& attack, const run_settings& settings = {}) {
        auto small = prepare(m), layers = prepare(m);
        layers.fuse_small_networks(false);
        const auto found = perturb(attack, small, x, y, pool, settings), expected = perturb(attack, layers, x, y, pool, settings);
        CHECK(testing::relative_difference(found.adversarial, expected.adversarial) <= 1e-5);
        CHECK(found.success == expected.success);
        CHECK(found.rejected == 0);
        CHECK(found.gradients == expected.gradients);
        CHECK(found.forwards == expected.forwards);
        CHECK(found.targets == expected.targets);
        CHECK(found.clean_predictions == expected.clean_predictions);
        CHECK(found.adversarial_predictions == expected.adversarial_predictions);
        CHECK(found.trace.success == expected.trace.success);
        for (std::size_t i = 0; i < found.loss.size(); ++i)
            CHECK(found.loss[i] == Approx(expected.loss[i]).epsilon(1e-4).margin(1e-5));
        CHECK(perturb(attack, small, x, y, pool, settings).adversarial == found.adversarial);
    }
};

}  // namespace cuda_small

using namespace cuda_small;

TEST_CASE("a small network's kernels give what its layers give, whatever a block holds", "[cuda]") {
    check_passes<strided, shape<2, 11, 9>>();
    check_passes<pooled, shape<1, 10, 8>>(normalised());
    check_passes<averaged, shape<3, 6, 7>>();
    check_passes<dense, shape<1, 5, 6>>();
}

TEST_CASE("on tensor cores a small network's kernels give what its layers give on theirs", "[cuda]") {
    using wide = sequential<conv2d<8, 4, stride<2>>, relu, conv2d<20, 3, stride<2>, padding<1>>, relu, conv2d<32, 2, padding<1>>,
                            relu, conv2d<40, 3, stride<2>>, relu, max_pool2d<2>, flatten, linear<20>, relu, linear<4>>;
    check_passes<wide, shape<1, 23, 25>, cuda::tf32>();
    check_passes<strided, shape<8, 11, 9>, cuda::tf32>();
    check_passes<pooled, shape<1, 10, 8>, cuda::tf32>(normalised());
    check_passes<sequential<flatten, linear<90>, linear<37>, linear<4>>, shape<2, 10, 9>, cuda::tf32>();
    check_passes<sequential<conv2d<16, 3, stride<3>>, flatten, linear<4>>, shape<16, 4, 7>, cuda::tf32>();
    check_passes<sequential<conv2d<48, 2, padding<1>>, conv2d<9, 1, stride<2>>, flatten, linear<4>>, shape<24, 3, 2>,
                 cuda::tf32>();
}

TEST_CASE("attacks on small networks do what they do layer by layer", "[cuda]") {
    attacked<strided, shape<2, 11, 9>> conv;
    conv.check(pgd({.epsilon = .1, .step_size = .03, .steps = 3}));
    run_settings traced;
    traced.trace = true;
    conv.check(pgd({.epsilon = .2, .step_size = .05, .steps = 3, .restarts = 2, .keep = keep_rule::best, .early_stop = true}),
               traced);
    conv.check(pgd({.epsilon = .2, .step_size = .05, .steps = 2, .targets = target_rule::least_likely}));
    conv.check(pgd<linf>({.epsilon = .2, .step_size = .05, .steps = 2}, kl_divergence{}));
    conv.check(pgd<l2>({.epsilon = .5, .step_size = .2, .steps = 2}));
    conv.check(mifgsm({.epsilon = .1, .steps = 2}));
    conv.check(apgd<l2, dlr>({.epsilon = .5, .steps = 3, .target_classes = 2}), traced);
    run_settings quick;
    quick.examples_only = true;
    conv.check(pgd({.epsilon = .1, .step_size = .03, .steps = 3}), quick);
    run_settings limited;  // through sessions
    limited.max_gradients = 2;
    conv.check(pgd({.epsilon = .1, .step_size = .03, .steps = 3}), limited);
    attacked<dense, shape<1, 5, 6>> plain;
    plain.check(pgd({.epsilon = .1, .step_size = .03, .steps = 3}), limited);
    plain.check(pgd({.epsilon = .1, .step_size = .03, .steps = 3}));
    plain.check(pgd({.epsilon = .1, .step_size = .03, .steps = 3, .keep = keep_rule::first_success, .early_stop = true}));
}

TEST_CASE("an image's attack on a small network does not depend on its batch", "[cuda]") {
    attacked<strided, shape<2, 11, 9>> many({}, 70), few({}, 70);
    const auto attack = pgd({.epsilon = .1, .step_size = .03, .steps = 2});
    const auto program = prepare(many.m);
    const auto together = perturb(attack, program, many.x, many.y, many.pool).adversarial;
    for (const std::size_t i : {5, 69}) {
        const std::vector<std::uint64_t> ids{i};
        run_settings settings;
        settings.ids = ids;
        const auto alone = perturb(attack, program, many.x.slice(i, 1), {many.y[i]}, many.pool, settings).adversarial;
        CHECK(std::equal(alone[0].begin(), alone[0].end(), together[i].begin()));
    }
}

TEST_CASE("a step on a small network is three kernels", "[cuda]") {
    attacked<strided, shape<2, 11, 9>> a;
    const auto program = prepare(a.m);
    run_settings quick;
    quick.examples_only = true;
    const auto launches = [&](std::size_t steps) {
        const std::size_t before = cuda_emulator::launches;
        (void)perturb(pgd({.epsilon = .1, .step_size = .03, .steps = steps}), program, a.x, a.y, a.pool, quick);
        return cuda_emulator::launches - before;
    };
    CHECK(launches(5) - launches(2) == 9);
}

TEST_CASE("other networks, and those that do not fit, run layer by layer", "[cuda]") {
    const auto taken = []<class Network, class Shape>(const Network&, Shape, std::size_t shared = 227 * 1024) {
        const auto p = make_plan<Network, Shape, backend::cuda_fp32, float>();
        const cuda::machine<cuda::fp32> machine(p, false, device_of(132, shared));
        return cuda::small_network<cuda::fp32>::of(machine).has_value();
    };
    using mnist = shape<1, 28, 28>;
    CHECK(taken(networks::conv_small<>{}, mnist{}));
    CHECK(taken(networks::conv_small<>{}, mnist{}, 163 * 1024));
    CHECK(taken(networks::conv_small<>{}, shape<3, 32, 32>{}));
    CHECK(taken(networks::model_z<>{}, mnist{}));
    CHECK(taken(networks::lenet<>{}, shape<3, 32, 32>{}));
    CHECK_FALSE(taken(networks::conv_small<>{}, mnist{}, 40 * 1024));
    CHECK_FALSE(taken(networks::madry_mnist<>{}, mnist{}));
    CHECK_FALSE(taken(sequential<conv2d<4, 3>, saddle::tanh, flatten, linear<4>>{}, shape<1, 5, 5>{}));
    CHECK_FALSE(taken(sequential<residual<conv2d<2, 1>>, flatten, linear<4>>{}, shape<2, 5, 5>{}));
    CHECK_FALSE(taken(sequential<conv2d<4, 3>, relu, global_avg_pool>{}, shape<1, 5, 5>{}));
    CHECK_FALSE(taken(sequential<flatten, linear<2000>, relu, linear<4>>{}, shape<1, 20, 20>{}));
}
