#pragma once
#include "certification/plain_bounds.hpp"
#include "saddle/backend/cpu/cpu.hpp"
#include "saddle/certification/certify.hpp"
#include "saddle/nn/model.hpp"
#include "support/catch.hpp"

/// Small networks of every layer kind that has a relaxation, with random weights, for the tests of all domains.
namespace saddle::testing {

using strided = sequential<conv2d<3, 4, stride<2>>, relu, conv2d<5, 3, padding<1>>, relu, flatten, linear<9>, relu, linear<4>>;
using pooled = sequential<normalize, conv2d<4, 3, padding<1>>, relu, max_pool2d<2>, conv2d<5, 3, padding<1>>,
                          max_pool2d<2, stride<1>>, relu, flatten, linear<4>>;
using smooth = sequential<conv2d<3, 3, stride<2>, padding<1>>, batch_norm, saddle::tanh, avg_pool2d<2, stride<1>>, conv2d<4, 2>,
                          sigmoid, flatten, linear<6>, leaky_relu, linear<4>>;
using basic_block =
    residual<sequential<conv2d<3, 3, padding<1>, no_bias>, batch_norm, relu, conv2d<3, 3, padding<1>, no_bias>, batch_norm>>;
using residual_network = sequential<
    conv2d<3, 3, stride<2>, padding<1>>, relu, basic_block, relu,
    residual<sequential<conv2d<6, 3, stride<2>, padding<1>>, relu, conv2d<6, 3, padding<1>>>, conv2d<6, 1, stride<2>, no_bias>>,
    relu, global_avg_pool, flatten, linear<4>>;
using preactivation = sequential<
    conv2d<4, 3, padding<1>>,
    residual<sequential<batch_norm, relu, conv2d<4, 3, padding<1>>, batch_norm, relu, dropout, conv2d<4, 3, padding<1>>>>,
    batch_norm, relu, avg_pool2d<2>, flatten, linear<4>>;
using dense = sequential<flatten, linear<12>, relu, linear<10>, relu, linear<8>, relu, linear<4>>;

template <class Network, class T = float>
using small_model = model<Network, shape<2, 8, 7>, backend::cpu, T>;

/// A network with random weights, and running statistics that are not trivial.
template <class Network, class T = float>
small_model<Network, T> random_model(std::uint64_t seed) {
    small_model<Network, T> m(seed);
    const random_stream draws({.seed = seed + 1, .purpose = purpose::user});
    for (auto& v : m.parameters()) v *= T(2);
    for (const auto& info : m.structure().buffers)
        if (!info.constant)
            for (std::size_t j = 0; j < info.size; ++j)
                m.buffers()[info.offset + j] = static_cast<T>(.5 + draws.uniform(0, info.offset + j));
    return m;
}

/// An input box [C,H,W] of width up to 2·radius around random pixels.
struct random_box {
    std::vector<float> lower, upper;

    random_box(std::size_t size, double radius, std::uint64_t seed) : lower(size), upper(size) {
        const random_stream draws({.seed = seed, .purpose = purpose::user, .layer = 3});
        for (std::size_t i = 0; i < size; ++i) {
            const double centre = draws.uniform(0, 2 * i), r = radius * draws.uniform(0, 2 * i + 1);
            lower[i] = static_cast<float>(std::max(0., centre - r)), upper[i] = static_cast<float>(std::min(1., centre + r));
        }
    }
};

/// The bound network of a model's program without Winograd, and the analysis of a domain on it.
template <class Domain, class T, class Model>
struct analysed {
    using program_type = cpu_backend::program<lanes<typename Model::value_type>>;
    program_type program;
    bound_network<T> network;
    typename Domain::template analysis<lanes<T>> analysis;

    analysed(const Model& m, const Domain& domain, soundness level)
        : program(m.structure(), m.parameters(), m.buffers(), {.winograd = false}), network(program.steps()),
          analysis(network, domain, rounding_model::of<typename Model::value_type, T>(level)) {}
    std::vector<double> margins(const random_box& box, std::size_t label) {
        std::vector<double> margin(network.classes());
        analysis.margins(box.lower.data(), box.upper.data(), label, margin.data());
        return margin;
    }
};

/// The least logit[label] - logit[j] that the float program reaches at random points and corners of a box.
template <class Program>
std::vector<double> sampled_margins(const Program& program, const random_box& box, std::size_t label, std::size_t blocks,
                                    std::uint64_t seed) {
    using T = typename Program::value_type;
    constexpr std::size_t lanes = Program::vector::size;
    const std::size_t n = box.lower.size(), classes = program.classes();
    lane_vector<T> x(n * lanes), logits(classes * lanes);
    std::vector<double> least(classes, 1e300);
    auto session = program.make_session();
    for (std::size_t b = 0; b < blocks; ++b) {
        const random_stream draws({.seed = seed, .purpose = purpose::user, .epoch = static_cast<std::uint32_t>(b)});
        for (std::size_t i = 0; i < n; ++i)
            for (std::size_t l = 0; l < lanes; ++l) {
                const double u = draws.uniform(l, i), at = l % 2 == 0 ? std::round(u) : u;
                const double v = box.lower[i] + at * (double{box.upper[i]} - box.lower[i]);
                x[i * lanes + l] = std::clamp(static_cast<T>(v), static_cast<T>(box.lower[i]), static_cast<T>(box.upper[i]));
            }
        session.forward(x.data(), logits.data());
        for (std::size_t k = 0; k < classes; ++k)
            for (std::size_t l = 0; l < lanes; ++l)
                least[k] = std::min(least[k], double{logits[label * lanes + l]} - double{logits[k * lanes + l]});
    }
    return least;
}

}  // namespace saddle::testing

#define SADDLE_CERTIFIED_NETWORKS                                                                                                \
    saddle::testing::strided, saddle::testing::pooled, saddle::testing::smooth, saddle::testing::residual_network,               \
        saddle::testing::preactivation, saddle::testing::dense
