#include "saddle/backend/cpu/cpu.hpp"
#include "saddle/nn/activations.hpp"
#include "saddle/nn/linear.hpp"
#include "saddle/nn/model.hpp"
#include "saddle/nn/networks/conv_small.hpp"
#include "saddle/nn/normalization.hpp"
#include "saddle/nn/pooling.hpp"
#include "saddle/nn/residual.hpp"
#include "saddle/nn/sequential.hpp"
#include "saddle/testing/random_images.hpp"
#include "support/catch.hpp"

#include <numeric>

using namespace saddle;

namespace {

/// Weight gradient and buffers after one pass over `count` images with `threads` threads.
template <class Network, class Shape>
std::pair<std::vector<float>, std::vector<float>> differentiate(std::size_t count, std::size_t threads) {
    worker_pool pool(threads);
    model<Network, Shape, backend::cpu> m(7);
    backend::cpu::trainer_program<float> program(m.structure(), pool);
    const auto x = testing::random_images<float>(count, Shape::value);
    std::vector<std::uint64_t> ids(count);
    std::iota(ids.begin(), ids.end(), 5);
    std::vector<float> gradient(m.parameters().size());
    const auto loss = [&](const float* logits, std::size_t, std::size_t valid, float* slopes) {
        constexpr std::size_t l = lane_count<float>;
        for (std::size_t i = 0; i < m.classes * l; ++i) slopes[i] = i % l < valid ? logits[i] : 0;
    };
    program.differentiate(m.parameters(), m.buffers(), x, ids, {.seed = 1, .epoch = 2, .step = 3}, loss, gradient);
    return {gradient, {m.buffers().begin(), m.buffers().end()}};
}

using normalised = sequential<conv2d<16, 3, padding<1>, no_bias>, batch_norm, relu,
                              residual<sequential<conv2d<16, 3, padding<1>>, batch_norm, relu, conv2d<16, 3, padding<1>>>>,
                              max_pool2d<2>, group_norm<4>, flatten, dropout, linear<10>>;

}  // namespace

TEST_CASE("training gradients have the same bits for any number of threads", "[backend][threads]") {
    const auto plain = differentiate<networks::conv_small<>, shape<1, 28, 28>>(70, 1);
    const auto norms = differentiate<normalised, shape<3, 8, 8>>(70, 1);
    for (const std::size_t threads : {2, 3, 5}) {
        CHECK(differentiate<networks::conv_small<>, shape<1, 28, 28>>(70, threads) == plain);
        CHECK(differentiate<normalised, shape<3, 8, 8>>(70, threads) == norms);
    }
}

TEST_CASE("dropout draws anew for every step and the same for the same step", "[backend]") {
    worker_pool pool(1);
    using network = sequential<flatten, dropout, linear<3>>;
    model<network, shape<1, 4, 4>, backend::cpu> m;
    backend::cpu::trainer_program<float> program(m.structure(), pool);
    const auto x = testing::random_images<float>(5, {1, 4, 4});
    const std::vector<std::uint64_t> ids{1, 2, 3, 4, 5};
    const auto logits_at = [&](std::uint32_t step) {
        std::vector<float> seen, gradient(m.parameters().size());
        program.differentiate(
            m.parameters(), m.buffers(), x, ids, {.step = step},
            [&](const float* logits, std::size_t, std::size_t, float* slopes) {
                seen.assign(logits, logits + 3 * lane_count<float>);
                std::fill_n(slopes, 3 * lane_count<float>, 0.F);
            },
            gradient);
        return seen;
    };
    CHECK(logits_at(0) == logits_at(0));
    CHECK(logits_at(0) != logits_at(1));
}

TEST_CASE("running statistics stay where they are when asked", "[backend]") {
    worker_pool pool(1);
    model<sequential<conv2d<16, 1>, batch_norm, flatten, linear<2>>, shape<1, 2, 2>, backend::cpu> m;
    backend::cpu::trainer_program<float> program(m.structure(), pool);
    const auto x = testing::random_images<float>(4, {1, 2, 2});
    const std::vector<std::uint64_t> ids{0, 1, 2, 3};
    std::vector<float> gradient(m.parameters().size());
    const std::vector<float> before(m.buffers().begin(), m.buffers().end());
    const auto loss = [](const float*, std::size_t, std::size_t, float* slopes) {
        std::fill_n(slopes, 2 * lane_count<float>, 0.F);
    };
    program.differentiate(m.parameters(), m.buffers(), x, ids, {.update_statistics = false}, loss, gradient);
    CHECK(std::equal(before.begin(), before.end(), m.buffers().begin()));
    program.differentiate(m.parameters(), m.buffers(), x, ids, {}, loss, gradient);
    CHECK_FALSE(std::equal(before.begin(), before.end(), m.buffers().begin()));
}

TEST_CASE("a batch that does not fit the network is refused", "[backend]") {
    worker_pool pool(1);
    model<networks::conv_small<>, shape<1, 28, 28>, backend::cpu> m;
    backend::cpu::trainer_program<float> program(m.structure(), pool);
    std::vector<float> gradient(m.parameters().size());
    const auto loss = [](const float*, std::size_t, std::size_t, float*) {};
    const std::vector<std::uint64_t> one{0};
    CHECK_THROWS_AS(program.differentiate(m.parameters(), m.buffers(), images(1, {1, 27, 28}), one, {}, loss, gradient),
                    shape_error);
    CHECK_THROWS_AS(program.differentiate(m.parameters(), m.buffers(), images(2, {1, 28, 28}), one, {}, loss, gradient),
                    shape_error);
    gradient.pop_back();
    CHECK_THROWS_AS(program.differentiate(m.parameters(), m.buffers(), images(1, {1, 28, 28}), one, {}, loss, gradient),
                    shape_error);
}
