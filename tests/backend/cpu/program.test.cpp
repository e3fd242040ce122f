#include "saddle/backend/cpu/cpu.hpp"
#include "saddle/nn/activations.hpp"
#include "saddle/nn/conv2d.hpp"
#include "saddle/nn/linear.hpp"
#include "saddle/nn/model.hpp"
#include "saddle/nn/networks/conv_small.hpp"
#include "saddle/nn/normalization.hpp"
#include "saddle/nn/pooling.hpp"
#include "saddle/nn/residual.hpp"
#include "saddle/nn/sequential.hpp"
#include "support/catch.hpp"

using namespace saddle;

namespace {

constexpr std::size_t l = lane_count<float>;

lane_vector<float> random_block(std::size_t size, std::uint64_t seed = 1) {
    lane_vector<float> values(size);
    const random_stream draws({.seed = seed});
    for (std::size_t i = 0; i < size; ++i) values[i] = draws.uniform(0, i);
    return values;
}

/// Logits and input gradient of one block.
template <class Program>
std::pair<lane_vector<float>, lane_vector<float>> run(const Program& program, const lane_vector<float>& x) {
    auto session = program.make_session();
    lane_vector<float> logits(program.classes() * l), slopes = random_block(program.classes() * l, 2), gradient(x.size());
    session.forward(x.data(), logits.data());
    session.backward(slopes.data(), gradient.data());
    return {logits, gradient};
}

double difference(const lane_vector<float>& a, const lane_vector<float>& b) {
    double worst = 0, largest = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        worst = std::max<double>(worst, std::abs(a[i] - b[i]));
        largest = std::max<double>(largest, std::abs(a[i]));
    }
    return worst / largest;
}

/// How many of a program's convolutions do the pool after them.
template <class Program>
std::size_t joined_pools(const Program& program) {
    std::size_t count = 0;
    for (std::size_t i = 0; i < program.steps().list().steps.size(); ++i) count += program.steps().unit(i).pool != none;
    return count;
}

/// Bits of logits and gradients with pools joined to `joined` convolutions, and with every step apart.
template <class Network, class Input>
void check_joined(std::size_t joined, const std::vector<float>& image = {}) {
    const model<Network, Input, backend::cpu> m(1);
    const backend::cpu::program<float> together(m.structure(), m.parameters(), m.buffers());
    const backend::cpu::program<float> apart(m.structure(), m.parameters(), m.buffers(), {.fuse = false});
    CHECK(joined_pools(together) == joined);
    CHECK(joined_pools(apart) == 0);
    auto x = random_block(together.input().size() * l);
    for (std::size_t i = 0; i < image.size(); ++i) x[i * l + 1] = image[i];
    const auto a = run(together, x), b = run(apart, x);
    const auto same = [](const lane_vector<float>& one, const lane_vector<float>& other) {
        return std::equal(one.begin(), one.end(), other.begin(), other.end(),
                          [](float p, float q) { return p == q || (p != p && q != q); });
    };
    CHECK(same(a.first, b.first));
    CHECK(same(a.second, b.second));
}

}  // namespace

TEST_CASE("a lane's result does not depend on the other lanes", "[backend]") {
    const model<networks::conv_small<>, shape<1, 28, 28>, backend::cpu> m(1);
    const auto program = prepare(m);
    const auto x = random_block(784 * l);
    auto others = x;
    for (std::size_t i = 0; i < others.size(); ++i)
        if (i % l != 1) others[i] = 1 - others[i];
    const auto a = run(program, x), b = run(program, others);
    for (std::size_t i = 1; i < a.first.size(); i += l) CHECK(a.first[i] == b.first[i]);
    for (std::size_t i = 1; i < a.second.size(); i += l) REQUIRE(a.second[i] == b.second[i]);
}

TEST_CASE("a session gives the same bits again and again", "[backend]") {
    const model<networks::conv_small<>, shape<1, 28, 28>, backend::cpu> m(1);
    const auto program = prepare(m);
    auto session = program.make_session();
    const auto x = random_block(784 * l), y = random_block(784 * l, 9);
    lane_vector<float> first(10 * l), other(10 * l), again(10 * l);
    session.forward(x.data(), first.data());
    session.forward(y.data(), other.data());
    session.forward(x.data(), again.data());
    CHECK(first == again);
    CHECK(first != other);
}

TEST_CASE("the last backward pass gives the bits of any other, whatever it overwrites", "[backend]") {
    const auto check = [](const auto& m) {
        const auto program = prepare(m);
        const std::size_t size = program.input().size() * l;
        auto session = program.make_session();
        const auto slopes = random_block(program.classes() * l, 2);
        for (std::uint64_t seed = 1; seed <= 2; ++seed) {
            const auto x = random_block(size, seed);
            lane_vector<float> logits(program.classes() * l), again(logits.size()), first(size), last(size);
            session.forward(x.data(), logits.data());
            session.backward(slopes.data(), first.data());
            session.last_backward(slopes.data(), last.data());
            CHECK(first == last);
            session.forward(x.data(), again.data());
            CHECK(again == logits);
        }
    };
    using pre = residual<sequential<batch_norm, relu, conv2d<16, 3, padding<1>>, batch_norm, relu, conv2d<16, 3, padding<1>>>>;
    using post = residual<sequential<conv2d<16, 3, padding<1>>, relu, conv2d<16, 3, padding<1>>>>;
    check(model<networks::conv_small<>, shape<1, 28, 28>, backend::cpu>(1));
    check(model<sequential<conv2d<16, 3>, pre, max_pool2d<2>, post, relu, avg_pool2d<2>, flatten, linear<4>>, shape<3, 14, 14>,
                backend::cpu>(1));
    check(model<sequential<conv2d<16, 3>, relu, conv2d<16, 3, padding<1>>, relu, max_pool2d<2>, conv2d<16, 3>, max_pool2d<2>,
                           flatten, linear<4>>,
                shape<1, 22, 14>, backend::cpu>(1));
    check(model<sequential<conv2d<16, 3>, max_pool2d<3, stride<1>>, relu, conv2d<16, 3, stride<2>>, sigmoid, conv2d<4, 1>,
                           group_norm<2>, silu, flatten, linear<4>>,
                shape<3, 14, 14>, backend::cpu>(1));
}

TEST_CASE("Winograd agrees with direct sums to its documented error and can be switched off", "[backend]") {
    using network =
        sequential<conv2d<32, 3, padding<1>>, silu, conv2d<64, 3>, silu, conv2d<16, 3, padding<1>>, flatten, linear<10>>;
    const model<network, shape<16, 9, 10>, backend::cpu> m(1);
    const backend::cpu::program<float> fast(m.structure(), m.parameters(), m.buffers());
    const backend::cpu::program<float> direct(m.structure(), m.parameters(), m.buffers(), {.winograd = false});
    CHECK(fast.steps().unit(1).transformed);  // step 0 gives the input its border
    CHECK_FALSE(direct.steps().unit(1).transformed);
    const auto x = random_block(16 * 90 * l);
    const auto a = run(fast, x), b = run(direct, x);
    CHECK(a.first != b.first);
    CHECK(difference(a.first, b.first) < 4e-6);
    CHECK(difference(a.second, b.second) < 4e-6);
}

TEST_CASE("a max pool joined to the convolution before it gives the bits of one apart", "[backend]") {
    using after_relu = sequential<conv2d<16, 3, padding<1>>, relu, max_pool2d<2>, conv2d<16, 3>, relu, conv2d<16, 3, padding<2>>,
                                  relu, max_pool2d<2>, flatten, linear<4>>;
    using before_relu = sequential<conv2d<16, 3>, max_pool2d<2>, relu, conv2d<16, 3, padding<1>>, flatten, linear<4>>;
    check_joined<after_relu, shape<16, 24, 32>>(2);
    check_joined<before_relu, shape<16, 18, 14>>(1);
}

TEST_CASE("windows without a single largest value pass gradients on as they do apart", "[backend]") {
    using network = sequential<conv2d<16, 3, padding<1>>, relu, max_pool2d<2>, flatten, linear<4>>;
    using plain = sequential<conv2d<16, 3, padding<1>>, max_pool2d<2>, flatten, linear<4>>;
    const std::size_t size = 16 * 8 * 8;
    const std::vector<float> equal(size, 0.F);
    std::vector<float> flawed(size, .5F);
    flawed[100] = std::numeric_limits<float>::quiet_NaN();
    for (const auto& image : {equal, flawed}) {
        check_joined<network, shape<16, 8, 8>>(1, image);
        check_joined<plain, shape<16, 8, 8>>(1, image);
    }
}

TEST_CASE("only pools that whole even tiles cover and nobody else needs are joined", "[backend]") {
    using convolution = conv2d<16, 3, padding<1>>;
    check_joined<sequential<convolution, relu, max_pool2d<2>, flatten, linear<4>>, shape<16, 9, 8>>(0);
    check_joined<sequential<convolution, relu, max_pool2d<2>, flatten, linear<4>>, shape<16, 10, 10>>(0);  // tiles of 5
    check_joined<sequential<convolution, relu, max_pool2d<3, stride<1>>, flatten, linear<4>>, shape<16, 8, 8>>(0);
    check_joined<sequential<conv2d<16, 5, padding<2>>, relu, max_pool2d<2>, flatten, linear<4>>, shape<16, 8, 8>>(0);
    check_joined<sequential<residual<convolution>, max_pool2d<2>, flatten, linear<4>>, shape<16, 8, 8>>(0);
    check_joined<
        sequential<convolution, residual<sequential<max_pool2d<2>, convolution>, sequential<max_pool2d<2>>>, flatten, linear<4>>,
        shape<16, 8, 8>>(0);
}

TEST_CASE("batch norm folds into the convolution before it and fuses with the ReLU after it", "[backend]") {
    using post = sequential<conv2d<16, 3>, batch_norm, relu, flatten, linear<4>>;
    using pre = sequential<residual<sequential<batch_norm, relu, conv2d<16, 3, padding<1>>>>, flatten, linear<4>>;
    const model<post, shape<16, 6, 6>, backend::cpu> a;
    const model<pre, shape<16, 6, 6>, backend::cpu> b;
    CHECK(prepare(a).steps().list().steps.size() == 2);
    const auto program = prepare(b);
    std::size_t norms = 0, sums = 0;
    for (const auto& s : program.steps().list().steps) {
        norms += s.op.kind == operation_kind::batch_norm && s.relu;
        sums += s.op.kind == operation_kind::add;
    }
    CHECK(norms == 1);
    CHECK(sums == 0);
}

TEST_CASE("a program packs changed weights again", "[backend]") {
    model<networks::conv_small<>, shape<1, 28, 28>, backend::cpu> m(1);
    auto program = prepare(m);
    const auto x = random_block(784 * l);
    const auto before = run(program, x);
    m.initialize(2);
    CHECK(run(program, x) == before);
    program.update(m.parameters(), m.buffers());
    CHECK(run(program, x) == run(prepare(m), x));
    CHECK(run(program, x) != before);
}
