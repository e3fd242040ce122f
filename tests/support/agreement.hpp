#pragma once
#include "saddle/backend/reference/reference.hpp"
#include "saddle/testing/random_images.hpp"
#include "support/evaluate.hpp"

/// Compares a backend in T with the reference in double, where the reference takes the backend's side at every kink.
namespace saddle::testing {

/// How far a backend's results are from the reference's, relative to the largest value of each.
struct agreement {
    double logits = 0, input_gradient = 0, weight_gradient = 0, buffers = 0;
    [[nodiscard]] double worst() const { return std::max({logits, input_gradient, weight_gradient, buffers}); }
};

/// The first `count` operations of a plan; parameters and buffers stay.
inline plan beginning_of(const plan& p, std::size_t count) {
    plan part = p;
    part.operations.resize(count);
    part.tensors.resize(count + 1);
    return part;
}

/// Overwrites what decides a kink (ReLU's output, leaky ReLU's and max-pool's input) by what `run` makes of the plan's beginning.
template <class Run>
void impose_masks(backend::reference::trace<double>& trace, const plan& p, Run&& run) {
    for (std::size_t i = 0; i < p.operations.size(); ++i) {
        const auto& op = p.operations[i];
        const bool rectifies = op.kind == operation_kind::activation && op.function == activation_function::relu;
        const bool leaks = op.kind == operation_kind::activation && op.function == activation_function::leaky_relu;
        const std::size_t tensor = rectifies ? op.output : leaks || op.kind == operation_kind::max_pool ? op.input : 0;
        if (tensor != 0) trace.tensors[tensor] = converted<double>(run(beginning_of(p, tensor)));
    }
}

template <class T>
std::vector<double> widened(std::span<const T> values) {
    return {values.begin(), values.end()};
}

/// A gradient for each logit of each example, spread over [-1,1).
template <class T>
std::vector<T> cotangents(std::size_t count) {
    const random_stream draws({.seed = 77, .purpose = purpose::user});
    std::vector<T> values(count);
    for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<T>(2 * draws.uniform(0, i) - 1);
    return values;
}

/// Evaluation mode: logits and input gradient. `exact` is the network for the reference in double; its weights are not read.
template <class Model, class Exact, class T = typename Model::value_type>
agreement compare_evaluation(const Model& m, const Exact& exact, const basic_images<T>& x) {
    const auto& p = exact.structure();
    const auto parameters = widened(m.parameters()), buffers = widened(m.buffers());
    const auto gradient = cotangents<T>(x.size() * p.classes());
    const auto found = evaluate(prepare(m), x, p.tensors[p.output()], std::span<const T>(gradient));

    backend::reference::trace<double> trace(p, parameters, buffers);
    trace.forward(converted<double>(x));
    agreement result{.logits = relative_difference(found.output, trace.tensors[p.output()])};
    impose_masks(trace, m.structure(), [&](const plan& part) {
        using program = typename Model::backend::template program<T>;
        return evaluate(program(part, m.parameters(), m.buffers()), x, part.tensors[part.output()]).output;
    });
    result.input_gradient = relative_difference(found.input_gradient, trace.backward(widened(std::span<const T>(gradient))));
    return result;
}

/// Training mode: logits, weight gradient and running statistics.
template <class Model, class Exact, class T = typename Model::value_type>
agreement compare_training(const Model& m, const Exact& exact, const basic_images<T>& x, std::size_t threads = 1) {
    const auto& p = exact.structure();
    const training_settings settings{.seed = 5, .epoch = 1, .step = 3};
    const auto parameters = widened(m.parameters());
    auto buffers = widened(m.buffers());
    const auto gradient = cotangents<T>(x.size() * p.classes());
    const auto train = [&](const plan& part) {
        return train_once<typename Model::backend, T>(part, m.parameters(), m.buffers(), x,
                                                      std::span<const T>(cotangents<T>(x.size() * part.classes())), settings,
                                                      threads);
    };
    const auto found = train(m.structure());

    std::vector<std::uint64_t> ids(x.size());
    std::iota(ids.begin(), ids.end(), std::uint64_t{100});
    std::vector<double> weight_gradient(parameters.size());
    backend::reference::trace<double> trace(p, parameters, buffers, settings, ids);
    trace.forward(converted<double>(x));
    agreement result{.logits = relative_difference(found.output, trace.tensors[p.output()])};
    impose_masks(trace, m.structure(), [&](const plan& part) { return train(part).output; });
    trace.backward(widened(std::span<const T>(gradient)), weight_gradient);
    trace.update_statistics(buffers);
    result.weight_gradient = relative_difference(std::span<const T>(found.gradient), std::span<const double>(weight_gradient));
    result.buffers = relative_difference(std::span<const T>(found.buffers), std::span<const double>(buffers));
    return result;
}

/// Both modes on images x; largest relative differences.
template <class Backend, class T>
agreement compare_with_reference(const weighted_plan<Backend, T>& m, const weighted_plan<backend::reference, double>& exact,
                                 const basic_images<T>& x) {
    agreement result = compare_evaluation(m, exact, x);
    if constexpr (requires { typename Backend::template trainer_program<T>; }) {
        const auto trained = compare_training(m, exact, x);
        result.logits = std::max(result.logits, trained.logits);
        result.weight_gradient = trained.weight_gradient;
        result.buffers = trained.buffers;
    }
    return result;
}

/// Both modes on `count` random images, weights off their start; largest relative difference.
template <class Network, class Shape, class Backend, class T = float>
agreement compare_with_reference(std::size_t count, const Network& network = {}) {
    weighted_plan<Backend, T> m(make_plan<Network, Shape, Backend, T>(network), 1);
    perturb(m);
    const weighted_plan<backend::reference, double> exact(make_plan<Network, Shape, backend::reference, double>(network), 0);
    return compare_with_reference(m, exact, random_images<T>(count, Shape::value));
}

}  // namespace saddle::testing
