#include "saddle/training/objectives/ibp.hpp"
#include "saddle/backend/cpu/cpu.hpp"
#include "saddle/certification/box.hpp"
#include "saddle/certification/certify.hpp"
#include "saddle/losses/label_smoothed.hpp"
#include "saddle/training/checkpoint.hpp"
#include "training/small_training.hpp"

#include "support/catch.hpp"

#include <filesystem>

using namespace saddle;
using namespace small_training;

namespace {

using dense = saddle::model<sequential<flatten, linear<24>, batch_norm, relu, linear<3>>, shape<1, 3, 3>, backend::cpu>;
constexpr double radius = .12;

template <class Objective, class... Observers>
dense train(const Objective& objective, std::size_t threads = 1, Observers&&... observers) {
    dense m(1);
    auto s = settings;
    s.threads = threads;
    s.epochs = 12;
    trainer(m, objective, momentum, schedules::constant{}, s, observers...).fit(all_data);
    return m;
}
std::vector<float> bits_of(const dense& m) {
    std::vector<float> all(m.parameters().begin(), m.parameters().end());
    all.insert(all.end(), m.buffers().begin(), m.buffers().end());
    return all;
}
double verified(const dense& m, double epsilon) {
    return certify<box>(m, all_data.x, all_data.y, linf_box{epsilon}).certified_accuracy();
}

const objectives::ibp certified({.epsilon = radius, .warm_up = 5, .ramp = 20});

}  // namespace

TEST_CASE("epsilon and kappa move linearly after the warm-up") {
    const objectives::ibp_settings s{.warm_up = 10, .ramp = 4};
    CHECK(s.progress(0) == 0);
    CHECK(s.progress(10) == 0);
    CHECK(s.progress(11) == .25);
    CHECK(s.progress(14) == 1);
    CHECK(s.progress(1000) == 1);
    const objectives::ibp_settings at_once{.warm_up = 10, .ramp = 0};
    CHECK(at_once.progress(9) == 0);
    CHECK(at_once.progress(10) == 1);
}

TEST_CASE("the gradient is that of kappa times the natural and the rest times the worst-case loss") {
    using plain = saddle::model<sequential<flatten, linear<3>>, shape<1, 3, 3>, backend::cpu, double>;
    plain m(1);
    const auto d = data(11);
    training_batch<double> batch{basic_images<double>(11, d.x.each()), d.y, std::vector<std::uint64_t>(11)};
    std::copy(d.x.values().begin(), d.x.values().end(), batch.x.data());
    const objectives::ibp objective({.epsilon = .2, .kappa_start = 1, .kappa_end = .4, .warm_up = 2, .ramp = 4});
    const double kappa = .7, epsilon = .1;  // half-way: step 4
    worker_pool pool(2);
    training_programs<plain> programs(m.structure(), pool);
    std::vector<double> gradient(30), expected(30);
    objectives::ibp<>::state<double> state;
    const auto result =
        objective.differentiate(training_context<plain>(m, programs, pool, batch, {0, 4, 9, 1}, 3, 1. / 11, gradient), state);

    double loss = 0;
    std::size_t natural_correct = 0, verified = 0;
    const auto* const w = m.parameters().data();
    for (std::size_t i = 0; i < 11; ++i) {
        const auto y = static_cast<std::size_t>(d.y[i]);
        for (const bool worst : {false, true}) {
            double z[3], sum = 0;
            for (std::size_t k = 0; k < 3; ++k) {
                z[k] = w[27 + k] - w[27 + y];
                for (std::size_t j = 0; j < 9; ++j) {
                    const double change = w[k * 9 + j] - w[y * 9 + j], x = batch.x[i][j];
                    const double at = !worst ? x : change > 0 ? std::min(1., x + epsilon) : std::max(0., x - epsilon);
                    z[k] += change * at;
                }
                sum += std::exp(z[k]);
            }
            const double share = worst ? 1 - kappa : kappa;
            loss += share * (std::log(sum) - z[y]);
            (worst ? verified : natural_correct) += std::max_element(z, z + 3) == z + y;
            for (std::size_t k = 0; k < 3; ++k) {
                const double slope = share * std::exp(z[k]) / sum / 11;
                for (std::size_t j = 0; j < 9; ++j) {
                    const double change = w[k * 9 + j] - w[y * 9 + j], x = batch.x[i][j];
                    const double at = !worst ? x : change > 0 ? std::min(1., x + epsilon) : std::max(0., x - epsilon);
                    expected[k * 9 + j] += slope * at;
                    expected[y * 9 + j] -= slope * at;
                }
                expected[27 + k] += slope;
                expected[27 + y] -= slope;
            }
        }
    }
    CHECK(result.loss == Approx(loss).epsilon(1e-12));
    CHECK(result.correct == verified);
    CHECK(state.correct == natural_correct);
    CHECK(state.epsilon == Approx(epsilon));
    CHECK(state.kappa == Approx(kappa));
    for (std::size_t i = 0; i < 30; ++i) CHECK(gradient[i] == Approx(expected[i]).epsilon(1e-10).margin(1e-14));
}

TEST_CASE("before the ramp IBP training is natural training") {
    CHECK(bits_of(train(objectives::ibp({.epsilon = radius, .warm_up = 1000, .ramp = 10}))) == bits_of(train(natural())));
}

TEST_CASE("IBP training makes boxes verify what they could not") {
    history_recorder history;
    const auto m = train(certified, 1, history);
    CHECK(verified(m, radius) > .9);
    CHECK(verified(m, radius) > verified(train(natural()), radius) + .2);
    const auto epsilon = history.epochs.measure_column("epsilon"), kappa = history.epochs.measure_column("kappa"),
               accuracy = history.epochs.measure_column("natural");
    CHECK(epsilon.front() == 0);
    CHECK(kappa.front() == 1);
    CHECK(epsilon.back() == radius);
    CHECK(kappa.back() == .5);
    CHECK(accuracy.back() > .9);
}

TEST_CASE("IBP training gives the same bits for any number of threads") {
    const auto once = bits_of(train(certified, 1));
    CHECK(bits_of(train(certified, 2)) == once);
    CHECK(bits_of(train(certified, 5)) == once);
}

TEST_CASE("interrupted IBP training goes on bit for bit") {
    history_recorder whole_history;
    const auto whole = bits_of(train(certified, 1, whole_history));
    std::string folder = (std::filesystem::temp_directory_path() / "saddle-ibp-XXXXXX").string();
    REQUIRE(::mkdtemp(folder.data()) != nullptr);
    const checkpoint saved{.path = folder + "/checkpoint"};
    struct stop {
        void step_end(const step_record& r) const {
            if (r.position.steps() == 17) interruption::request();
        }
    };
    history_recorder first, history;
    CHECK_THROWS_AS(train(certified, 1, first, saved, stop{}), interrupted);
    interruption::clear();
    CHECK(bits_of(train(certified, 2, history, saved)) == whole);
    CHECK(history.epochs.measures == whole_history.epochs.measures);
    CHECK_THROWS_AS(train(objectives::ibp({.epsilon = .2, .warm_up = 5, .ramp = 20}), 1, saved), invalid_argument);
    std::filesystem::remove_all(folder);
}

TEST_CASE("IBP training refuses settings that mean nothing") {
    for (const double wrong : {-.1, 1.5, std::nan("")}) {
        CHECK_THROWS_AS(objectives::ibp({.epsilon = wrong}).validate("test"), invalid_argument);
        CHECK_THROWS_AS(objectives::ibp({.kappa_start = wrong}).validate("test"), invalid_argument);
        CHECK_THROWS_AS(objectives::ibp({.kappa_end = wrong}).validate("test"), invalid_argument);
    }
    CHECK_THROWS_AS(objectives::ibp({}, label_smoothed{.alpha = 2}).validate("test"), invalid_argument);
    CHECK_NOTHROW(objectives::ibp().validate("test"));
}
