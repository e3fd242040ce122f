#include "training/small_training.hpp"

#include "support/catch.hpp"

using namespace saddle;
using namespace small_training;

namespace {

std::vector<float> trained(trainer_settings s, const dataset& d) {
    small_training::model m(1);
    trainer t(m, natural(), momentum, schedules::cosine{}, s);
    t.fit(d);
    return bits(m);
}

struct event_log {
    std::string events;
    void train_begin() { events += 'b'; }
    void epoch_begin(const schedule_position&) { events += '('; }
    void step_end(const step_record&) { events += 's'; }
    void epoch_end(const epoch_record&) { events += ')'; }
    void train_end(const training_result&) { events += 'e'; }
};

struct see_ids {
    std::vector<std::vector<std::uint64_t>>* seen;
    template <class Model>
    objective_result differentiate(const training_context<Model>& context, no_state&) const {
        seen->push_back(context.batch().ids);
        return {};
    }
};

struct see_images {
    basic_images<float>* seen;
    template <class Model>
    objective_result differentiate(const training_context<Model>& context, no_state&) const {
        const auto& batch = context.batch();
        for (std::size_t i = 0; i < batch.size(); ++i)
            std::copy_n(batch.x[i].begin(), 9, (*seen)[37 * context.position().epoch + batch.ids[i]].begin());
        return {};
    }
};

/// Loss that is not a number at one step.
struct fails_at {
    natural inner{};
    std::size_t step;
    template <class Model>
    objective_result differentiate(const training_context<Model>& context, no_state& state) const {
        auto result = inner.differentiate(context, state);
        if (context.position().steps() == step) result.loss = std::nan("");
        return result;
    }
};

/// Counts steps in a state of its own.
struct counting {
    natural inner{};
    template <class T>
    struct state {
        std::vector<T> per_example;
        template <class Archive>
        void fields(Archive&& archive) {
            archive("per_example", per_example);
        }
    };
    template <class T>
    state<T> start(const dataset& d) const {
        return {std::vector<T>(d.size())};
    }
    template <class Model, class State>
    objective_result differentiate(const training_context<Model>& context, State& s) const {
        no_state none;
        for (const auto id : context.batch().ids) s.per_example[id] += 1;
        auto result = inner.differentiate(context, none);
        result.correct = static_cast<std::size_t>(s.per_example[context.batch().ids[0]]);
        return result;
    }
};

}  // namespace

TEST_CASE("training lowers the loss and learns the small set") {
    small_training::model m(1);
    auto s = settings;
    s.epochs = 40;
    trainer t(m, natural(), momentum, schedules::constant{}, s);
    const auto result = t.fit(data());
    REQUIRE(result.epochs.size() == 40);
    CHECK(result.epochs.loss.back() < result.epochs.loss.front() / 2);
    CHECK(result.epochs.accuracy.back() > .8);
    CHECK_FALSE(result.stopped);
}

TEST_CASE("training gives the same bits for any number of threads") {
    const auto d = data();
    auto s = settings;
    const auto once = trained(s, d);
    for (const std::size_t threads : {2u, 3u, 5u}) {
        s.threads = threads;
        CHECK(trained(s, d) == once);
    }
}

TEST_CASE("the seed decides the result") {
    const auto d = data();
    auto s = settings;
    const auto once = trained(s, d);
    CHECK(trained(s, d) == once);
    s.seed = 12;
    CHECK(trained(s, d) != once);
}

TEST_CASE("every epoch shows each example once, in a new order, the last batch included") {
    small_training::model m(1);
    std::vector<std::vector<std::uint64_t>> seen;
    auto s = settings;
    s.epochs = 2;
    trainer t(m, see_ids{&seen}, momentum, schedules::constant{}, s);
    t.fit(data());
    REQUIRE(seen.size() == 10);
    CHECK(seen[4].size() == 5);
    std::vector<std::uint64_t> epochs[2];
    for (std::size_t i = 0; i < seen.size(); ++i) epochs[i / 5].insert(epochs[i / 5].end(), seen[i].begin(), seen[i].end());
    CHECK(epochs[0] != epochs[1]);
    for (auto& e : epochs) {
        std::sort(e.begin(), e.end());
        for (std::size_t i = 0; i < 37; ++i) REQUIRE(e[i] == i);
    }
}

TEST_CASE("without shuffling the order is the data set's") {
    small_training::model m(1);
    std::vector<std::vector<std::uint64_t>> seen;
    auto s = settings;
    s.shuffle = false;
    trainer t(m, see_ids{&seen}, momentum, schedules::constant{}, s);
    t.fit(data());
    CHECK(seen[1] == std::vector<std::uint64_t>{8, 9, 10, 11, 12, 13, 14, 15});
}

TEST_CASE("augmentation moves each image by its id and epoch, whatever the batch") {
    const auto d = data();
    const auto run = [&](std::size_t batch_size, std::size_t threads) {
        small_training::model m(1);
        auto s = settings;
        s.epochs = 2;
        s.batch_size = batch_size;
        s.threads = threads;
        s.shuffle = false;
        s.augment = crop_flip{.padding = 1};
        basic_images<float> all(2 * d.size(), d.x.each());
        trainer(m, see_images{&all}, momentum, schedules::constant{}, s).fit(d);
        return all;
    };
    const auto whole = run(37, 1);
    CHECK(run(5, 3) == whole);
    std::vector<float> expected(9);
    crop_flip{.padding = 1}.apply(d.x[20], expected, d.x.each(), 20, 1, settings.seed);
    CHECK(std::equal(expected.begin(), expected.end(), whole[37 + 20].begin()));
    CHECK(whole.slice(0, 37) != whole.slice(37, 37));
}

TEST_CASE("a batch computed in parts gives the whole batch's gradient") {
    using plain = sequential<flatten, linear<3>>;
    const auto d = data();
    std::vector<double> results[2];
    for (const std::size_t parts : {1u, 3u}) {
        saddle::model<plain, shape<1, 3, 3>, backend::reference, double> m(1);
        auto s = settings;
        s.accumulation = parts;
        trainer t(m, natural(), momentum, schedules::constant{}, s);
        t.fit(d);
        results[parts / 3].assign(m.parameters().begin(), m.parameters().end());
    }
    for (std::size_t i = 0; i < results[0].size(); ++i) CHECK(results[1][i] == Approx(results[0][i]).epsilon(1e-10));
}

TEST_CASE("observers see every event in order") {
    small_training::model m(1);
    event_log log;
    auto s = settings;
    s.epochs = 2;
    trainer t(m, natural(), momentum, schedules::constant{}, s, log);
    t.fit(data());
    CHECK(log.events == "b(sssss)(sssss)e");
}

TEST_CASE("an observer can end the training after a step") {
    small_training::model m(1);
    event_log log;
    trainer t(m, natural(), momentum, schedules::constant{}, settings, log, stop_after{7});
    CHECK(t.fit(data()).stopped);
    CHECK(log.events == "b(sssss)(sse");
}

TEST_CASE("records tell loss, accuracy, learning rate and size of every step") {
    small_training::model m(1);
    history_recorder history;
    trainer t(m, natural(), momentum, schedules::cyclic{}, settings, history);
    const auto result = t.fit(data());
    REQUIRE(history.steps.size() == 20);
    REQUIRE(history.epochs.size() == 4);
    CHECK(history.steps.learning_rate[0] == 0);
    CHECK(history.steps.learning_rate[10] == Approx(.05));
    double loss = 0, correct = 0;
    for (std::size_t i = 0; i < 5; ++i) {
        const double n = i < 4 ? 8 : 5;
        loss += n * history.steps.loss[i];
        correct += n * history.steps.accuracy[i];
    }
    CHECK(result.epochs.loss[0] == Approx(loss / 37));
    CHECK(result.epochs.accuracy[0] == Approx(correct / 37));
}

TEST_CASE("the first loss is the mean cross-entropy of the untrained network") {
    using plain = sequential<flatten, linear<3>>;
    saddle::model<plain, shape<1, 3, 3>, backend::reference, double> m(1);
    const auto d = data(8);
    double expected = 0;
    for (std::size_t i = 0; i < 8; ++i) {
        double z[3], sum = 0;
        for (std::size_t k = 0; k < 3; ++k) {
            z[k] = m.parameters()[27 + k];
            for (std::size_t j = 0; j < 9; ++j) z[k] += m.parameters()[k * 9 + j] * static_cast<double>(d.x[i][j]);
            sum += std::exp(z[k]);
        }
        expected += (std::log(sum) - z[d.y[i]]) / 8;
    }
    history_recorder history;
    trainer t(m, natural(), sgd{}, schedules::constant{}, settings, history);
    t.fit(d);
    CHECK(history.steps.loss[0] == Approx(expected).epsilon(1e-10));
}

TEST_CASE("an objective keeps a state per example") {
    small_training::model m(1);
    history_recorder history;
    trainer t(m, counting{}, momentum, schedules::constant{}, settings, history);
    t.fit(data());
    CHECK(history.steps.accuracy[0] == Approx(1. / 8));
    CHECK(history.steps.accuracy[15] == Approx(4. / 8));
}

TEST_CASE("a loss that is not a number ends the training with the last good weights") {
    small_training::model expected(1), m(1);
    trainer(expected, natural(), momentum, schedules::constant{}, settings, stop_after{7}).fit(data());
    trainer t(m, fails_at{.step = 7}, momentum, schedules::constant{}, settings);
    CHECK_THROWS_MATCHES(t.fit(data()), numeric_error,
                         Catch::Matchers::Predicate<numeric_error>(
                             [](const numeric_error& e) {
                                 const std::string what = e.what();
                                 return what.find("step 2 of epoch 1") != what.npos && what.find("learning rate") != what.npos;
                             },
                             "names step, epoch and a remedy"));
    CHECK(bits(m) == bits(expected));
}

TEST_CASE("weights that overflow end the training with finite ones") {
    small_training::model m(1);
    trainer t(m, natural(), sgd{.learning_rate = 1e38}, schedules::constant{}, settings);
    CHECK_THROWS_AS(t.fit(data()), numeric_error);
    for (const float v : bits(m)) REQUIRE(std::isfinite(v));
}

TEST_CASE("weights that are not finite before the start are refused") {
    small_training::model m(1);
    m.parameters()[3] = std::nanf("");
    trainer t(m, natural(), momentum, schedules::constant{}, settings);
    CHECK_THROWS_AS(t.fit(data()), numeric_error);
}

TEST_CASE("a trainer refuses settings outside their range") {
    small_training::model m(1);
    const auto make = [&](trainer_settings s, sgd o = {}, double factor = .1) {
        trainer(m, natural(), o, schedules::step{.factor = factor}, s);
    };
    CHECK_NOTHROW(make({}));
    CHECK_THROWS_AS(make({.epochs = 0}), invalid_argument);
    CHECK_THROWS_AS(make({.batch_size = 0}), invalid_argument);
    CHECK_THROWS_AS(make({.accumulation = 0}), invalid_argument);
    CHECK_THROWS_AS(make({.batch_size = 4, .accumulation = 5}), invalid_argument);
    CHECK_THROWS_AS(make({.threads = 5000}), invalid_argument);
    CHECK_THROWS_AS(make({.augment = crop_flip{.padding = std::size_t{1} << 30}}), invalid_argument);
    CHECK_THROWS_AS(make({}, {.learning_rate = std::nan("")}), invalid_argument);
    CHECK_THROWS_AS(make({}, {.learning_rate = -1}), invalid_argument);
    CHECK_THROWS_AS(make({}, {}, -1), invalid_argument);
}

TEST_CASE("a schedule that gives no usable rate is an error of its step") {
    small_training::model m(1);
    trainer t(
        m, natural(), momentum, [](const schedule_position& at) { return at.epoch == 1 ? -1. : 1.; }, settings);
    CHECK_THROWS_AS(t.fit(data()), numeric_error);
}

TEST_CASE("a trainer refuses data that does not fit") {
    small_training::model m(1);
    trainer t(m, natural(), momentum, schedules::constant{}, settings);
    auto d = data();
    SECTION("an empty set") { CHECK_THROWS_AS(t.fit(data(0)), data_error); }
    SECTION("a label out of range") {
        d.y[4] = 3;
        CHECK_THROWS_AS(t.fit(d), data_error);
    }
    SECTION("a negative label") {
        d.y[4] = -1;
        CHECK_THROWS_AS(t.fit(d), data_error);
    }
    SECTION("a pixel that is not a number") {
        d.x[2][1] = std::nanf("");
        CHECK_THROWS_AS(t.fit(d), data_error);
    }
    SECTION("a pixel outside [0,1]") {
        d.x[2][1] = 1.5f;
        CHECK_THROWS_AS(t.fit(d), data_error);
    }
    SECTION("labels missing") {
        d.y.pop_back();
        CHECK_THROWS_AS(t.fit(d), shape_error);
    }
    SECTION("another number of classes") {
        d.classes = 4;
        CHECK_THROWS_AS(t.fit(d), shape_error);
    }
    SECTION("another image size") {
        d.x = images(37, {1, 3, 4});
        CHECK_THROWS_AS(t.fit(d), shape_error);
    }
}

TEST_CASE("a batch larger than the data set is the whole set") {
    small_training::model m(1);
    history_recorder history;
    auto s = settings;
    s.batch_size = static_cast<std::size_t>(-1);
    trainer t(m, natural(), momentum, schedules::constant{}, s, history);
    t.fit(data());
    CHECK(history.steps.size() == 4);
}
