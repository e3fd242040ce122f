#pragma once
#include "saddle/core/lanes.hpp"
#include "saddle/core/worker_pool.hpp"

#include <benchmark/benchmark.h>
#include <chrono>

namespace benchmarks {

inline double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

/// One thread's stream of independent fused multiply-adds: the most floating-point work the core can do. Returns a value to keep.
inline float multiply_add_stream(std::size_t rounds) {
    using V = saddle::lanes<float>;
    constexpr int chains = sizeof(V) == 64 ? 24 : 12;
    V sum[chains];
    for (auto& s : sum) s = V(1.F);
    const V factor(.999F), term(.001F);
    for (std::size_t i = 0; i < rounds; ++i)
#pragma GCC unroll 24
        for (int k = 0; k < chains; ++k) sum[k] = saddle::multiply_add(sum[k], factor, term);
    float total = 0;
    for (const auto& s : sum) total += s.get(0);
    return total;
}

/// GFLOP/s that `pool`'s threads reach together on fused multiply-adds, over about `duration` seconds.
inline double measure_peak(saddle::worker_pool& pool, double duration = .03) {
    using V = saddle::lanes<float>;
    constexpr double flops = 2. * (sizeof(V) == 64 ? 24 : 12) * V::size;
    const auto rounds = static_cast<std::size_t>(duration * 250e9 / flops);
    const double start = seconds();
    pool.for_each(pool.size(), [&](std::size_t, std::size_t) { benchmark::DoNotOptimize(multiply_add_stream(rounds)); });
    return flops * static_cast<double>(rounds) * static_cast<double>(pool.size()) / (seconds() - start) / 1e9;
}

/// Times `body` once per iteration, each between two measurements of the peak, and reports work as a share of the best peak seen:
/// both sides of the ratio come from the same moments. `flops` per call, `examples` per call.
template <class Body>
void run_against_peak(benchmark::State& state, saddle::worker_pool& pool, double flops, double examples, Body&& body) {
    double peak = measure_peak(pool), fastest = 1e300;
    body();
    for (auto _ : state) {
        peak = std::max(peak, measure_peak(pool));
        const double start = seconds();
        body();
        const double took = seconds() - start;
        state.SetIterationTime(took);
        fastest = std::min(fastest, took);
    }
    state.counters["examples/s"] = examples / fastest;
    state.counters["GFLOP/s"] = flops / fastest / 1e9;
    state.counters["peak"] = peak;
    state.counters["share"] = flops / fastest / 1e9 / peak;
}

}  // namespace benchmarks
