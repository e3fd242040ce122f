// One training step (forward, backward, weight gradient), as a share of the FMA peak measured in the same run.
#include "peak.hpp"
#include "saddle/backend/cpu/cpu.hpp"
#include "saddle/losses/cross_entropy.hpp"
#include "saddle/nn/model.hpp"
#include "saddle/nn/networks/conv_small.hpp"
#include "saddle/nn/networks/resnet.hpp"
#include "saddle/nn/networks/small_cnn.hpp"

#include <numeric>

namespace {

using namespace saddle;

template <class Network, class Shape>
void step(benchmark::State& state, std::size_t batch) {
    worker_pool pool(static_cast<std::size_t>(state.range(0)));
    model<Network, Shape, backend::cpu> m;
    backend::cpu::trainer_program<float> trainer(m.structure(), pool);
    images x(batch, Shape::value);
    const random_stream draws({.seed = 1, .purpose = purpose::user});
    for (std::size_t i = 0; i < x.values().size(); ++i) x.values()[i] = draws.uniform(0, i);
    std::vector<std::uint64_t> ids(batch);
    std::iota(ids.begin(), ids.end(), 0);
    std::vector<float> gradient(m.parameters().size());
    using V = lanes<float>;
    const auto loss = [&](const float* logits, std::size_t, std::size_t, float* slopes) {
        alignas(64) const std::array<float, V::size> label{};
        benchmark::DoNotOptimize(
            cross_entropy{}.evaluate<V>(loss_input<float>{logits, 10, V::size, label.data(), false, nullptr}, slopes));
    };
    const double flops = 6. * static_cast<double>(multiply_adds(m.structure()) * batch);
    benchmarks::run_against_peak(state, pool, flops, static_cast<double>(batch),
                                 [&] { trainer.differentiate(m.parameters(), m.buffers(), x, ids, {}, loss, gradient); });
}

void conv_small_step(benchmark::State& s) { step<networks::conv_small<>, shape<1, 28, 28>>(s, 128); }
void small_cnn_step(benchmark::State& s) { step<networks::small_cnn<>, shape<1, 28, 28>>(s, 128); }
void preact_resnet18_step(benchmark::State& s) { step<networks::preact_resnet18<>, shape<3, 32, 32>>(s, 64); }

BENCHMARK(conv_small_step)->Arg(1)->Arg(2)->UseManualTime()->Unit(benchmark::kMillisecond)->MinTime(1);
BENCHMARK(small_cnn_step)->Arg(1)->Arg(2)->UseManualTime()->Unit(benchmark::kMillisecond)->MinTime(2);
BENCHMARK(preact_resnet18_step)->Arg(1)->Arg(2)->UseManualTime()->Unit(benchmark::kMillisecond)->MinTime(4);

}  // namespace

BENCHMARK_MAIN();
