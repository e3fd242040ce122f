#pragma once
#include "mixed_flags.hpp"
#include "saddle/backend/cpu/cpu.hpp"
#include "saddle/nn/networks/conv_small.hpp"
#include "support/evaluate.hpp"

namespace {

/// Instantiates the CPU backend for the architecture of the file that includes it, and runs it.
outcome compute() {
    using saddle::shape;
    const saddle::model<saddle::networks::conv_small<>, shape<1, 28, 28>, saddle::backend::cpu> model(7);
    const saddle::random_stream draws({.seed = 3});
    saddle::images x(5, {1, 28, 28});
    for (std::size_t n = 0; n < x.size(); ++n)
        for (std::size_t i = 0; i < x.each().size(); ++i) x[n][i] = draws.uniform(n, i);

    const std::vector<float> ones(x.size() * model.classes, 1);
    const auto result = saddle::testing::evaluate(prepare(model), x, {model.classes, 1, 1}, std::span<const float>(ones));
    const auto logits = result.output.values(), gradient = result.input_gradient.values();
    return {saddle::lane_count<float>, {logits.begin(), logits.end()}, {gradient.begin(), gradient.end()}};
}

}  // namespace
