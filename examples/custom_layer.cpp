// Two layers of your own in a network: one elementwise, one on blocks with parameters. The network is trained on generated digits and
// attacked. How to check such layers against finite differences: docs/layers.md.
#include "saddle/attacks/pgd.hpp"
#include "saddle/backend/cpu/cpu.hpp"
#include "saddle/data/generated_digits.hpp"
#include "saddle/evaluation/evaluate.hpp"
#include "saddle/nn/linear.hpp"
#include "saddle/nn/sequential.hpp"
#include "saddle/training/objectives/natural.hpp"
#include "saddle/training/optimizers.hpp"
#include "saddle/training/progress_bar.hpp"
#include "saddle/training/schedules.hpp"
#include "saddle/training/trainer.hpp"

using namespace saddle;

/// y = x / (1 + |x|): value and derivative are all an elementwise layer needs.
struct softsign {
    template <class Shape>
    using output = Shape;
    template <class V>
    static V value(V x) {
        return x / (1 + std::abs(x));
    }
    template <class V>
    static V derivative(V x) {
        return 1 / ((1 + std::abs(x)) * (1 + std::abs(x)));
    }
};

/// y[c] = gain[c] · x[c], one trained factor per channel; blocks are [channel][row][column][lane].
struct channel_gain {
    template <class Shape>
    using output = Shape;
    template <class In>
    static std::vector<parameter_info> parameters() {
        return {{.name = "gain", .dimensions = {In::channels}, .start = initial_value::ones}};
    }
    template <class In, class T>
    static void forward(block<const T> x, std::span<const T* const> parameters, block<T> y) {
        each<In>(x, [&](std::size_t c, std::size_t row, std::size_t i) { y.at(c, row)[i] = parameters[0][c] * x.at(c, row)[i]; });
    }
    template <class In, class T>
    static void backward(block<const T> x, block<const T>, block<const T> dy, std::span<const T* const> parameters, block<T> dx) {
        each<In>(x,
                 [&](std::size_t c, std::size_t row, std::size_t i) { dx.at(c, row)[i] = parameters[0][c] * dy.at(c, row)[i]; });
    }
    template <class In, class T>
    static void gradient(block<const T> x, block<const T>, block<const T> dy, std::span<T* const> gradients) {
        each<In>(x,
                 [&](std::size_t c, std::size_t row, std::size_t i) { gradients[0][c] += dy.at(c, row)[i] * x.at(c, row)[i]; });
    }

private:
    template <class In, class T, class F>
    static void each(block<const T> x, F f) {
        for (std::size_t c = 0; c < In::channels; ++c)
            for (std::size_t row = 0; row < In::height; ++row)
                for (std::size_t i = 0; i < In::width * x.lanes; ++i) f(c, row, i);
    }
};

using network =
    sequential<conv2d<16, 4, stride<2>>, channel_gain, softsign, conv2d<32, 4, stride<2>>, softsign, flatten, linear<10>>;

int main() {
    const auto data = generated_digits(4000, 1000, 0);
    model<network, shape<1, 28, 28>, backend::cpu> m(1);
    trainer t(m, objectives::natural{}, adam{}, schedules::constant{}, {.epochs = 3}, progress_bar{});
    (void)t.fit(data.train);

    worker_pool pool;
    const auto found =
        evaluate("softsign", m, data.test, pool, {}, pgd(pgd_settings{.epsilon = .1, .step_size = .01, .steps = 20}));
    std::cout << "clean " << 100 * found.clean.share() << " %, under PGD-20 at epsilon .1 " << 100 * found.rows[0].robust.share()
              << " %\n";
}
