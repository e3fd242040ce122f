#include "saddle/nn/backward_pass_approximation.hpp"

#include "saddle/attacks/perturb.hpp"
#include "saddle/attacks/pgd.hpp"
#include "saddle/backend/cpu/cpu.hpp"
#include "saddle/losses/logit_margin.hpp"
#include "saddle/nn/linear.hpp"
#include "saddle/nn/model.hpp"
#include "saddle/nn/sequential.hpp"
#include "support/catch.hpp"

#include <cmath>

using namespace saddle;

namespace {

/// Three bits of an image: its derivative is 0, so gradients end here.
struct three_bits {
    template <class Shape>
    using output = Shape;
    template <class V>
    static V value(V x) {
        return std::floor(x * V(7.999)) / V(7);
    }
    template <class V>
    static V derivative(V) {
        return V(0);
    }
};

/// The same layer on blocks, without a backward pass of its own.
struct three_bits_on_blocks {
    template <class Shape>
    using output = Shape;
    template <class In, class T>
    static void forward(block<const T> x, std::span<const T* const>, block<T> y) {
        for_each_row(
            [n = x.shape.width * x.lanes](const T* in, T* out) {
                for (std::size_t i = 0; i < n; ++i) out[i] = three_bits::value(in[i]);
            },
            x, y);
    }
};

/// 2 x - x²: some smooth curve.
struct curve {
    template <class Shape>
    using output = Shape;
    template <class V>
    static V value(V x) {
        return x * (2 - x);
    }
    template <class V>
    static V derivative(V x) {
        return 2 - 2 * x;
    }
};

using input_shape = shape<1, 4, 4>;
template <class First>
using network = sequential<First, flatten, linear<3>>;

images some_images() {
    images x(20, input_shape::value);
    const random_stream draws({.seed = 4});
    for (std::size_t i = 0; i < x.values().size(); ++i) x.values()[i] = draws.uniform(0, i);
    return x;
}

/// Success of PGD on the network with this first layer, the same weights for all.
template <class First>
attack_result<float> attacked(const images& x) {
    const model<network<First>, input_shape, backend::cpu> m(3);
    worker_pool pool(1);
    const auto y = predict(m, x, pool).classes;
    return perturb(pgd<linf, logit_margin>({.epsilon = .3, .step_size = .05, .steps = 20, .start = start_rule::none}), m, x, y);
}

}  // namespace

TEST_CASE("an attack sees through a layer without gradient by its approximation", "[nn][bpda]") {
    const auto x = some_images();
    const auto blind = attacked<three_bits>(x);
    CHECK(blind.success_rate() == 0);
    CHECK(blind.adversarial == x);
    CHECK(attacked<backward_pass_approximation<three_bits>>(x).success_rate() > .6);
    CHECK(attacked<backward_pass_approximation<three_bits_on_blocks>>(x).success_rate() > .6);
}

TEST_CASE("forward is the layer's and backward the approximation's, at the same input", "[nn][bpda]") {
    using both = backward_pass_approximation<three_bits, curve>;
    const std::vector<double> x{.1, .4, .7, .95}, dy{1, 2, 3, 4};
    std::vector<double> y(4), dx(4);
    const block<const double> in = contiguous_block(x.data(), {1, 1, 4}, 1), above = contiguous_block(dy.data(), {1, 1, 4}, 1);
    both::forward<shape<1, 1, 4>, double>(in, {}, contiguous_block(y.data(), {1, 1, 4}, 1));
    both::backward<shape<1, 1, 4>, double>(in, contiguous_block<const double>(y.data(), {1, 1, 4}, 1), above, {},
                                           contiguous_block(dx.data(), {1, 1, 4}, 1));
    for (std::size_t i = 0; i < 4; ++i) {
        CHECK(y[i] == three_bits::value(x[i]));
        CHECK(dx[i] == Approx(dy[i] * (2 - 2 * x[i])));
    }
}

TEST_CASE("an approximation of itself is the layer", "[nn][bpda]") {
    const auto x = some_images();
    CHECK(attacked<curve>(x).adversarial == attacked<backward_pass_approximation<curve, curve>>(x).adversarial);
}
