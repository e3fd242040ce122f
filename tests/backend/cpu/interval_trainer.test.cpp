#include "saddle/backend/cpu/cpu.hpp"
#include "saddle/certification/box.hpp"
#include "saddle/nn/activations.hpp"
#include "saddle/nn/conv2d.hpp"
#include "saddle/nn/linear.hpp"
#include "saddle/nn/model.hpp"
#include "saddle/nn/normalization.hpp"
#include "saddle/nn/pooling.hpp"
#include "saddle/nn/residual.hpp"
#include "saddle/nn/sequential.hpp"
#include "saddle/testing/random_images.hpp"

#include "support/catch.hpp"

using namespace saddle;

namespace {

using weights = weighted_plan<backend::cpu, double>;
using interval_trainer = backend::cpu::interval_trainer<double>;
constexpr std::size_t block_lanes = interval_trainer::vector::size;

template <class Network, class Shape>
weights random_weights() {
    weights w(make_plan<Network, Shape, backend::cpu, double>(), 7);
    const random_stream draws({.seed = 3, .purpose = purpose::sample});
    for (const auto& info : w.structure().parameters)  // batch norm's too
        if (info.start != initial_value::fan_in_uniform)
            for (std::size_t j = 0; j < info.size; ++j)
                w.parameters()[info.offset + j] += 1.5 * draws.uniform(info.offset, j) - 1.2;
    for (const auto& info : w.structure().buffers)
        if (!info.constant)
            for (std::size_t j = 0; j < info.size; ++j) w.buffers()[info.offset + j] += .5 * draws.uniform(100 + info.offset, j);
    return w;
}

struct boxes {
    basic_images<double> lower, upper;
    labels y;
};
boxes random_boxes(const plan& p, std::size_t count, double radius) {
    const random_stream draws({.seed = 8, .purpose = purpose::sample});
    boxes b{basic_images<double>(count, p.input()), basic_images<double>(count, p.input()), labels(count)};
    for (std::size_t i = 0; i < count; ++i) {
        b.y[i] = static_cast<std::int32_t>(i % p.classes());
        for (std::size_t e = 0; e < p.input().size(); ++e) {
            const double x = draws.uniform(i, e);
            b.lower[i][e] = std::max(0., x - radius);
            b.upper[i][e] = std::min(1., x + radius);
        }
    }
    return b;
}

/// Bounds [N][K] and the gradient of Σ cotangent·bound.
struct outcome {
    std::vector<double> bounds, gradient;
    double sum = 0;
};
outcome run(const weights& w, const boxes& b, std::size_t threads = 1) {
    worker_pool pool(threads);
    interval_trainer trainer(w.structure(), pool);
    const std::size_t classes = w.structure().classes();
    outcome o{std::vector<double>(b.y.size() * classes), std::vector<double>(w.parameters().size())};
    const random_stream draws({.seed = 5, .purpose = purpose::sample});
    const auto cotangent = [&](std::size_t i, std::size_t k) { return 2. * draws.uniform(i, k) - 1; };
    trainer.differentiate(
        w.parameters(), w.buffers(), b.lower, b.upper, b.y,
        [&](const double* bounds, std::size_t first, std::size_t count, double* derivative) {
            for (std::size_t k = 0; k < classes; ++k)
                for (std::size_t l = 0; l < block_lanes; ++l) {
                    derivative[k * block_lanes + l] = l < count ? cotangent(first + l, k) : 0;
                    if (l < count) o.bounds[(first + l) * classes + k] = bounds[k * block_lanes + l];
                }
        },
        o.gradient);
    for (std::size_t i = 0; i < b.y.size(); ++i)
        for (std::size_t k = 0; k < classes; ++k) o.sum += cotangent(i, k) * o.bounds[i * classes + k];
    return o;
}

using image = shape<2, 6, 6>;
using conv_net = sequential<normalize, conv2d<5, 3, stride<2>, padding<1>>, relu, conv2d<4, 2>, leaky_relu, flatten, linear<7>,
                            relu, linear<4>>;
using pooled_net =
    sequential<conv2d<17, 3, padding<1>>, saddle::tanh, max_pool2d<2>, conv2d<18, 2>, sigmoid, avg_pool2d<2>, flatten, linear<3>>;
using overlapping_net = sequential<max_pool2d<3, stride<2>, padding<1>>, conv2d<32, 3>, softplus, flatten, linear<20>>;
using norm_net = sequential<conv2d<6, 3>, batch_norm, relu, dropout,
                            residual<sequential<batch_norm, relu, conv2d<6, 3, padding<1>>>>, relu, flatten, linear<3>>;
using open_net = sequential<conv2d<4, 3>, relu, conv2d<3, 2, stride<2>>, global_avg_pool>;
using winograd_net = sequential<conv2d<32, 3, padding<1>>, relu, conv2d<32, 3, padding<1>>, relu, flatten, linear<3>>;

}  // namespace

TEMPLATE_TEST_CASE("the gradient of interval bounds is that of finite differences", "", conv_net, pooled_net, overlapping_net,
                   norm_net, open_net) {
    auto w = random_weights<TestType, image>();
    const auto b = random_boxes(w.structure(), block_lanes + 3, .06);
    const auto exact = run(w, b);
    const random_stream draws({.seed = 1, .purpose = purpose::sample});
    for (const auto& info : w.structure().parameters)
        for (std::size_t probe = 0; probe < std::min<std::size_t>(info.size, 6); ++probe) {
            const std::size_t i = info.offset + static_cast<std::size_t>(draws.uniform(info.offset, probe) * double(info.size));
            const double before = w.parameters()[i], step = 1e-6;
            w.parameters()[i] = before + step;
            const double above = run(w, b).sum;
            w.parameters()[i] = before - step;
            const double below = run(w, b).sum;
            w.parameters()[i] = before;
            INFO(info.name << ' ' << i - info.offset);
            CHECK(exact.gradient[i] == Approx((above - below) / (2 * step)).epsilon(1e-6).margin(1e-7));
        }
}

TEMPLATE_TEST_CASE("interval bounds hold for every point of the box", "", conv_net, pooled_net, overlapping_net, norm_net,
                   open_net, winograd_net) {
    const auto w = random_weights<TestType, image>();
    const std::size_t classes = w.structure().classes();
    const auto b = random_boxes(w.structure(), 5, .1);
    const auto found = run(w, b);
    const auto program = prepare(w);
    auto session = program.make_session();
    const random_stream draws({.seed = 9, .purpose = purpose::sample});
    lane_vector<double> x(w.structure().input().size() * block_lanes), logits(classes * block_lanes);
    for (std::size_t i = 0; i < b.y.size(); ++i) {
        const std::size_t own = static_cast<std::size_t>(b.y[i]);
        CHECK(found.bounds[i * classes + own] == 0);
        for (std::size_t round = 0; round < 10; ++round) {
            for (std::size_t e = 0; e < w.structure().input().size(); ++e)
                for (std::size_t l = 0; l < block_lanes; ++l) {
                    const double u = draws.uniform(i * 1000 + round, e * block_lanes + l), t = round % 2 ? u : double(u < .5);
                    x[e * block_lanes + l] = b.lower[i][e] + t * (b.upper[i][e] - b.lower[i][e]);
                }
            session.forward(x.data(), logits.data());
            for (std::size_t k = 0; k < classes; ++k)
                for (std::size_t l = 0; l < block_lanes; ++l)
                    REQUIRE(logits[k * block_lanes + l] - logits[own * block_lanes + l] <= found.bounds[i * classes + k] + 1e-9);
        }
    }
}

TEMPLATE_TEST_CASE("a box of radius 0 has the logits' own differences and their gradient", "", conv_net, norm_net, open_net,
                   winograd_net) {
    const auto w = random_weights<TestType, image>();
    const std::size_t classes = w.structure().classes();
    const auto b = random_boxes(w.structure(), 3, 0);
    const auto found = run(w, b);
    const auto program = prepare(w);
    auto session = program.make_session();
    lane_vector<double> x(w.structure().input().size() * block_lanes), logits(classes * block_lanes);
    for (std::size_t i = 0; i < 3; ++i) {
        for (std::size_t e = 0; e < w.structure().input().size(); ++e)
            std::fill_n(x.begin() + static_cast<std::ptrdiff_t>(e * block_lanes), block_lanes, b.lower[i][e]);
        session.forward(x.data(), logits.data());
        for (std::size_t k = 0; k < classes; ++k)
            CHECK(found.bounds[i * classes + k] ==
                  Approx(logits[k * block_lanes] - logits[static_cast<std::size_t>(b.y[i]) * block_lanes])
                      .epsilon(1e-9)
                      .margin(1e-10));
    }
}

TEMPLATE_TEST_CASE("interval bounds are those of the certification domain box", "", conv_net, pooled_net, norm_net, open_net) {
    const auto w = random_weights<TestType, image>();
    const std::size_t classes = w.structure().classes();
    const auto b = random_boxes(w.structure(), 6, .08);
    const auto found = run(w, b);
    using V = lanes<double>;
    const cpu_backend::program<V> program(w.structure(), w.parameters(), w.buffers(), {.winograd = false});
    const bound_network<double> network(program.steps());
    box::analysis<V> domain(network, box{}, rounding_model::of<double, double>(soundness::float_program));
    std::vector<double> margins(classes);
    for (std::size_t i = 0; i < b.y.size(); ++i) {
        domain.margins(b.lower[i].data(), b.upper[i].data(), static_cast<std::size_t>(b.y[i]), margins.data());
        for (std::size_t k = 0; k < classes; ++k)
            CHECK(found.bounds[i * classes + k] == Approx(-margins[k]).epsilon(1e-9).margin(1e-9));
    }
}

TEST_CASE("the property is folded into the last layer") {
    weights w(make_plan<sequential<flatten, linear<3>>, shape<1, 1, 2>, backend::cpu, double>(), 0);
    const double values[] = {1, 2, 1.5, -1, 0, 3, .5, .25, 0};
    std::copy(std::begin(values), std::end(values), w.parameters().begin());
    boxes b{basic_images<double>(1, {1, 1, 2}), basic_images<double>(1, {1, 1, 2}), {0}};
    b.lower[0][0] = .2, b.upper[0][0] = .4, b.lower[0][1] = .5, b.upper[0][1] = .9;
    const auto found = run(w, b);
    CHECK(found.bounds[0] == 0);
    CHECK(found.bounds[1] == Approx(.5 * .4 - 3 * .5 - .25));
    CHECK(found.bounds[2] == Approx(-1 * .2 + 1 * .9 - .5));
}

TEST_CASE("interval bounds and gradients are the same bits for any number of threads") {
    const auto w = random_weights<norm_net, image>();
    const auto b = random_boxes(w.structure(), 5 * block_lanes + 1, .05);
    const auto once = run(w, b, 1);
    for (const std::size_t threads : {2u, 5u}) {
        const auto again = run(w, b, threads);
        CHECK(again.bounds == once.bounds);
        CHECK(again.gradient == once.gradient);
    }
}

TEST_CASE("interval training names the layer that it cannot do") {
    worker_pool pool(1);
    const auto message = [&](const plan& p) -> std::string {
        try {
            interval_trainer trainer(p, pool);
        } catch (const invalid_argument& e) {
            return e.what();
        }
        return "";
    };
    CHECK(message(make_plan<sequential<conv2d<4, 3>, group_norm<2>, flatten, linear<3>>, image, backend::cpu, double>()) ==
          "interval training: layer '1'; expected a linear or monotone layer, found group_norm");
    CHECK(message(make_plan<sequential<flatten, silu, linear<3>>, image, backend::cpu, double>()) ==
          "interval training: layer '1'; expected a linear or monotone layer, found silu");
}
