#include "saddle/attacks/pgd.hpp"
#include "saddle/cuda.cuh"
#include "saddle/losses/carlini_wagner.hpp"
#include "saddle/losses/dlr.hpp"
#include "saddle/losses/label_logit.hpp"
#include "saddle/losses/label_smoothed.hpp"
#include "saddle/losses/logit_margin.hpp"
#include "saddle/losses/soft_logit_margin.hpp"
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
#include "support/agreement.hpp"
#include "support/catch.hpp"

#include <filesystem>
#include <numeric>

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

/// A loss that does not say that the device may evaluate it.
template <class L>
struct host_loss : L {
    static constexpr bool on_device = false;
};
/// How many bytes have crossed the bus after each step.
struct traffic {
    std::vector<std::size_t> to_device, to_host;
    std::vector<double> losses, accuracies;
    void step_end(const step_record& r) {
        to_device.push_back(cuda_emulator::bytes_to_device);
        to_host.push_back(cuda_emulator::bytes_to_host);
        losses.push_back(r.loss);
        accuracies.push_back(r.accuracy);
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
    traffic counts;
    const objectives::adversarial madry(pgd({.epsilon = .1, .step_size = .05, .steps = 1}));
    trainer t(m, madry, adam{}, schedules::constant{}, trainer_settings{.epochs = 1, .batch_size = 8, .threads = 1}, counts);
    (void)t.fit(data);
    REQUIRE(counts.to_device.size() == 5);
    for (std::size_t step = 1; step < 4; ++step) {
        CHECK(counts.to_device[step] - counts.to_device[step - 1] < weights / 2);
        CHECK(counts.to_host[step] - counts.to_host[step - 1] < weights / 2);
    }
}

TEST_CASE("losses evaluated on the device train as on the host and leave the logits there", "[cuda]") {
    const auto check = [](const auto& loss, const auto& on_host_alone) {
        traffic device, host;
        const auto found = train(objectives::natural(loss), momentum, settings, device),
                   expected = train(objectives::natural(on_host_alone), momentum, settings, host);
        CHECK(testing::relative_difference(std::span<const float>(found), std::span<const float>(expected)) <= 1e-5);
        CHECK(device.accuracies == host.accuracies);
        REQUIRE(device.losses.size() == 6);
        for (std::size_t i = 0; i < 6; ++i) CHECK(device.losses[i] == Approx(host.losses[i]).epsilon(1e-6));
        constexpr std::size_t of_an_example = sizeof(float) + 1, flags = 2 * sizeof(int), logits = 3 * 64 * sizeof(float);
        CHECK(device.to_host[1] - device.to_host[0] == 16 * of_an_example + flags);
        CHECK(host.to_host[1] - host.to_host[0] == logits + flags);
    };
    check(cross_entropy{}, host_loss<cross_entropy>{});
    check(label_smoothed{.alpha = .2}, host_loss<label_smoothed>{{.alpha = .2}});
}

TEST_CASE("each loss of the library has on the device the value and slopes of the host", "[cuda]") {
    constexpr std::size_t lanes = 64, valid = 50, classes = 5;
    const random_stream draws({.seed = 3});
    std::vector<float> logits(classes * lanes), slopes(classes * lanes), values(lanes, -1);
    std::vector<std::int32_t> y(lanes);
    std::vector<std::uint8_t> correct(lanes, 7);
    for (std::size_t l = 0; l < lanes; ++l) {
        y[l] = static_cast<std::int32_t>(l % classes);
        for (std::size_t k = 0; k < classes; ++k) logits[k * lanes + l] = 20 * draws.uniform(l, k) - 10;
    }
    logits[3] = std::numeric_limits<float>::quiet_NaN();
    const cuda::stream order;
    const auto check = [&](const auto& loss) {
        CAPTURE(loss.name);
        using L = std::remove_cvref_t<decltype(loss)>;
        static_assert(evaluates_on_device<L> && !evaluates_on_device<host_loss<L>>);
        cuda::launch(order.handle(), cuda::training_loss<L>, {.operation = "loss", .threads = 64}, loss,
                     static_cast<const float*>(logits.data()), static_cast<const std::int32_t*>(y.data()),
                     static_cast<int>(classes), static_cast<int>(lanes), static_cast<int>(valid), .25f, slopes.data(),
                     values.data(), correct.data());
        for (std::size_t l = 0; l < lanes; ++l) {
            std::vector<float> z(classes), dz(classes);
            for (std::size_t k = 0; k < classes; ++k) z[k] = logits[k * lanes + l];
            const auto label = static_cast<float>(y[l]);
            const float value = loss.template evaluate<float>(loss_input<float>{z.data(), classes, 1, &label}, dz.data());
            if (l >= valid) {
                CHECK(values[l] == -1);
                CHECK(correct[l] == 7);
            } else {
                CHECK((values[l] == value || (value != value && values[l] != values[l])));
                CHECK(correct[l] == (l != 3 && std::max_element(z.begin(), z.end()) - z.begin() == y[l]));
            }
            for (std::size_t k = 0; k < classes && l != 3; ++k) CHECK(slopes[k * lanes + l] == (l < valid ? .25f * dz[k] : 0));
        }
    };
    check(cross_entropy{});
    check(label_smoothed{});
    check(logit_margin{});
    check(soft_logit_margin{});
    check(label_logit{});
    check(dlr{});
    check(carlini_wagner_loss{});
}

TEST_CASE("a step that is not finite leaves the weights from before it", "[cuda]") {
    last_weights kept;
    device_model m(1);
    trainer t(m, objectives::natural{}, sgd{.learning_rate = 1e3}, late_blow_up{}, settings, kept);
    CHECK_THROWS_AS(t.fit(data), numeric_error);
    CHECK(std::equal(kept.seen.begin(), kept.seen.end(), m.parameters().begin(), m.parameters().end()));
    CHECK_FALSE(kept.seen.empty());
}

TEST_CASE("a training batch that does not fit names the largest that does, whichever part of its memory is short", "[cuda]") {
    const device_model m(1);
    worker_pool pool(1);
    using trainer_program = backend::cuda_fp32::trainer_program<float>;
    const auto differentiate = [&](trainer_program& program, std::size_t count) {
        images x(count, {1, 3, 3});
        for (std::size_t k = 0; k < x.values().size(); ++k) x.values()[k] = static_cast<float>(k % 7) / 7;
        std::vector<std::uint64_t> ids(count);
        std::iota(ids.begin(), ids.end(), 0);
        std::vector<float> buffers(m.buffers().begin(), m.buffers().end()), gradient(m.parameters().size());
        program.differentiate(
            m.parameters(), buffers, x, ids, training_settings{},
            [](const float* z, std::size_t, std::size_t, float* dz) { std::copy_n(z, 3 * 64, dz); }, gradient);
        return gradient;
    };
    const auto refusal = [&](trainer_program& program, std::size_t count) {
        try {
            (void)differentiate(program, count);
        } catch (const out_of_device_memory& problem) {
            return std::string(problem.what());
        }
        return std::string();
    };
    const auto free_for = [](std::size_t bytes) { cuda_emulator::device_memory = cuda_emulator::memory_in_use + bytes; };
    const auto contains = [](const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; };
    const std::size_t whole_device = cuda_emulator::device_memory;

    trainer_program roomy(m.structure(), pool), short_of_room(m.structure(), pool);
    const std::size_t before = cuda_emulator::memory_in_use;
    const auto expected = differentiate(roomy, 256);
    const std::size_t for_256 = cuda_emulator::memory_in_use - before;
    (void)differentiate(roomy, 320);
    const std::size_t for_320 = cuda_emulator::memory_in_use - before;

    free_for(for_320 - 1);
    const auto last_byte = refusal(short_of_room, 320);
    free_for(for_256);
    const auto tensors = refusal(short_of_room, 640);
    const auto found = differentiate(short_of_room, 256);
    cuda_emulator::device_memory = cuda_emulator::memory_in_use + for_320 - for_256 - 1;
    const auto after_a_smaller_one = refusal(short_of_room, 300);
    free_for(100);
    const auto nothing = refusal(short_of_room, 64);
    cuda_emulator::device_memory = whole_device;

    CHECK(contains(last_byte, "a training batch on the device: no room for 320 images"));
    CHECK(contains(last_byte, "try a batch of 256"));
    CHECK(contains(tensors, "no room for 640 images"));
    CHECK(contains(tensors, "try a batch of 256"));
    CHECK(found == expected);
    CHECK(contains(after_a_smaller_one, "try a batch of 256"));
    CHECK(contains(nothing, "even 64 images do not fit"));
}
