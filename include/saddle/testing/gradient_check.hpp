#pragma once
#include "saddle/core/arena.hpp"
#include "saddle/core/worker_pool.hpp"
#include "saddle/nn/model.hpp"
#include "saddle/nn/training_settings.hpp"
#include "saddle/testing/finite_differences.hpp"

namespace saddle::testing {

namespace detail {

/// A fixed random weight in [-1,1) for each logit of each example: the scalar that is differentiated is their weighted sum.
inline double cotangent(std::size_t example, std::size_t logit, const gradient_check_options& options) {
    return 2. * random_stream({.seed = options.seed, .purpose = purpose::sample, .layer = 1}).uniform(example, logit) - 1;
}

}  // namespace detail

/// Checks a program's backward pass to the input, evaluation mode. Images may take any value. Throws shape_error.
template <class Program>
[[nodiscard]] gradient_comparison compare_input_gradient(const Program& program, basic_images<double> x,
                                                         const gradient_check_options& options = {}) {
    constexpr std::size_t lanes = Program::vector::size;
    require<shape_error>(!x.empty() && x.each() == program.input(), "gradient check", "images",
                         text("at least one of extents ", program.input()), text(x.size(), " of ", x.each()));
    auto session = program.make_session();
    const std::size_t size = x.each().size(), classes = program.classes();
    lane_vector<double> block(size * lanes), logits(classes * lanes), cotangents(classes * lanes), block_gradient(size * lanes);
    std::vector<double> gradient(x.values().size());
    const auto run = [&](bool backward) {
        double sum = 0;
        for (std::size_t first = 0; first < x.size(); first += lanes) {
            const std::size_t count = std::min(lanes, x.size() - first);
            for (std::size_t lane = 0; lane < count; ++lane) {
                for (std::size_t i = 0; i < size; ++i) block[i * lanes + lane] = x[first + lane][i];
                for (std::size_t k = 0; k < classes; ++k)
                    cotangents[k * lanes + lane] = detail::cotangent(first + lane, k, options);
            }
            session.forward(block.data(), logits.data());
            for (std::size_t k = 0; k < classes; ++k)
                for (std::size_t lane = 0; lane < count; ++lane) sum += cotangents[k * lanes + lane] * logits[k * lanes + lane];
            if (!backward) continue;
            session.backward(cotangents.data(), block_gradient.data());
            for (std::size_t lane = 0; lane < count; ++lane)
                for (std::size_t i = 0; i < size; ++i) gradient[(first + lane) * size + i] = block_gradient[i * lanes + lane];
        }
        return sum;
    };
    run(true);
    return compare_gradient(
        "input", x.values(), gradient, [&] { return run(false); }, options);
}

/// Checks a trainer program's weight gradient, training mode (batch statistics, dropout on): one comparison per parameter.
template <class TrainerProgram>
[[nodiscard]] std::vector<gradient_comparison>
compare_weight_gradient(TrainerProgram&& trainer, const plan& structure, std::span<const double> parameters,
                        std::span<const double> buffers, const basic_images<double>& x,
                        const gradient_check_options& options = {}) {
    constexpr std::size_t lanes = std::remove_cvref_t<TrainerProgram>::vector::size;
    std::vector<double> weights(parameters.begin(), parameters.end()), state(buffers.begin(), buffers.end());
    std::vector<std::uint64_t> ids(x.size());
    std::iota(ids.begin(), ids.end(), std::uint64_t{100});
    const training_settings settings{.seed = options.seed, .update_statistics = false};
    std::vector<double> terms(x.size());
    const auto differentiate = [&](std::span<double> gradient) {
        trainer.differentiate(
            std::span<const double>(weights), std::span<double>(state), x, std::span<const std::uint64_t>(ids), settings,
            [&](const double* logits, std::size_t first, std::size_t count, double* logits_gradient) {
                for (std::size_t lane = 0; lane < count; ++lane) terms[first + lane] = 0;
                for (std::size_t k = 0; k < structure.classes(); ++k)
                    for (std::size_t lane = 0; lane < lanes; ++lane) {
                        const double c = lane < count ? detail::cotangent(first + lane, k, options) : 0;
                        logits_gradient[k * lanes + lane] = c;
                        if (lane < count) terms[first + lane] += c * logits[k * lanes + lane];
                    }
            },
            gradient);
        return std::accumulate(terms.begin(), terms.end(), 0.);
    };
    std::vector<double> gradient(weights.size()), ignored(weights.size());
    differentiate(gradient);
    std::vector<gradient_comparison> comparisons;
    for (const auto& info : structure.parameters)
        comparisons.push_back(compare_gradient(
            info.name, std::span(weights).subspan(info.offset, info.size),
            std::span<const double>(gradient).subspan(info.offset, info.size), [&] { return differentiate(ignored); }, options));
    return comparisons;
}

/// Checks a model's gradients in double: the input's in evaluation mode and every parameter's in training mode.
///
/// `m` runs on any host backend. A smooth network reaches about 1e-8; one with ReLU or max-pool does too unless a kink lies within
/// a step of the images, which random weights and images make unlikely. Throws shape_error for images that do not fit.
template <class Backend>
[[nodiscard]] gradient_report check_gradients(const weighted_plan<Backend, double>& m, const basic_images<double>& x,
                                              const gradient_check_options& options = {}) {
    gradient_report report;
    report.tensors.push_back(compare_input_gradient(prepare(m), x, options));
    worker_pool pool(1);
    typename Backend::template trainer_program<double> trainer(m.structure(), pool);
    for (auto& c : compare_weight_gradient(trainer, m.structure(), m.parameters(), m.buffers(), x, options))
        report.tensors.push_back(std::move(c));
    return report;
}

template <class Network, class Shape, class Backend>
[[nodiscard]] gradient_report check_gradients(const model<Network, Shape, Backend, double>& m, const basic_images<double>& x,
                                              const gradient_check_options& options = {}) {
    return check_gradients<Backend>(static_cast<const weighted_plan<Backend, double>&>(m), x, options);
}

/// The same for a class of your own that offers `logits` and `input_gradient` in double (docs/models.md): the input only.
template <class Model>
    requires requires(const Model& m, const basic_images<double>& x, std::span<double> values) {
        m.logits(x, values);
        m.input_gradient(x, std::span<const double>(values), values);
    }
[[nodiscard]] gradient_report check_gradients(const Model& m, basic_images<double> x,
                                              const gradient_check_options& options = {}) {
    std::vector<double> logits(x.size() * Model::classes), cotangents(logits.size()), gradient(x.values().size());
    for (std::size_t i = 0; i < cotangents.size(); ++i)
        cotangents[i] = detail::cotangent(i / Model::classes, i % Model::classes, options);
    m.input_gradient(x, std::span<const double>(cotangents), std::span<double>(gradient));
    const auto value = [&] {
        m.logits(x, std::span<double>(logits));
        return std::inner_product(logits.begin(), logits.end(), cotangents.begin(), 0.);
    };
    gradient_report report;
    report.tensors.push_back(compare_gradient("input", x.values(), gradient, value, options));
    return report;
}

}  // namespace saddle::testing
