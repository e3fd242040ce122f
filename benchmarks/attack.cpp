// PGD end to end, as a share of the FMA peak measured in the same run. Work is counted as direct convolution, so Winograd may pass 1.
#include "peak.hpp"
#include "saddle/attacks/perturb.hpp"
#include "saddle/attacks/pgd.hpp"
#include "saddle/backend/cpu/cpu.hpp"
#include "saddle/nn/model.hpp"
#include "saddle/nn/networks/conv_small.hpp"
#include "saddle/nn/networks/resnet.hpp"
#include "saddle/nn/networks/small_cnn.hpp"
#include "saddle/projections/l2.hpp"

namespace {

using namespace saddle;

/// Images in [0,1], each pixel a draw.
images random_images(std::size_t count, extents each) {
    images x(count, each);
    const random_stream draws({.seed = 1, .purpose = purpose::user});
    for (std::size_t i = 0; i < x.values().size(); ++i) x.values()[i] = draws.uniform(0, i);
    return x;
}

template <class Network, class Shape>
void attack(benchmark::State& state, std::size_t batch, pgd_settings settings) {
    worker_pool pool(static_cast<std::size_t>(state.range(0)));
    const model<Network, Shape, backend::cpu> m;
    const auto program = prepare(m);
    const auto x = random_images(batch, Shape::value);
    const labels y(batch, 3);
    const auto method = pgd(settings);
    const double flops = 4. * static_cast<double>(multiply_adds(m.structure()) * batch * settings.steps);
    benchmarks::run_against_peak(state, pool, flops, static_cast<double>(batch), [&] {
        benchmark::DoNotOptimize(perturb(method, program, x, y, pool, {.examples_only = true}));
    });
}

/// PGD that stops at each image's first success, which comes after 1 to 200 steps: steps as small as the margins are.
/// `batch` images a call: with one block's worth of images no lane can be refilled.
void spread_out(benchmark::State& state, std::size_t batch) {
    using shape_type = shape<1, 28, 28>;
    worker_pool pool(1);
    const model<networks::conv_small<>, shape_type, backend::cpu> m(1);
    const auto program = prepare(m);
    const auto x = random_images(256, shape_type::value);
    const auto y = predict(program, x, pool).classes;
    const auto method = pgd({.epsilon = .1, .step_size = .0003, .steps = 200, .start = start_rule::none, .early_stop = true});
    std::uint64_t gradients = 0, most = 0;
    for (auto _ : state) {
        const double start = benchmarks::seconds();
        gradients = 0;
        for (std::size_t first = 0; first < x.size(); first += batch) {
            const auto part = x.slice(first, batch);
            const auto found =
                perturb(method, program, part,
                        {y.begin() + static_cast<std::ptrdiff_t>(first), y.begin() + static_cast<std::ptrdiff_t>(first + batch)},
                        pool, {.verify = false});
            gradients += found.gradient_calls;
            most = std::max(most, *std::max_element(found.gradients.begin(), found.gradients.end()));
        }
        state.SetIterationTime(benchmarks::seconds() - start);
    }
    state.counters["gradients/image"] = static_cast<double>(gradients) / 256;
    state.counters["most"] = static_cast<double>(most);
}
void spread_out_by_blocks(benchmark::State& s) { spread_out(s, lane_count<float>); }
void spread_out_refilled(benchmark::State& s) { spread_out(s, 256); }

void fma_peak(benchmark::State& state) {
    worker_pool pool(static_cast<std::size_t>(state.range(0)));
    double best = 0;
    for (auto _ : state) {
        const double start = benchmarks::seconds();
        best = std::max(best, benchmarks::measure_peak(pool));
        state.SetIterationTime(benchmarks::seconds() - start);
    }
    state.counters["GFLOP/s"] = best;
}

void conv_small_pgd20(benchmark::State& s) {
    attack<networks::conv_small<>, shape<1, 28, 28>>(s, 128, {.epsilon = .1, .step_size = .01, .steps = 20});
}
void small_cnn_pgd40(benchmark::State& s) {
    attack<networks::small_cnn<>, shape<1, 28, 28>>(s, 128, {.epsilon = .3, .step_size = .01, .steps = 40});
}
void preact_resnet18_pgd10(benchmark::State& s) {
    attack<networks::preact_resnet18<>, shape<3, 32, 32>>(s, 64, {.epsilon = 8. / 255, .step_size = 2. / 255, .steps = 10});
}

BENCHMARK(fma_peak)->Arg(1)->Arg(2)->UseManualTime()->Unit(benchmark::kMillisecond);
BENCHMARK(conv_small_pgd20)->Arg(1)->Arg(2)->UseManualTime()->Unit(benchmark::kMillisecond)->MinTime(2);
BENCHMARK(small_cnn_pgd40)->Arg(1)->Arg(2)->UseManualTime()->Unit(benchmark::kMillisecond)->MinTime(3);
BENCHMARK(preact_resnet18_pgd10)->Arg(1)->Arg(2)->UseManualTime()->Unit(benchmark::kMillisecond)->MinTime(5);
BENCHMARK(spread_out_by_blocks)->UseManualTime()->Unit(benchmark::kMillisecond)->MinTime(2);
BENCHMARK(spread_out_refilled)->UseManualTime()->Unit(benchmark::kMillisecond)->MinTime(2);

}  // namespace

BENCHMARK_MAIN();
