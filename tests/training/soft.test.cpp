#include "saddle/training/objectives/soft.hpp"
#include "saddle/attacks/pgd.hpp"
#include "saddle/certification/box.hpp"
#include "saddle/certification/deep_poly.hpp"
#include "saddle/losses/label_smoothed.hpp"
#include "saddle/training/checkpoint.hpp"
#include "saddle/training/objectives/adversarial.hpp"
#include "training/small_training.hpp"

#include "support/catch.hpp"

#include <filesystem>

using namespace saddle;
using namespace small_training;

namespace {

const auto weak_pgd = pgd({.epsilon = .1, .step_size = .025, .steps = 5});

/// Weights that classify most of the data; a part of it is verified at `certified_radius`.
const small_training::model& naturally_trained() {
    static const small_training::model trained = [] {
        small_training::model m(1);
        trainer(m, natural(), momentum, schedules::constant{}, settings).fit(all_data);
        return m;
    }();
    return trained;
}
constexpr double certified_radius = .17;

template <class Objective, class... Observers>
std::vector<float> trained_bits(const Objective& objective, std::size_t threads, Observers&&... observers) {
    auto m = naturally_trained();
    auto s = settings;
    s.threads = threads;
    trainer(m, objective, momentum, schedules::constant{}, s, observers...).fit(all_data);
    return bits(m);
}

std::vector<certificate> partition_of(const small_training::model& m) {
    return certify<box>(m, all_data.x, all_data.y, linf_box{certified_radius}).status;
}
double share_of(const std::vector<certificate>& partition, certificate c) {
    return static_cast<double>(std::count(partition.begin(), partition.end(), c)) / static_cast<double>(partition.size());
}

/// A file's path under a new name that no one else uses, removed at the end.
struct temporary_file {
    std::string path;
    temporary_file() {
        path = (std::filesystem::temp_directory_path() / "saddle-soft-XXXXXX").string();
        REQUIRE(::mkdtemp(path.data()) != nullptr);
        path += "/checkpoint";
    }
    ~temporary_file() { std::filesystem::remove_all(std::filesystem::path(path).parent_path()); }
};

/// The weights at the start of each epoch and the measures at its end.
struct watcher {
    std::vector<small_training::model> weights;
    std::vector<std::vector<measure>> measures;
    template <class Trainer>
    void epoch_begin(const schedule_position&, Trainer& t) {
        small_training::model m(1);
        std::copy(t.model().parameters().begin(), t.model().parameters().end(), m.parameters().begin());
        std::copy(t.model().buffers().begin(), t.model().buffers().end(), m.buffers().begin());
        weights.push_back(m);
    }
    void epoch_end(const epoch_record& r) { measures.push_back(r.measures); }
};

/// Asks for an interruption as soon as a certification has begun.
struct stopper {
    std::size_t reports = 0;
    void work(std::string_view name, std::size_t done, std::size_t total) {
        CHECK(name == "certification");
        CHECK(total == 37);
        CHECK(done <= total);
        ++reports;
        interruption::request();
    }
};

}  // namespace

TEST_CASE("soft training with every example verified is natural training") {
    CHECK(trained_bits(objectives::soft(box{}, weak_pgd, {.partition = std::vector(37, certificate::verified)}), 1) ==
          trained_bits(natural(), 1));
}

TEST_CASE("soft training with no example verified is adversarial training") {
    std::vector<certificate> none(37, certificate::unverified);
    for (std::size_t i = 0; i < none.size(); i += 2) none[i] = certificate::misclassified;
    CHECK(trained_bits(objectives::soft(box{}, weak_pgd, {.partition = none}), 1) ==
          trained_bits(objectives::adversarial(weak_pgd), 1));
}

TEST_CASE("the gradient is that of the mean over clean verified and attacked other examples") {
    using plain = saddle::model<sequential<flatten, linear<3>>, shape<1, 3, 3>, backend::reference, double>;
    plain m(1);
    const auto d = data(16);
    training_batch<double> batch{basic_images<double>(16, d.x.each()), d.y, {}};
    std::copy(d.x.values().begin(), d.x.values().end(), batch.x.data());
    for (std::uint64_t i = 0; i < 16; ++i) batch.ids.push_back(15 - i);
    std::vector<certificate> partition(16, certificate::verified);
    for (const std::size_t i : {2u, 3u, 11u}) partition[i] = certificate::unverified;
    partition[7] = certificate::misclassified;

    worker_pool pool(2);
    training_programs<plain> programs(m.structure(), pool);
    std::vector<double> gradient(30), expected(30);
    const auto context = [&](std::span<double> into) {
        return training_context<plain>(m, programs, pool, batch, {4, 0, 1, 9}, 3, 1. / 16, into);
    };
    const objectives::soft objective(box{}, weak_pgd, {.partition = partition}, label_smoothed{.alpha = .2});
    auto state = objective.start<double>(d);
    const auto result = objective.differentiate(context(gradient), state);

    auto attack = weak_pgd;
    attack.seed += 3;
    const auto attacked = perturb(attack, m, batch.x, batch.y, {.ids = batch.ids, .epoch = 4});
    auto mixed = batch.x;
    for (std::size_t i = 0; i < 16; ++i)
        if (partition[batch.ids[i]] != certificate::verified)
            std::copy(attacked.adversarial[i].begin(), attacked.adversarial[i].end(), mixed[i].begin());
    const auto reference = add_loss_gradient(context(expected), mixed, label_smoothed{.alpha = .2});
    CHECK(mixed != batch.x);
    CHECK(result.loss == reference.loss);
    CHECK(result.correct == reference.correct);
    CHECK(gradient == expected);
    CHECK(state.attacked == 4);
    CHECK(state.stepped == 16);
}

TEST_CASE("the training set is certified once, with the weights that training starts from") {
    watcher seen;
    trained_bits(objectives::soft(box{}, weak_pgd, {.certification_epsilon = certified_radius}), 1, seen);
    const auto partition = partition_of(naturally_trained());
    using enum certificate;
    REQUIRE(share_of(partition, verified) > .1);
    REQUIRE(share_of(partition, verified) < .9);
    REQUIRE(seen.measures.size() == 4);
    for (const auto& m : seen.measures) {
        REQUIRE(m.size() == 4);
        CHECK((m[0].name == "verified" && m[0].value == share_of(partition, verified)));
        CHECK((m[1].name == "unverified" && m[1].value == share_of(partition, unverified)));
        CHECK((m[2].name == "misclassified" && m[2].value == share_of(partition, misclassified)));
        CHECK((m[3].name == "attacked" && m[3].value == Approx(1 - m[0].value)));
    }
}

TEST_CASE("images that a short attack breaks need no proof: the training is the same") {
    const objectives::soft with(box{}, weak_pgd, {.certification_epsilon = certified_radius, .recertify_every = 1});
    auto without = with;
    without.settings.falsification_steps = 0;
    CHECK(trained_bits(with, 1) == trained_bits(without, 1));
}

TEST_CASE("recertify_every certifies again with the weights of that epoch") {
    watcher seen;
    trained_bits(objectives::soft(box{}, weak_pgd, {.certification_epsilon = certified_radius, .recertify_every = 2}), 1, seen);
    for (const std::size_t epoch : {0u, 1u, 2u, 3u})
        CHECK(seen.measures[epoch][0].value == share_of(partition_of(seen.weights[epoch / 2 * 2]), certificate::verified));
    CHECK(seen.measures[0][0].value != seen.measures[2][0].value);
}

TEST_CASE("certification and attack have an epsilon each") {
    const auto verified = [](double epsilon) {
        watcher seen;
        trained_bits(objectives::soft(deep_poly{}, weak_pgd, {.certification_epsilon = epsilon}), 1, seen);
        return seen.measures[0][0].value;
    };
    CHECK(verified(0) > verified(.1));
}

TEST_CASE("a model in double is certified and trained in double") {
    using dense = saddle::model<sequential<flatten, linear<3>>, shape<1, 3, 3>, backend::reference, double>;
    dense m(1);
    history_recorder history;
    trainer(m, natural(), momentum, schedules::constant{}, settings).fit(all_data);
    basic_images<double> x(all_data.size(), all_data.x.each());
    std::copy(all_data.x.values().begin(), all_data.x.values().end(), x.values().begin());
    const auto expected = certify<box>(m, x, all_data.y, linf_box{certified_radius}).certified_accuracy();
    trainer(m, objectives::soft(box{}, weak_pgd, {.certification_epsilon = certified_radius}), momentum, schedules::constant{},
            settings, history)
        .fit(all_data);
    CHECK(history.epochs.measure_column("verified") == std::vector<double>(4, expected));
    CHECK(expected > 0);
    CHECK(expected < 1);
}

TEST_CASE("soft training gives the same bits for any number of threads") {
    const objectives::soft objective(deep_poly{}, weak_pgd, {.certification_epsilon = certified_radius, .recertify_every = 1});
    const auto once = trained_bits(objective, 1);
    CHECK(trained_bits(objective, 2) == once);
    CHECK(trained_bits(objective, 5) == once);
}

TEST_CASE("interrupted soft training goes on bit for bit with the partition it had", "[threads]") {
    const objectives::soft objective(box{}, weak_pgd, {.certification_epsilon = certified_radius, .recertify_every = 3});
    history_recorder whole_history;
    const auto whole = trained_bits(objective, 1, whole_history);
    for (const std::size_t steps : {1u, 5u, 7u, 16u}) {
        const temporary_file file;
        struct stop_at {
            std::size_t steps;
            training_action step_end(const step_record& r) const {
                if (r.position.steps() + 1 == steps) interruption::request();
                return training_action::go_on;
            }
        };
        history_recorder first, history;
        CHECK_THROWS_AS(trained_bits(objective, 2, first, checkpoint{.path = file.path}, stop_at{steps}), interrupted);
        interruption::clear();
        CHECK(trained_bits(objective, 1, history, checkpoint{.path = file.path}) == whole);
        CHECK(history.epochs.measure_column("verified") == whole_history.epochs.measure_column("verified"));
        CHECK(history.epochs.measure_column("attacked") == whole_history.epochs.measure_column("attacked"));
    }
}

TEST_CASE("a stop during certification leaves a checkpoint from which training goes on bit for bit") {
    const temporary_file file;
    objectives::soft objective(box{}, weak_pgd, {.certification_epsilon = certified_radius});
    const auto whole = trained_bits(objective, 1);
    stopper stop;
    CHECK_THROWS_AS(trained_bits(objective, 1, checkpoint{.path = file.path}, stop), interrupted);
    interruption::clear();
    CHECK(stop.reports >= 1);
    CHECK(trained_bits(objective, 1, checkpoint{.path = file.path}) == whole);
}

TEST_CASE("a checkpoint of soft training with another domain, epsilon or partition is refused") {
    const temporary_file file;
    trained_bits(objectives::soft(box{}, weak_pgd, {.certification_epsilon = certified_radius}), 1,
                 checkpoint{.path = file.path});
    CHECK_THROWS_AS(trained_bits(objectives::soft(deep_poly{}, weak_pgd, {.certification_epsilon = certified_radius}), 1,
                                 checkpoint{.path = file.path}),
                    invalid_argument);
    CHECK_THROWS_AS(
        trained_bits(objectives::soft(box{}, weak_pgd, {.certification_epsilon = .04}), 1, checkpoint{.path = file.path}),
        invalid_argument);
    CHECK_THROWS_AS(trained_bits(objectives::soft(box{}, weak_pgd,
                                                  {.certification_epsilon = certified_radius,
                                                   .partition = std::vector(37, certificate::verified)}),
                                 1, checkpoint{.path = file.path}),
                    invalid_argument);
}

TEST_CASE("soft training refuses settings that mean nothing") {
    auto broken = weak_pgd;
    broken.steps = 0;
    CHECK_THROWS_AS(objectives::soft(box{}, broken).validate("test"), invalid_argument);
    CHECK_THROWS_AS(objectives::soft(box{}, weak_pgd, {}, label_smoothed{.alpha = 2}).validate("test"), invalid_argument);
    for (const double epsilon : {-.1, 1.5, std::nan("")})
        CHECK_THROWS_AS(objectives::soft(box{}, weak_pgd, {.certification_epsilon = epsilon}).validate("test"), invalid_argument);
    CHECK_THROWS_AS(trained_bits(objectives::soft(box{}, weak_pgd, {.partition = std::vector(36, certificate::verified)}), 1),
                    shape_error);
}

TEST_CASE("a history names the measures that it has") {
    training_history history;
    CHECK_THROWS_AS(history.measure_column("verified"), invalid_argument);
    epoch_record r;
    r.measures = {{"a", 1}, {"b", 2}};
    history.add(r);
    r.measures = {{"a", 3}, {"b", 4}};
    history.add(r);
    CHECK(history.measure_column("a") == std::vector<double>{1, 3});
    CHECK(history.measure_column("b") == std::vector<double>{2, 4});
    CHECK_THROWS_AS(history.measure_column("c"), invalid_argument);
}
