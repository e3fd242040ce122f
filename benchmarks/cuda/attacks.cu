// Examples per second of whole attacks on the device, images and results on the host, of small networks layer by layer too, in
// bf16 by wgmma too: attacks FILE.json
#include "report.hpp"
#include "saddle/attacks/apgd.hpp"
#include "saddle/attacks/perturb.hpp"
#include "saddle/attacks/pgd.hpp"
#include "saddle/cuda.cuh"
#include "saddle/nn/model.hpp"
#include "saddle/nn/networks/conv_small.hpp"
#include "saddle/nn/networks/resnet.hpp"
#include "saddle/nn/networks/small_cnn.hpp"

using namespace saddle;

namespace {

template <class Precision, class Method>
void attack(measure::report& out, const std::string& name, const plan& structure, std::size_t batch, const Method& method) {
    const weighted_plan<backend::basic_cuda<Precision>, float> m(structure, 1);
    auto program = prepare(m);
    const auto x = measure::random_images(batch, structure.input());
    worker_pool pool(1);
    const labels y = predict(program, x, pool).classes;  // what is misclassified at once costs APGD nothing
    run_settings run;
    run.examples_only = true;
    const auto row = [&](const char* what) {
        const double time = measure::median_seconds([&] { (void)perturb(method, program, x, y, pool, run); });
        out.row(what, text(name, ' ', method.name, '-', method.steps, ' ', Precision::name, " batch ", batch),
                static_cast<double>(batch) / time, "examples/s");
    };
    row("attack");
    if (!std::is_same_v<Precision, cuda::fp32> && !program.fuses_small_network() && cuda::has_wgmma(cuda::read_device())) {
        program.use_wgmma(true);
        row("attack by wgmma");
    }
    if (!program.fuses_small_network()) return;
    program.fuse_small_networks(false);
    row("attack, layer by layer");
}

using six_by_100 = sequential<flatten, linear<100>, relu, linear<100>, relu, linear<100>, relu, linear<100>, relu, linear<100>,
                              relu, linear<100>, relu, linear<10>>;

template <class Network, class Shape>
plan plan_of() {
    return make_plan<Network, Shape, backend::cuda, float>();
}

}  // namespace

int main(int count, char** arguments) try {
    measure::report out(count > 1 ? arguments[1] : "attacks.json");
    std::cout << cuda::read_device().name << '\n';
    const plan small = plan_of<networks::conv_small<>, shape<1, 28, 28>>(),
               cnn = plan_of<networks::small_cnn<>, shape<1, 28, 28>>(), lenet = plan_of<networks::lenet<>, shape<3, 32, 32>>(),
               dense = plan_of<six_by_100, shape<1, 28, 28>>(), resnet = plan_of<networks::preact_resnet18<>, shape<3, 32, 32>>();
    const auto twenty = pgd({.epsilon = .1, .step_size = .01, .steps = 20}),
               ten = pgd({.epsilon = 8. / 255, .step_size = 2. / 255, .steps = 10}), forty = pgd(pgd_mnist);
    const auto hundred = apgd({.epsilon = .3});
    attack<cuda::fp32>(out, "conv_small", small, 128, twenty);
    attack<cuda::tf32>(out, "conv_small", small, 128, twenty);
    attack<cuda::fp32>(out, "conv_small", small, 4096, twenty);
    attack<cuda::tf32>(out, "conv_small", small, 4096, twenty);
    for (const std::size_t batch : {128, 4096}) {
        attack<cuda::tf32>(out, "lenet CIFAR shape", lenet, batch, ten);
        attack<cuda::tf32>(out, "6x100", dense, batch, twenty);
    }
    attack<cuda::tf32>(out, "small_cnn", cnn, 128, forty);
    attack<cuda::tf32>(out, "small_cnn", cnn, 2048, forty);
    attack<cuda::bf16>(out, "small_cnn", cnn, 128, forty);
    attack<cuda::bf16>(out, "small_cnn", cnn, 2048, forty);
    attack<cuda::tf32>(out, "small_cnn", cnn, 2048, hundred);
    attack<cuda::tf32>(out, "small_cnn on L2", cnn, 2048, apgd<l2>({.epsilon = 2}));
    attack<cuda::tf32>(out, "small_cnn on L1", cnn, 2048, apgd<l1>({.epsilon = 10, .larger_epsilons = true}));
    attack<cuda::tf32>(out, "preact_resnet18", resnet, 512, ten);
    attack<cuda::bf16>(out, "preact_resnet18", resnet, 512, ten);
    return 0;
} catch (const std::exception& problem) {
    std::cerr << problem.what() << '\n';
    return 1;
}
