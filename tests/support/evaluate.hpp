#pragma once
#include "saddle/core/arena.hpp"
#include "saddle/core/images.hpp"
#include "saddle/core/worker_pool.hpp"
#include "saddle/nn/model.hpp"
#include "saddle/nn/training_settings.hpp"

#include <numeric>

/// Runs any backend's program on plain images, block by block, and a trainer program on plain gradients.
namespace saddle::testing {

template <class T>
struct evaluation {
    basic_images<T> output;          ///< logits as images of the output tensor's extents
    basic_images<T> input_gradient;  ///< empty unless asked for
};

/// Logits [N][K] and, given their gradient [N][K], the input gradient. Idle lanes repeat the last image.
template <class Program, class T = typename Program::value_type>
evaluation<T> evaluate(const Program& program, const basic_images<T>& x, extents output,
                       std::span<const T> logits_gradient = {}) {
    constexpr std::size_t lanes = Program::vector::size;
    const std::size_t size = x.each().size(), classes = program.classes();
    auto session = program.make_session();
    lane_vector<T> block(size * lanes), block_gradient(size * lanes), logits(classes * lanes), cotangents(classes * lanes);
    evaluation<T> result{basic_images<T>(x.size(), output), {}};
    if (!logits_gradient.empty()) result.input_gradient = basic_images<T>(x.size(), x.each());
    for (std::size_t first = 0; first < x.size(); first += lanes) {
        for (std::size_t lane = 0; lane < lanes; ++lane)
            for (std::size_t i = 0; i < size; ++i) block[i * lanes + lane] = x[std::min(first + lane, x.size() - 1)][i];
        session.forward(block.data(), logits.data());
        const std::size_t count = std::min(lanes, x.size() - first);
        for (std::size_t lane = 0; lane < count; ++lane)
            for (std::size_t k = 0; k < classes; ++k) result.output[first + lane][k] = logits[k * lanes + lane];
        if (logits_gradient.empty()) continue;
        for (std::size_t lane = 0; lane < count; ++lane)
            for (std::size_t k = 0; k < classes; ++k)
                cotangents[k * lanes + lane] = logits_gradient[(first + lane) * classes + k];
        session.backward(cotangents.data(), block_gradient.data());
        for (std::size_t lane = 0; lane < count; ++lane)
            for (std::size_t i = 0; i < size; ++i) result.input_gradient[first + lane][i] = block_gradient[i * lanes + lane];
    }
    return result;
}

/// Output of a model in evaluation mode, as images of the output's extents.
template <class Model, class T = typename Model::value_type>
basic_images<T> output_of_model(const Model& m, const basic_images<T>& x) {
    return evaluate(prepare(m), x, m.structure().tensors[m.structure().output()]).output;
}

template <class T>
struct training_pass {
    basic_images<T> output;
    std::vector<T> gradient, buffers;
};

/// One training-mode pass with the logits' gradient given: logits, weight gradient and the buffers after it. Ids start at 100.
template <class Backend, class T>
training_pass<T> train_once(const plan& structure, std::span<const T> parameters, std::span<const T> buffers,
                            const basic_images<T>& x, std::span<const T> logits_gradient, const training_settings& settings = {},
                            std::size_t threads = 1) {
    using trainer_type = typename Backend::template trainer_program<T>;
    constexpr std::size_t lanes = trainer_type::vector::size;
    const std::size_t classes = structure.classes();
    training_pass<T> pass{basic_images<T>(x.size(), structure.tensors[structure.output()]),
                          std::vector<T>(parameters.size()),
                          {buffers.begin(), buffers.end()}};
    std::vector<std::uint64_t> ids(x.size());
    std::iota(ids.begin(), ids.end(), std::uint64_t{100});
    worker_pool pool(threads);
    trainer_type trainer(structure, pool);
    trainer.differentiate(
        parameters, std::span<T>(pass.buffers), x, std::span<const std::uint64_t>(ids), settings,
        [&](const T* logits, std::size_t first, std::size_t count, T* gradient) {
            for (std::size_t k = 0; k < classes; ++k)
                for (std::size_t lane = 0; lane < lanes; ++lane) {
                    gradient[k * lanes + lane] = lane < count ? logits_gradient[(first + lane) * classes + k] : T(0);
                    if (lane < count) pass.output[first + lane][k] = logits[k * lanes + lane];
                }
        },
        std::span<T>(pass.gradient));
    return pass;
}

/// Largest |a - b| over largest |b|; infinite for a NaN or different sizes.
template <class A, class B>
double relative_difference(std::span<const A> a, std::span<const B> b) {
    double difference = 0, size = 0;
    if (a.size() != b.size()) return std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < a.size(); ++i) {
        const double d = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
        if (!(d < std::numeric_limits<double>::infinity())) return std::numeric_limits<double>::infinity();
        difference = std::max(difference, d);
        size = std::max(size, std::abs(static_cast<double>(b[i])));
    }
    return difference == 0 ? 0 : difference / size;
}
template <class A, class B>
double relative_difference(const basic_images<A>& a, const basic_images<B>& b) {
    return relative_difference(a.values(), b.values());
}

template <class To, class From>
basic_images<To> converted(const basic_images<From>& x) {
    basic_images<To> y(x.size(), x.each());
    std::transform(x.values().begin(), x.values().end(), y.data(), [](From v) { return static_cast<To>(v); });
    return y;
}

/// Moves every parameter and buffer off its start, so that norms and their running moments matter; variances stay positive.
template <class Model>
void perturb(Model& m, std::uint64_t seed = 0) {
    using T = typename Model::value_type;
    const random_stream draws({.seed = seed, .purpose = purpose::user});
    for (std::size_t i = 0; i < m.parameters().size(); ++i) m.parameters()[i] += static_cast<T>(.2 * (draws.uniform(0, i) - .5));
    for (const auto& info : m.structure().buffers)
        if (!info.constant)
            for (std::size_t i = 0; i < info.size; ++i)
                m.buffers()[info.offset + i] += static_cast<T>(.5 * draws.uniform(1, info.offset + i));
}

}  // namespace saddle::testing
