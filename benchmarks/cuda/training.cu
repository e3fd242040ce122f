// Seconds of a PGD-10 training step (attack in evaluation mode, update in training mode, SGD): training FILE.json
#include "report.hpp"
#include "saddle/attacks/pgd.hpp"
#include "saddle/cuda.cuh"
#include "saddle/nn/networks/resnet.hpp"
#include "saddle/nn/networks/wide_resnet.hpp"
#include "saddle/training/objectives/adversarial.hpp"
#include "saddle/training/objectives/natural.hpp"
#include "saddle/training/schedules.hpp"
#include "saddle/training/sgd.hpp"
#include "saddle/training/trainer.hpp"

using namespace saddle;

namespace {

/// The seconds of every step.
struct stopwatch {
    std::vector<double> seconds;
    template <class Trainer>
    training_action step_end(const step_record& record, Trainer&) {
        seconds.push_back(record.seconds);
        return training_action::go_on;
    }
};

/// `what`: the kernels, where they are not those from the start.
template <class Backend, class Objective>
void train(measure::report& out, const std::string& what, const std::string& name, const plan& structure, std::size_t batch,
           const Objective& objective) {
    constexpr std::size_t steps = 5;
    weighted_plan<Backend, float> m(structure, 1);
    dataset data;
    data.name = "random";
    data.x = measure::random_images(batch * steps, structure.input());
    data.y = labels(batch * steps, 3);
    data.classes = structure.classes();
    stopwatch watch;
    trainer t(m, objective, sgd{.learning_rate = 1e-4, .momentum = .9}, schedules::constant{},
              trainer_settings{.epochs = 1, .batch_size = batch}, watch);
    t.fit(data);
    std::sort(watch.seconds.begin(), watch.seconds.end());
    out.row(what, text(name, " batch ", batch), watch.seconds[watch.seconds.size() / 2], "s");
}

}  // namespace

int main(int count, char** arguments) try {
    measure::report out(count > 1 ? arguments[1] : "training.json");
    std::cout << cuda::read_device().name << '\n';
    using picture = shape<3, 32, 32>;
    const plan resnet = make_plan<networks::preact_resnet18<>, picture, backend::cuda, float>();
    const plan wide = make_plan<networks::wrn_34_10<>, picture, backend::cuda, float>();
    const objectives::adversarial madry(pgd({.epsilon = 8. / 255, .step_size = 2. / 255, .steps = 10}));
    const char* const plain = "training step";
    train<backend::cuda_bf16>(out, plain, "preact_resnet18 PGD-10 bf16", resnet, 512, madry);
    train<backend::cuda_bf16>(out, plain, "preact_resnet18 natural bf16", resnet, 512, objectives::natural{});
    train<backend::cuda_tf32>(out, plain, "preact_resnet18 PGD-10 tf32", resnet, 512, madry);
    train<backend::cuda_bf16>(out, plain, "wrn_34_10 PGD-10 bf16", wide, 128, madry);
    if (!cuda::has_wgmma(cuda::read_device())) return 0;
    const char* const by_wgmma = "training step by wgmma";
    train<backend::cuda_wgmma<cuda::bf16>>(out, by_wgmma, "preact_resnet18 PGD-10 bf16", resnet, 512, madry);
    train<backend::cuda_wgmma<cuda::tf32>>(out, by_wgmma, "preact_resnet18 PGD-10 tf32", resnet, 512, madry);
    train<backend::cuda_wgmma<cuda::bf16>>(out, by_wgmma, "wrn_34_10 PGD-10 bf16", wide, 128, madry);
    return 0;
} catch (const std::exception& problem) {
    std::cerr << problem.what() << '\n';
    return 1;
}
