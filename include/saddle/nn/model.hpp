#pragma once
#include "saddle/core/arena.hpp"
#include "saddle/core/random.hpp"
#include "saddle/nn/layer.hpp"

#include <algorithm>
#include <cmath>
#include <span>

namespace saddle {

/// The plan of a network for one input shape, backend and scalar type.
template <class Network, class Shape, class Backend, class T>
[[nodiscard, gnu::cold]] plan make_plan(const Network& network = {}) {
    plan p;
    const auto input = p.add_tensor(Shape::value);
    append_layer<Shape, Backend, T>(network, p, input, "");
    return p;
}

/// A plan with its weights: all that training and files need to know of a model, whatever network type it was made from.
///
/// Parameters and buffers are two flat vectors; `structure()` tells names, dimensions and places.
template <class Backend, class T>
class weighted_plan {
public:
    using value_type = T;
    using backend = Backend;

    weighted_plan(plan structure, std::uint64_t seed)
        : plan_(std::move(structure)), parameters_(plan_.parameter_count), buffers_(plan_.buffer_count) {
        initialize(seed);
    }

    [[nodiscard]] const plan& structure() const { return plan_; }
    [[nodiscard]] std::span<T> parameters() { return parameters_; }
    [[nodiscard]] std::span<const T> parameters() const { return parameters_; }
    [[nodiscard]] std::span<T> buffers() { return buffers_; }
    [[nodiscard]] std::span<const T> buffers() const { return buffers_; }

    /// Draws all parameters again, as PyTorch's layers start (uniform in ±1/sqrt(fan_in)), and resets the buffers. Draws are keyed by
    /// `seed`, the parameter's index and the element.
    void initialize(std::uint64_t seed) {
        for (std::size_t i = 0; i < plan_.parameters.size(); ++i) {
            const auto& info = plan_.parameters[i];
            const random_stream draws({.seed = seed, .purpose = purpose::initialization, .layer = static_cast<std::uint32_t>(i)});
            const double bound = 1 / std::sqrt(static_cast<double>(std::max<std::size_t>(info.fan_in, 1)));
            for (std::size_t j = 0; j < info.size; ++j)
                parameters_[info.offset + j] = info.start == initial_value::ones ? T(1)
                                               : info.start == initial_value::zeros
                                                   ? T(0)
                                                   : static_cast<T>((2. * draws.uniform(0, j) - 1) * bound);
        }
        for (const auto& info : plan_.buffers)
            std::transform(info.start.begin(), info.start.end(), buffers_.begin() + static_cast<std::ptrdiff_t>(info.offset),
                           [](double v) { return static_cast<T>(v); });
    }

private:
    plan plan_;
    lane_vector<T> parameters_, buffers_;
};

/// A network with its weights: `model<networks::conv_small<>, shape<1,28,28>, backend::cpu>`. Input [C,H,W] in [0,1], output logits [K].
///
/// The weights change only through `parameters()` and `buffers()`; `prepare(model)` makes the program that attacks and evaluation run.
template <class Network, class Shape, class Backend, class T = float>
class model {
public:
    using value_type = T;
    using backend = Backend;
    using input_shape = Shape;
    using network = Network;
    static constexpr std::size_t classes = output_of<Network, Shape>::size;

    /// Weights start as weighted_plan::initialize draws them from `seed`.
    explicit model(std::uint64_t seed = 0) : model(Network{}, seed) {}
    explicit model(const Network& network, std::uint64_t seed = 0)
        : weights_(make_plan<Network, Shape, Backend, T>(network), seed) {}

    [[nodiscard]] const plan& structure() const { return weights_.structure(); }
    [[nodiscard]] std::span<T> parameters() { return weights_.parameters(); }
    [[nodiscard]] std::span<const T> parameters() const { return weights_.parameters(); }
    [[nodiscard]] std::span<T> buffers() { return weights_.buffers(); }
    [[nodiscard]] std::span<const T> buffers() const { return weights_.buffers(); }
    void initialize(std::uint64_t seed) { weights_.initialize(seed); }

    /// The weights without the network's type: trainers take this, so that networks do not multiply what is compiled.
    operator weighted_plan<Backend, T>&() { return weights_; }
    operator const weighted_plan<Backend, T>&() const { return weights_; }

private:
    weighted_plan<Backend, T> weights_;
};

/// The immutable inference program of a model in evaluation mode: what attacks, evaluation and certification run.
template <class Backend, class T>
[[nodiscard]] auto prepare(const weighted_plan<Backend, T>& m) {
    return typename Backend::template program<T>(m.structure(), m.parameters(), m.buffers());
}
template <class Network, class Shape, class Backend, class T>
[[nodiscard]] auto prepare(const model<Network, Shape, Backend, T>& m) {
    return prepare<Backend, T>(static_cast<const weighted_plan<Backend, T>&>(m));
}

}  // namespace saddle
