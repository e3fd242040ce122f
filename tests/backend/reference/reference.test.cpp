#include "saddle/backend/reference/reference.hpp"
#include "saddle/nn/networks/conv_small.hpp"
#include "saddle/nn/normalization.hpp"
#include "saddle/testing/random_images.hpp"
#include "support/agreement.hpp"
#include "support/catch.hpp"

#include <thread>

using namespace saddle;
using namespace saddle::testing;

namespace {

using network = sequential<conv2d<4, 3, padding<1>>, batch_norm, relu, max_pool2d<2>, dropout, flatten, linear<5>>;
using picture = shape<2, 6, 5>;

}  // namespace

TEST_CASE("the reference in float is close to the reference in double", "[backend]") {
    CHECK(compare_with_reference<network, picture, backend::reference, float>(19).worst() <= 1e-5);
    CHECK(compare_with_reference<networks::conv_small<>, shape<1, 28, 28>, backend::reference, float>(3).worst() <= 1e-5);
}

TEST_CASE("threads share a program, each with a session of its own", "[backend]") {
    const model<networks::conv_small<>, shape<1, 28, 28>, backend::reference> m(1);
    const auto program = prepare(m);
    const auto x = random_images<float>(40, {1, 28, 28});
    const auto expected = evaluate(program, x, {10, 1, 1}).output;
    basic_images<float> found[2];
    std::thread first([&] { found[0] = evaluate(program, x, {10, 1, 1}).output; });
    std::thread second([&] { found[1] = evaluate(program, x, {10, 1, 1}).output; });
    first.join();
    second.join();
    CHECK(found[0] == expected);
    CHECK(found[1] == expected);
}

TEST_CASE("training gives the same bits for any number of threads", "[backend]") {
    const model<network, picture, backend::reference> m(1);
    const auto x = random_images<float>(37, picture::value);
    const auto gradient = cotangents<float>(37 * 5);
    const auto train = [&](std::size_t threads) {
        return train_once<backend::reference, float>(m.structure(), m.parameters(), m.buffers(), x,
                                                     std::span<const float>(gradient), {}, threads);
    };
    CHECK(train(1).gradient == train(3).gradient);
    CHECK(train(1).buffers == train(3).buffers);
}

TEST_CASE("the loss is called once per block of consecutive images", "[backend]") {
    using trainer_type = backend::reference::trainer_program<double>;
    constexpr std::size_t lanes = trainer_type::vector::size;
    model<network, picture, backend::reference, double> m(1);
    const auto x = random_images(2 * lanes + 1, picture::value);
    const std::vector<std::uint64_t> ids(x.size());
    worker_pool pool(1);
    std::vector<std::pair<std::size_t, std::size_t>> calls;
    std::vector<double> gradient(m.parameters().size());
    trainer_type(m.structure(), pool)
        .differentiate(
            m.parameters(), m.buffers(), x, ids, {},
            [&](const double*, std::size_t first, std::size_t count, double* dz) {
                calls.emplace_back(first, count);
                std::fill_n(dz, 5 * lanes, 0.);
            },
            gradient);
    CHECK(calls == std::vector<std::pair<std::size_t, std::size_t>>{{0, lanes}, {lanes, lanes}, {2 * lanes, 1}});
}

TEST_CASE("training adds to the gradient it is given", "[backend]") {
    const model<linear<2>, shape<3>, backend::reference, double> m(1);
    const auto x = random_images(3, {3, 1, 1});
    const std::vector<double> ones(6, 1.);
    const auto once =
        train_once<backend::reference, double>(m.structure(), m.parameters(), m.buffers(), x, std::span<const double>(ones))
            .gradient;
    worker_pool pool(1);
    std::vector<double> gradient(m.parameters().size(), 10.), buffers;
    const std::vector<std::uint64_t> ids(3);
    using trainer_type = backend::reference::trainer_program<double>;
    trainer_type(m.structure(), pool)
        .differentiate(
            m.parameters(), buffers, x, ids, {},
            [](const double*, std::size_t, std::size_t count, double* dz) {
                constexpr std::size_t lanes = trainer_type::vector::size;
                for (std::size_t k = 0; k < 2; ++k)
                    for (std::size_t lane = 0; lane < lanes; ++lane) dz[k * lanes + lane] = lane < count ? 1. : 0.;
            },
            gradient);
    for (std::size_t i = 0; i < gradient.size(); ++i) CHECK(gradient[i] == Approx(10 + once[i]));
}
