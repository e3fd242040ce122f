#include "saddle/nn/model.hpp"
#include "saddle/nn/networks/conv_small.hpp"
#include "saddle/nn/normalization.hpp"
#include "saddle/testing/random_images.hpp"
#include "support/backends.hpp"
#include "support/catch.hpp"
#include "support/evaluate.hpp"

using namespace saddle;
using namespace saddle::testing;

namespace {

using small = model<sequential<linear<5>, batch_norm, linear<3>>, shape<4>, backend::reference>;

bool same(std::span<const float> a, std::span<const float> b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }

}  // namespace

TEST_CASE("equal seeds give equal weights, other seeds others", "[nn]") {
    CHECK(same(small(1).parameters(), small(1).parameters()));
    CHECK_FALSE(same(small(1).parameters(), small(2).parameters()));
}

TEST_CASE("float and double models of one seed start with the same weights", "[nn]") {
    const model<small::network, shape<4>, backend::reference, double> wide(3);
    const small narrow(3);
    for (std::size_t i = 0; i < narrow.parameters().size(); ++i)
        CHECK(narrow.parameters()[i] == static_cast<float>(wide.parameters()[i]));
}

TEST_CASE("initialize puts a model back to its start", "[nn]") {
    small m(4);
    perturb(m);
    m.initialize(4);
    CHECK(same(m.parameters(), small(4).parameters()));
    CHECK(same(m.buffers(), small(4).buffers()));
}

TEMPLATE_LIST_TEST_CASE("a program keeps the weights it was prepared from", "[nn]", backends) {
    model<networks::conv_small<>, shape<1, 28, 28>, TestType> m(1);
    const auto x = random_images<float>(2, {1, 28, 28});
    const auto program = prepare(m);
    const auto before = evaluate(program, x, {10, 1, 1}).output;
    perturb(m);
    CHECK(evaluate(program, x, {10, 1, 1}).output == before);
    CHECK_FALSE(evaluate(prepare(m), x, {10, 1, 1}).output == before);
}

TEMPLATE_LIST_TEST_CASE("a lane's logits and gradient do not depend on its neighbours or its place", "[nn]", backends) {
    const model<networks::conv_small<>, shape<1, 28, 28>, TestType> m(1);
    const auto program = prepare(m);
    const auto x = random_images<float>(5, {1, 28, 28});
    const std::vector<float> ones(50, 1.f);
    const auto together = evaluate(program, x, {10, 1, 1}, std::span<const float>(ones));
    for (std::size_t n = 0; n < 5; ++n) {
        const auto alone = evaluate(program, x.slice(n, 1), {10, 1, 1}, std::span<const float>(ones).first(10));
        CHECK(same(together.output[n], alone.output[0]));
        CHECK(same(together.input_gradient[n], alone.input_gradient[0]));
    }
}

TEMPLATE_LIST_TEST_CASE("programs tell their input and classes", "[nn]", backends) {
    const auto program = prepare(model<networks::conv_small<7>, shape<3, 32, 32>, TestType>());
    CHECK(program.input() == extents{3, 32, 32});
    CHECK(program.classes() == 7);
}

TEMPLATE_LIST_TEST_CASE("a program of weights that do not fit the plan is refused", "[nn]", backends) {
    const model<small::network, shape<4>, TestType> m;
    using program = typename TestType::template program<float>;
    CHECK_THROWS_AS(program(m.structure(), m.parameters().first(3), m.buffers()), shape_error);
    CHECK_THROWS_AS(program(m.structure(), m.parameters(), m.buffers().first(1)), shape_error);
}
