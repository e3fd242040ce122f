// The partition of a training set by DeepPoly and by zonotopes at epsilon .1 on the device, conv_small trained naturally and by PGD, beside
// the processor's certificates of the first images: certification FILE.jsonl [MNIST folder; without it 60,000 generated digits]
#include "certification_host.hpp"
#include "report.hpp"
#include "saddle/attacks/pgd.hpp"
#include "saddle/certification/cuda/certified_program.cuh"
#include "saddle/cuda.cuh"
#include "saddle/data/generated_digits.hpp"
#include "saddle/data/load.hpp"
#include "saddle/nn/networks/conv_small.hpp"
#include "saddle/training/adam.hpp"
#include "saddle/training/objectives/adversarial.hpp"
#include "saddle/training/objectives/natural.hpp"
#include "saddle/training/schedules.hpp"
#include "saddle/training/trainer.hpp"

using namespace saddle;

namespace {

using network = networks::conv_small<>;
using picture = shape<1, 28, 28>;
constexpr double epsilon = .1;
constexpr std::size_t compared = 500;

/// The whole set on the device, and the first images on the processor. `name` of the rows.
template <class Domain>
void compare(measure::report& out, const std::string& name, const std::string& label,
             const model<network, picture, backend::cuda_fp32>& m, const dataset& data, const Domain& domain, worker_pool& pool) {
    certification_result found;
    const double seconds =
        measure::median_seconds([&] { found = certify<Domain>(m, data.x, data.y, linf_box{epsilon}, pool, domain); });
    out.row(name, label, static_cast<double>(data.size()) / seconds, "images/s");
    out.row(name + ", whole set", label, seconds, "s");
    out.row(name + ", verified", label, static_cast<double>(found.count(certificate::verified)), "images");
    out.row(name + ", misclassified", label, static_cast<double>(found.count(certificate::misclassified)), "images");

    const std::size_t part = std::min(compared, data.size());
    const labels y(data.y.begin(), data.y.begin() + static_cast<std::ptrdiff_t>(part));
    const double start = measure::seconds();
    const auto expected =
        certify_on_processor(domain, m.structure(), m.parameters(), m.buffers(), data.x.slice(0, part), y, epsilon);
    const double processor = measure::seconds() - start;
    std::size_t same = 0;
    for (std::size_t i = 0; i < part; ++i) same += expected.status[i] == found.status[i];
    out.row(name + ", processor", text(label, ", ", part, " of them, ", pool.size(), " threads"),
            static_cast<double>(part) / processor, "images/s");
    out.row(name + ", statuses equal", text(label, ", ", part, " of them"),
            100 * static_cast<double>(same) / static_cast<double>(part), "%");
}

template <class Objective>
void partition(measure::report& out, const std::string& name, const dataset& data, const Objective& objective) {
    model<network, picture, backend::cuda_fp32> m(1);
    trainer t(m, objective, adam{.learning_rate = 1e-3}, schedules::constant{}, {.epochs = 2, .batch_size = 128, .seed = 1});
    (void)t.fit(data);
    worker_pool pool;
    const std::string label = text("conv_small ", name, ", ", data.size(), " images of ", data.name);
    constexpr std::size_t memory = std::size_t{16} << 30;
    compare(out, "certification", label, m, data, deep_poly{.memory = memory}, pool);
    const double boxes = measure::median_seconds([&] { (void)certify<box>(m, data.x, data.y, linf_box{epsilon}, pool); });
    out.row("certification by Box", label, static_cast<double>(data.size()) / boxes, "images/s");
    compare(out, "certification by zonotopes", label, m, data, zonotope{.memory = memory}, pool);
}

}  // namespace

int main(int count, char** arguments) try {
    measure::report out(count > 1 ? arguments[1] : "certification.jsonl");
    std::cout << cuda::read_device().name << '\n';
    const dataset data = count > 2 ? load(arguments[2]).train : generated_digits(60'000, 1).train;
    partition(out, "natural", data, objectives::natural{});
    partition(out, "PGD-trained", data, objectives::adversarial(pgd({.epsilon = epsilon, .step_size = epsilon / 4, .steps = 7})));
    return 0;
} catch (const std::exception& problem) {
    std::cerr << problem.what() << '\n';
    return 1;
}
