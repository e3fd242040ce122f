// Certification of one image by one thread: time per image of every domain, and DeepPoly's share of the FMA peak in back-substitution.
//   certification DATA WEIGHTS [benchmark options]
// DATA holds mnist/ and cifar10/; networks that WEIGHTS lacks are trained first (two epochs) and saved there, for other tools to read.
#include "peak.hpp"
#include "saddle/certification/box.hpp"
#include "saddle/certification/certify.hpp"
#include "saddle/certification/deep_poly.hpp"
#include "saddle/nn/networks/resnet.hpp"
#include "saddle/nn/networks/small_cnn.hpp"
#include "trained.hpp"

#include <iostream>

namespace {

using namespace saddle;
using benchmarks::dense_6x100, benchmarks::two_blocks;

std::string data_folder, weights_folder;

/// Correctly classified test images, one analysis after another.
template <class Domain, class Model>
void analyse(benchmark::State& state, const Model& m, const dataset& set, double epsilon, std::size_t images,
             const Domain& domain = {}) {
    using V = lanes<float>;
    worker_pool pool(1);
    const cpu_backend::program<V> program(m.structure(), m.parameters(), m.buffers(), {.winograd = false});
    const bound_network<float> network(program.steps());
    typename Domain::template analysis<V> analysis(network, domain, rounding_model::of<float, float>(soundness::float_program));
    std::vector<float> lower(program.input().size()), upper(lower.size());
    std::vector<double> margin(program.classes());
    std::size_t verified = 0;
    // Apart and hot: GCC takes this function, which is called once, for cold.
    const auto one = [&](std::size_t i) __attribute__((noinline, hot)) {
        linf_box{epsilon}(i, set.x[i], std::span<float>(lower), std::span<float>(upper));
        const auto label = static_cast<std::size_t>(set.y[i]);
        analysis.margins(lower.data(), upper.data(), label, margin.data());
        verified += std::all_of(margin.begin(), margin.end(), [](double v) { return v >= 0; });
    };
    one(0);
    double fastest = 1e300, peak = 0, work = 0, rows = 0;
    for (auto _ : state) {
        verified = 0;
        peak = std::max(peak, benchmarks::measure_peak(pool));
        const double start = benchmarks::seconds();
        if constexpr (requires { analysis.multiply_adds(); })
            work = -analysis.multiply_adds(), rows = -static_cast<double>(analysis.rows());
        for (std::size_t i = 0; i < images; ++i) one(i);
        const double took = benchmarks::seconds() - start;
        if constexpr (requires { analysis.multiply_adds(); })
            work += analysis.multiply_adds(), rows += static_cast<double>(analysis.rows());
        state.SetIterationTime(took);
        fastest = std::min(fastest, took);
    }
    const auto count = static_cast<double>(images);
    state.counters["ms/image"] = fastest / count * 1e3;
    state.counters["verified"] = static_cast<double>(verified) / count;
    if (work > 0) {
        state.counters["rows/image"] = rows / count;
        state.counters["MFLOP/image"] = 2e-6 * work / count;
        state.counters["share"] = 2e-9 * work / fastest / peak;
        if constexpr (requires { analysis.bytes(); }) state.counters["MiB"] = static_cast<double>(analysis.bytes()) / (1 << 20);
    }
}

template <class Domain = deep_poly, class Model>
void add(const std::string& name, std::shared_ptr<Model> m, std::shared_ptr<split_dataset> data, double epsilon,
         std::size_t images, Domain domain = {}) {
    benchmark::RegisterBenchmark((std::string(Domain::name) + ' ' + name + " epsilon " + text(epsilon)).c_str(),
                                 [=](benchmark::State& state) { analyse(state, *m, data->test, epsilon, images, domain); })
        ->UseManualTime()
        ->Unit(benchmark::kMillisecond)
        ->Iterations(3);
}

template <class Network, class Shape>
auto share(const std::string& name, const split_dataset& data, double epsilon, std::size_t images = all_examples) {
    return std::make_shared<model<Network, Shape, backend::cpu>>(
        benchmarks::trained<Network, Shape>(weights_folder, name, data, epsilon, images));
}

}  // namespace

int main(int count, char** arguments) try {
    benchmark::Initialize(&count, arguments);
    require(count == 3, "certification", "arguments", "DATA WEIGHTS", count - 1);
    data_folder = arguments[1], weights_folder = arguments[2];
    std::filesystem::create_directories(weights_folder);
    const auto mnist = std::make_shared<split_dataset>(load(data_folder + "/mnist"));
    const auto cifar = std::make_shared<split_dataset>(load(data_folder + "/cifar10"));
    using grey = shape<1, 28, 28>;
    using colour = shape<3, 32, 32>;
    for (const std::string kind : {"natural", "madry"}) {
        const bool robust = kind == "madry";
        const auto conv = share<networks::conv_small<>, grey>("conv_small_" + kind, *mnist, robust ? .1 : 0);
        const auto dense = share<dense_6x100, grey>("dense_6x100_" + kind, *mnist, robust ? .1 : 0);
        add<box>("conv_small " + kind, conv, mnist, .1, 2000);
        add("conv_small " + kind, conv, mnist, .03, 200);
        add("conv_small " + kind, conv, mnist, .1, 200);
        add("dense 6x100 " + kind, dense, mnist, .02, 200);
        add("dense 6x100 " + kind, dense, mnist, .1, 200);
    }
    const auto cnn = share<networks::small_cnn<>, grey>("small_cnn_natural", *mnist, 0, 10'000);
    add("small CNN natural", cnn, mnist, .01, 3);
    const auto blocks = share<two_blocks, colour>("two_blocks_natural", *cifar, 0);
    add("two residual blocks natural", blocks, cifar, 1. / 255, 20);
    add("two residual blocks natural", blocks, cifar, 2. / 255, 10);
    const auto resnet = std::make_shared<model<networks::preact_resnet18<>, colour, backend::cpu>>(1);
    add("PreAct-ResNet-18 untrained, hidden intervals", resnet, cifar, 1e-3, 1, deep_poly{.hidden = hidden_bounds::intervals});
    benchmark::RunSpecifiedBenchmarks();
} catch (const std::exception& problem) {
    std::cerr << problem.what() << '\n';
    return 1;
}
