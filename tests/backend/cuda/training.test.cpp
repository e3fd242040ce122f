#include "saddle/attacks/pgd.hpp"
#include "saddle/cuda.cuh"
#include "saddle/nn/activations.hpp"
#include "saddle/nn/linear.hpp"
#include "saddle/nn/model.hpp"
#include "saddle/nn/normalization.hpp"
#include "saddle/nn/sequential.hpp"
#include "saddle/training/checkpoint.hpp"
#include "saddle/training/objectives/adversarial.hpp"
#include "saddle/training/objectives/natural.hpp"
#include "saddle/training/optimizers.hpp"
#include "saddle/training/trainer.hpp"
#include "support/catch.hpp"

#include <filesystem>

using namespace saddle;

namespace cuda_training {

using network = sequential<flatten, linear<24>, batch_norm, relu, dropout, linear<3>>;
using device_model = model<network, shape<1, 3, 3>, backend::cuda_fp32>;

/// Three classes of 3×3 images, 37 of them, so that the last batch is never whole.
dataset rows() {
    dataset d{"rows", images(37, {1, 3, 3}), labels(37), 3, {}};
    const random_stream draws({.seed = 5, .purpose = purpose::generated_data});
    for (std::size_t i = 0; i < d.size(); ++i) {
        d.y[i] = static_cast<std::int32_t>(i % 3);
        for (std::size_t j = 0; j < 9; ++j) d.x[i][j] = (j / 3 == i % 3 ? .5f : 0.f) + .5f * draws.uniform(i, j);
    }
    return d;
}
const dataset data = rows();
const trainer_settings settings{.epochs = 2, .batch_size = 16, .seed = 11, .threads = 1};
const sgd momentum{.learning_rate = .05, .momentum = .9, .weight_decay = 1e-3, .nesterov = true, .decay_vectors = false};

std::vector<float> bits(const device_model& m) {
    std::vector<float> all(m.parameters().begin(), m.parameters().end());
    all.insert(all.end(), m.buffers().begin(), m.buffers().end());
    return all;
}

/// An optimizer whose formula the device is not told, so that it runs on the host.
template <class O>
struct on_host {
    O inner;
    double learning_rate = inner.learning_rate;
    template <class T>
    struct state {
        typename O::template state<T> inner;
        template <class Archive>
        void fields(Archive&& archive) {
            inner.fields(archive);
        }
    };
    void validate(std::string_view where) const { inner.validate(where); }
    template <class T>
    state<T> start(const plan& p) const {
        return {inner.template start<T>(p)};
    }
    template <class T>
    void update(state<T>& s, std::span<T> parameters, std::span<const T> gradient, double rate, worker_pool& pool) const {
        inner.update(s.inner, parameters, gradient, rate, pool);
    }
    template <class V>
    void describe(V&& visit) const {
        inner.describe(visit);
    }
};

template <class Objective, class Optimizer, class... Observers>
std::vector<float> train(const Objective& objective, const Optimizer& optimizer, const trainer_settings& how,
                         Observers&&... observers) {
    device_model m(1);
    trainer t(m, objective, optimizer, schedules::constant{}, how, std::forward<Observers>(observers)...);
    (void)t.fit(data);
    return bits(m);
}

/// Adds a multiple of the weights to the gradient on the host.
struct decayed {
    objectives::natural<> inner{};
    template <class Model>
    objective_result differentiate(const training_context<Model>& context, no_state& s) const {
        const auto result = inner.differentiate(context, s);
        auto gradient = context.gradient();
        for (std::size_t i = 0; i < gradient.size(); ++i) gradient[i] *= .5f;
        inner.differentiate(context, s);
        return result;
    }
    template <class V>
    void describe(V&& visit) const {
        visit("name", "decayed");
    }
};

/// Fails after so many steps, when the checkpoint of the step before has been written.
struct fail_after {
    std::size_t steps;
    void step_end(const step_record& r) const {
        if (r.position.steps() == steps) throw std::runtime_error("power cut");
    }
};

struct halves_weights {
    std::vector<std::vector<float>> seen;
    template <class Trainer>
    void step_end(const step_record& r, Trainer& t) {
        if (r.position.step != 0) return;
        auto& m = t.model();
        seen.emplace_back(m.parameters().begin(), m.parameters().end());
        for (auto& w : m.parameters()) w *= .5f;
    }
};
struct late_blow_up {
    double operator()(const schedule_position& at) const { return at.step < 2 ? 1 : 1e38; }
    template <class V>
    void describe(V&& visit) const {
        visit("name", "late_blow_up");
    }
};
struct last_weights {
    std::vector<float> seen;
    template <class Trainer>
    void step_end(const step_record&, Trainer& t) {
        seen.assign(t.model().parameters().begin(), t.model().parameters().end());
    }
};
}  // namespace cuda_training

using namespace cuda_training;

TEST_CASE("optimizers on the device give the bits of the host's", "[cuda]") {
    const objectives::natural<> natural;
    for (const sgd& o : {momentum, sgd{.learning_rate = .1}, sgd{.learning_rate = .1, .momentum = .5, .dampening = .3}})
        CHECK(train(natural, o, settings) == train(natural, on_host<sgd>{o}, settings));
    for (const adam& o : {adam{.learning_rate = .01}, adam{.learning_rate = .01, .weight_decay = .1, .decay_vectors = false}})
        CHECK(train(natural, o, settings) == train(natural, on_host<adam>{o}, settings));
}

TEST_CASE("weights kept on the device serve the attack, accumulation and objectives that change the gradient", "[cuda]") {
    const objectives::adversarial madry(pgd({.epsilon = .1, .step_size = .05, .steps = 2}));
    CHECK(train(madry, momentum, settings) == train(madry, on_host<sgd>{momentum}, settings));
    auto parts = settings;
    parts.accumulation = 2;
    CHECK(train(objectives::natural{}, momentum, parts) == train(objectives::natural{}, on_host<sgd>{momentum}, parts));
    CHECK(train(decayed{}, momentum, settings) == train(decayed{}, on_host<sgd>{momentum}, settings));
}

TEST_CASE("a training on the device that was stopped goes on with the same bits", "[cuda]") {
    const auto folder = std::filesystem::temp_directory_path() / "saddle_cuda_checkpoint";
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
    const std::string path = (folder / "training.safetensors").string();
    const objectives::natural<> natural;
    const auto through = [&](const auto& optimizer) {
        const auto whole = train(natural, optimizer, settings);
        std::filesystem::remove(path);
        const checkpoint saved{.path = path, .every_steps = 2};
        CHECK_THROWS_AS(train(natural, optimizer, settings, checkpoint(saved), fail_after{2}), std::runtime_error);
        CHECK(saved.saved()->steps == 2);
        CHECK(train(natural, optimizer, settings, checkpoint(saved)) == whole);
    };
    through(momentum);
    through(adam{.learning_rate = .01});
    std::filesystem::remove_all(folder);
}

TEST_CASE("observers see and may change the weights of the last step", "[cuda]") {
    halves_weights device, host;
    const objectives::natural<> natural;
    CHECK(train(natural, momentum, settings, device) == train(natural, on_host<sgd>{momentum}, settings, host));
    CHECK(device.seen == host.seen);
    CHECK(device.seen.size() == 2);
}

TEST_CASE("no weights cross the bus inside an epoch", "[cuda]") {
    using wide = sequential<flatten, linear<600>, relu, linear<3>>;
    model<wide, shape<1, 3, 3>, backend::cuda_fp32> m(1);
    const std::size_t weights = m.parameters().size() * sizeof(float);
    struct counter {
        std::vector<std::size_t> to_device, to_host;
        void step_end(const step_record&) {
            to_device.push_back(cuda_emulator::bytes_to_device);
            to_host.push_back(cuda_emulator::bytes_to_host);
        }
    } counts;
    const objectives::adversarial madry(pgd({.epsilon = .1, .step_size = .05, .steps = 1}));
    trainer t(m, madry, adam{}, schedules::constant{}, trainer_settings{.epochs = 1, .batch_size = 8, .threads = 1}, counts);
    (void)t.fit(data);
    REQUIRE(counts.to_device.size() == 5);
    for (std::size_t step = 1; step < 4; ++step) {
        CHECK(counts.to_device[step] - counts.to_device[step - 1] < weights / 2);
        CHECK(counts.to_host[step] - counts.to_host[step - 1] < weights / 2);
    }
}

TEST_CASE("a step that is not finite leaves the weights from before it", "[cuda]") {
    last_weights kept;
    device_model m(1);
    trainer t(m, objectives::natural{}, sgd{.learning_rate = 1e3}, late_blow_up{}, settings, kept);
    CHECK_THROWS_AS(t.fit(data), numeric_error);
    CHECK(std::equal(kept.seen.begin(), kept.seen.end(), m.parameters().begin(), m.parameters().end()));
    CHECK_FALSE(kept.seen.empty());
}
