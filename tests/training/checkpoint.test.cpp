#include "saddle/training/checkpoint.hpp"
#include "saddle/attacks/pgd.hpp"
#include "saddle/projections/l2.hpp"
#include "saddle/training/adam.hpp"
#include "saddle/training/objectives/adversarial.hpp"
#include "training/small_training.hpp"

#include "support/catch.hpp"

#include <filesystem>
#include <fstream>
#include <functional>
#include <sys/wait.h>

using namespace saddle;
using namespace small_training;

namespace {

/// A new empty folder that is removed at the end.
struct folder {
    std::filesystem::path path;
    folder() {
        std::string name = (std::filesystem::temp_directory_path() / "saddle-checkpoint-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        path = name;
    }
    ~folder() { std::filesystem::remove_all(path); }
    [[nodiscard]] std::string file(const std::string& name) const { return (path / name).string(); }
};

struct interrupt_after {
    std::size_t steps;
    void step_end(const step_record& r) const {
        if (r.position.steps() + 1 == steps) std::raise(SIGINT);
    }
};

struct never_steps {
    void step_end(const step_record&) const { FAIL("a step was made"); }
};

/// Tells after how many steps a checkpoint wrote its file.
struct writes {
    checkpoint inner;
    std::vector<std::size_t>* at;
    template <class Trainer>
    void restore(Trainer& t) const {
        inner.restore(t);
    }
    template <class Trainer>
    void save(Trainer& t, save_reason reason) const {
        std::filesystem::remove(inner.path);
        inner.save(t, reason);
        if (is_file(inner.path)) at->push_back(t.position().steps());
    }
};

std::string message_of(const std::function<void()>& call) {
    try {
        call();
    } catch (const error& e) {
        return e.what();
    }
    return "";
}

struct outcome {
    std::vector<float> weights;
    std::vector<double> loss;
    friend bool operator==(const outcome&, const outcome&) = default;
};

/// Writes a byte after each step, and never gets beyond step 100.
struct reports_steps {
    int pipe;
    void step_end(const step_record& r) const {
        if (::write(pipe, "s", 1) != 1) ::_exit(2);
        while (r.position.steps() >= 100) ::pause();
    }
};
struct no_observer {};

/// A whole training, resumed from `path` where there is something.
template <class Optimizer, class Observer = no_observer>
outcome train(const std::string& path, const Optimizer& optimizer, trainer_settings s = settings, std::size_t every_steps = 1,
              Observer observer = {}) {
    small_training::model m(1);
    history_recorder history;
    trainer t(m, natural(), optimizer, schedules::cosine{}, s, history, checkpoint{.path = path, .every_steps = every_steps},
              observer);
    t.fit(data());
    return {bits(m), history.steps.loss};
}

}  // namespace

TEMPLATE_TEST_CASE("an interrupted training goes on bit for bit", "", sgd, adam) {
    const folder f;
    const TestType optimizer = [] {
        if constexpr (std::is_same_v<TestType, sgd>)
            return momentum;
        else
            return adam{};
    }();
    const auto whole = train(f.file("whole"), optimizer);
    for (const std::size_t steps : {1u, 5u, 7u, 19u}) {
        const auto path = f.file(std::to_string(steps));
        {
            const interruption guard;
            small_training::model m(1);
            history_recorder history;
            trainer t(m, natural(), optimizer, schedules::cosine{}, settings, history, checkpoint{.path = path},
                      interrupt_after{steps});
            CHECK_THROWS_AS(t.fit(data()), interrupted);
        }
        interruption::clear();
        auto s = settings;
        s.threads = 2;
        CHECK(train(path, optimizer, s, 0) == whole);
    }
}

TEST_CASE("a training killed at any moment goes on bit for bit") {
    const folder f;
    auto s = settings;
    s.epochs = 24;
    const auto whole = train(f.file("whole"), momentum, s);
    const auto path = f.file("killed");
    const random_stream draws({.seed = 9});
    for (std::uint64_t kill = 0; kill < 12; ++kill) {
        int ends[2];
        REQUIRE(::pipe(ends) == 0);
        const pid_t child = ::fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            train(path, momentum, s, 1, reports_steps{ends[1]});
            ::_exit(0);
        }
        ::close(ends[1]);
        char byte;
        REQUIRE(::read(ends[0], &byte, 1) == 1);
        ::usleep(draws.below(8'000, kill, 0));
        ::kill(child, SIGKILL);
        int status = 0;
        REQUIRE(::waitpid(child, &status, 0) == child);
        REQUIRE(WIFSIGNALED(status));
        CHECK(WTERMSIG(status) == SIGKILL);
        CHECK_NOTHROW(read_safetensors(path));
        ::close(ends[0]);
    }
    CHECK(train(path, momentum, s) == whole);
}

TEST_CASE("a complete training is not repeated") {
    const folder f;
    const auto whole = train(f.file("a"), momentum);
    small_training::model m(2);
    trainer t(m, natural(), momentum, schedules::cosine{}, settings, history_recorder{},
              checkpoint{.path = f.file("a"), .every_steps = 1}, never_steps{});
    const auto result = t.fit(data());
    CHECK(bits(m) == whole.weights);
    CHECK(result.epochs.size() == 4);
}

TEST_CASE("a training that an observer ended stays ended") {
    const folder f;
    small_training::model first(1), again(2);
    trainer(first, natural(), momentum, schedules::constant{}, settings, checkpoint{.path = f.file("a")}, stop_after{7})
        .fit(data());
    const auto result =
        trainer(again, natural(), momentum, schedules::constant{}, settings, checkpoint{.path = f.file("a")}).fit(data());
    CHECK(result.stopped);
    CHECK(bits(again) == bits(first));
}

TEST_CASE("a checkpoint tells how far its training is") {
    const folder f;
    const checkpoint saved{.path = f.file("a"), .every_steps = 1};
    CHECK(!saved.saved());
    small_training::model m(1);
    trainer(m, natural(), momentum, schedules::constant{}, settings, checkpoint(saved), stop_after{7}).fit(data());
    REQUIRE(saved.saved());
    CHECK(saved.saved()->epochs == 1);
    CHECK(saved.saved()->steps == 2);
    CHECK(!checkpoint{.path = f.file("a"), .resume = false}.saved());
    { std::ofstream(f.file("a")) << "anything"; }
    CHECK_THROWS_AS((void)saved.saved(), io_error);
}

TEST_CASE("with resume off a training starts anew and replaces the checkpoint") {
    const folder f;
    small_training::model m(1);
    { std::ofstream(f.file("a")) << "anything"; }
    trainer t(m, natural(), momentum, schedules::cosine{}, settings, history_recorder{},
              checkpoint{.path = f.file("a"), .resume = false});
    t.fit(data());
    CHECK(train(f.file("a"), momentum).weights == bits(m));
}

TEST_CASE("checkpoints carry the weights under their state_dict names") {
    const folder f;
    const auto whole = train(f.file("a"), momentum);
    const auto file = read_safetensors(f.file("a"));
    const auto* weight = file.find("1.weight");
    REQUIRE(weight != nullptr);
    CHECK(weight->dimensions == std::vector<std::size_t>{24, 9});
    const auto values = values_as<float>(*weight);
    CHECK(std::equal(values.begin(), values.end(), whole.weights.begin()));
}

TEST_CASE("a checkpoint of another recipe or data set is refused with every difference") {
    const folder f;
    train(f.file("a"), momentum);
    small_training::model m(1);
    const auto before = bits(m);
    auto s = settings;
    s.batch_size = 9;
    const auto message = message_of([&] {
        trainer(m, natural(), sgd{.learning_rate = .06, .momentum = .9, .weight_decay = 1e-4}, schedules::constant{}, s,
                history_recorder{}, checkpoint{.path = f.file("a")})
            .fit(data(36));
    });
    CAPTURE(message);
    for (const auto* part :
         {"settings.batch_size: 8 in the checkpoint, 9 now", "optimizer.learning_rate: 0.05 in the checkpoint, 0.06 now",
          "schedule.name: cosine in the checkpoint, constant now", "data.images: 37 in the checkpoint, 36 now", "resume = false"})
        CHECK(message.find(part) != message.npos);
    CHECK(message.find("settings.seed") == message.npos);
    CHECK(bits(m) == before);
}

TEST_CASE("a checkpoint of another inner attack is refused") {
    const folder f;
    const auto run = [&](const auto& attack) {
        small_training::model m(1);
        trainer(m, objectives::adversarial(attack), momentum, schedules::constant{}, settings, checkpoint{.path = f.file("a")})
            .fit(data());
    };
    run(pgd({.epsilon = .1, .step_size = .05, .steps = 2}));
    CHECK_NOTHROW(run(pgd({.epsilon = .1, .step_size = .05, .steps = 2})));
    const auto steps = message_of([&] { run(pgd({.epsilon = .2, .step_size = .05, .steps = 3})); });
    CHECK(steps.find("objective.attack.steps: 2 in the checkpoint, 3 now") != steps.npos);
    CHECK(steps.find("objective.attack.projection.epsilon: 0.1 in the checkpoint, 0.2 now") != steps.npos);
    CHECK_THROWS_AS(run(pgd<l2>({.epsilon = .1, .step_size = .05, .steps = 2})), invalid_argument);
}

TEST_CASE("a checkpoint of the same data with one pixel changed is refused") {
    const folder f;
    train(f.file("a"), momentum);
    small_training::model m(1);
    auto d = data();
    d.x[36][8] = .25f;
    const auto message = message_of([&] {
        trainer(m, natural(), momentum, schedules::cosine{}, settings, history_recorder{}, checkpoint{.path = f.file("a")})
            .fit(d);
    });
    CHECK(message.find("data.fingerprint") != message.npos);
}

TEST_CASE("a checkpoint of another network is refused") {
    const folder f;
    train(f.file("a"), momentum);
    saddle::model<sequential<flatten, linear<24>, saddle::tanh, linear<3>>, shape<1, 3, 3>, backend::reference> m(1);
    const auto message = message_of([&] {
        trainer(m, natural(), momentum, schedules::cosine{}, settings, history_recorder{}, checkpoint{.path = f.file("a")})
            .fit(data());
    });
    CAPTURE(message);
    CHECK(message.find("network.operation 2") != message.npos);
    CHECK(message.find("3.weight: expected 72 of F32, found nothing") != message.npos);
}

TEST_CASE("a checkpoint without this optimizer's state is refused") {
    const folder f;
    train(f.file("a"), adam{});
    CHECK(message_of([&] { train(f.file("a"), momentum); }).find("saddle.optimizer.momentum") != std::string::npos);
}

TEST_CASE("a damaged checkpoint is an io_error and leaves the model as it is") {
    const folder f;
    train(f.file("a"), momentum);
    const auto bytes = read_text(f.file("a"));
    small_training::model m(1);
    const auto before = bits(m);
    trainer t(m, natural(), momentum, schedules::cosine{}, settings, history_recorder{}, checkpoint{.path = f.file("b")});
    for (const std::size_t length : {std::size_t{0}, std::size_t{7}, std::size_t{100}, bytes.size() / 2, bytes.size() - 1}) {
        { std::ofstream(f.file("b"), std::ios::binary) << bytes.substr(0, length); }
        CHECK_THROWS_AS(t.fit(data()), io_error);
    }
    { std::ofstream(f.file("b"), std::ios::binary) << bytes << 'x'; }
    CHECK_THROWS_AS(t.fit(data()), io_error);
    CHECK(bits(m) == before);
}

TEST_CASE("plain weights are not a checkpoint") {
    const folder f;
    safetensors_file weights;
    weights.tensors.push_back(make_entry("1.weight", {1}, std::span<const float>(std::vector<float>{1})));
    write_safetensors(f.file("a"), weights);
    CHECK_THROWS_AS(train(f.file("a"), momentum), io_error);
}

TEST_CASE("a checkpoint that cannot be written is an error before the first step") {
    const folder f;
    small_training::model m(1);
    const auto before = bits(m);
    for (const auto& path : {f.file("missing/a"), f.path.string(), std::string("/dev/full")}) {
        trainer t(m, natural(), momentum, schedules::constant{}, settings, checkpoint{.path = path});
        CHECK_THROWS_AS(t.fit(data()), io_error);
    }
    trainer unnamed(m, natural(), momentum, schedules::constant{}, settings, checkpoint{.path = ""});
    CHECK_THROWS_AS(unnamed.fit(data()), invalid_argument);
    CHECK(bits(m) == before);
}

TEST_CASE("checkpoints are written at the steps and epochs asked for") {
    const folder f;
    const auto steps_written = [&](std::size_t every_steps, std::size_t every_epochs) {
        std::vector<std::size_t> at;
        small_training::model m(1);
        std::filesystem::remove(f.file("a"));
        trainer(m, natural(), momentum, schedules::constant{}, settings,
                writes{{f.file("a"), every_steps, every_epochs, true}, &at})
            .fit(data());
        return at;
    };
    CHECK(steps_written(7, 0) == std::vector<std::size_t>{7, 14, 20});
    CHECK(steps_written(0, 2) == std::vector<std::size_t>{10, 20});
    CHECK(steps_written(0, 0) == std::vector<std::size_t>{20});
}
