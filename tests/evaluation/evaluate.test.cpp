#include "saddle/evaluation/assemble.hpp"

#include "saddle/attacks/bim.hpp"
#include "saddle/attacks/fgsm.hpp"
#include "saddle/attacks/pgd.hpp"
#include "saddle/evaluation/report_views.hpp"
#include "saddle/testing/archetypes.hpp"
#include "support/catch.hpp"

#include <map>

namespace {

using saddle::worker_pool;

/// Logits are the two pixels: an example of class 0 with margin x0 - x1 = m falls to a linf attack exactly when m < 2 epsilon.
saddle::testing::linear_model<2> two_pixels() { return {{1, 1, 2}, {1, 0, 0, 1}}; }

/// Eight images of class 0 with margins .05, .1 .. .35, and one that is wrong already.
saddle::dataset margins() {
    saddle::dataset data{"margins", saddle::images(8, {1, 1, 2}), saddle::labels(8, 0), 2, {"first", "second"}};
    for (std::size_t i = 0; i < 7; ++i) {
        data.x[i][0] = .5f + .05f * static_cast<float>(i + 1);
        data.x[i][1] = .5f;
    }
    data.x[7][1] = .5f;
    return data;
}

/// An attack that adds `shift` to the second pixel, whatever the ball says, and always claims success.
struct boastful_attack {
    static constexpr bool needs_gradient = false;
    std::string_view name = "boastful";
    saddle::linf projection{};
    float shift = 0;
    saddle::target_rule targets = saddle::target_rule::untargeted;

    [[nodiscard]] bool targeted() const { return false; }
    void validate(std::string_view) const {}

    template <class S>
    struct runner {
        static constexpr std::size_t lanes = saddle::lane_values<typename S::vector>::size;
        runner(const boastful_attack& a, S, saddle::extents image, std::size_t) : attack(a), elements(image.size()) {}
        void step(saddle::block_job<typename S::value_type, lanes>& job) {
            std::copy_n(job.x, elements * lanes, job.adversarial);
            for (std::size_t l = 0; l < lanes; ++l) {
                job.adversarial[lanes + l] += attack.shift;
                if (job.phase[l] == saddle::lane_phase::loaded) job.phase[l] = saddle::lane_phase::ended;
            }
        }
        void finish(saddle::block_job<typename S::value_type, lanes>& job, std::size_t l) {
            job.status[l] = saddle::attack_status::succeeded;
        }
        const boastful_attack& attack;
        std::size_t elements;
    };
};

/// The two pixels as logits, NaN once the second exceeds .6.
struct fragile_model {
    using value_type = float;
    static constexpr std::size_t classes = 2;
    static saddle::extents input() { return {1, 1, 2}; }
    static void logits(const saddle::images& x, std::span<float> z) {
        for (std::size_t i = 0; i < x.size(); ++i) {
            z[2 * i] = x[i][0];
            z[2 * i + 1] = x[i][1] > .6f ? std::numeric_limits<float>::quiet_NaN() : x[i][1];
        }
    }
};

bool same_number(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

void check_same(const saddle::attack_row& a, const saddle::attack_row& b) {
    CHECK(a.survived == b.survived);
    CHECK(a.clean.correct == b.clean.correct);
    CHECK(a.robust.correct == b.robust.correct);
    CHECK(same_number(a.loss, b.loss));
    CHECK(same_number(a.distortion.l2.mean, b.distortion.l2.mean));
    CHECK(a.accuracy_after_step == b.accuracy_after_step);
    CHECK(a.gradient_calls == b.gradient_calls);
    CHECK(a.forward_calls == b.forward_calls);
}

}  // namespace

TEST_CASE("robust accuracy is the share that the margin protects", "[evaluation]") {
    worker_pool pool(1);
    const auto data = margins();
    const auto found = saddle::evaluate("two pixels", two_pixels(), data, pool, {}, saddle::fgsm({.epsilon = .11}));
    CHECK(found.clean.correct == 7);
    REQUIRE(found.rows.size() == 1);
    const auto& row = found.rows[0];
    CHECK(row.model == "two pixels");
    CHECK(row.attack == "FGSM");
    CHECK(row.norm == "Linf");
    CHECK(row.epsilon == .11);
    CHECK(row.clean.correct == 7);
    CHECK(row.robust.correct == 3);  // margins .25, .3, .35
    CHECK(row.survived == std::vector<std::uint8_t>{0, 0, 0, 0, 1, 1, 1, 0});
    CHECK(row.successes == 4);
    CHECK(row.rejected == 0);
    CHECK(row.distortion.linf.mean == Approx(.11).epsilon(1e-5));
    CHECK(row.distortion.l0.mean == 2);
    CHECK(row.gradient_calls == 8);
    CHECK(found.notes.empty());
}

TEST_CASE("accuracy falls with every iteration of BIM", "[evaluation]") {
    worker_pool pool(1);
    const auto found = saddle::evaluate("m", two_pixels(), margins(), pool, {}, saddle::bim({.epsilon = .12, .steps = 4}));
    REQUIRE(found.rows[0].accuracy_after_step.size() == 5);
    CHECK(found.rows[0].accuracy_after_step == std::vector<double>{7. / 8, 6. / 8, 5. / 8, 4. / 8, 3. / 8});
    saddle::evaluation_settings quiet;
    quiet.iterations = false;
    CHECK(saddle::evaluate("m", two_pixels(), margins(), pool, quiet, saddle::bim()).rows[0].accuracy_after_step.empty());
}

TEST_CASE("targeted attacks record no accuracy after every iteration", "[evaluation]") {
    worker_pool pool(1);
    const auto attack = saddle::bim({.epsilon = .11, .targets = saddle::target_rule::next_class});
    const auto row = saddle::evaluate("m", two_pixels(), margins(), pool, {}, attack).rows.at(0);
    CHECK(row.accuracy_after_step.empty());
    CHECK(row.robust.correct == 3);
    CHECK(row.rejected == 0);
}

TEST_CASE("results outside the ball are refused whatever the attack claims", "[evaluation]") {
    worker_pool pool(2);
    const auto honest = boastful_attack{.projection = {.2}, .shift = .15f},
               cheat = boastful_attack{.projection = {.1}, .shift = .15f};
    const auto found = saddle::evaluate("m", two_pixels(), margins(), pool, {}, honest, saddle::named_attack{"cheat", cheat});
    REQUIRE(found.rows.size() == 2);
    CHECK(found.rows[0].successes == 2);  // margins .05 and .1; a tie at .15 stays with the lower class
    CHECK(found.rows[0].rejected == 5);   // claims that the model does not confirm
    CHECK(found.rows[1].attack == "cheat");
    CHECK(found.rows[1].successes == 0);
    CHECK(found.rows[1].rejected == 8);
    CHECK(found.rows[1].robust.correct == 7);
    REQUIRE(found.notes.size() == 2);
    CHECK(found.notes[1].find("m, cheat, epsilon 0.1: 8 results") == 0);
}

TEST_CASE("results outside the data range are refused", "[evaluation]") {
    worker_pool pool(1);
    const auto attack = boastful_attack{.projection = {2}, .shift = .9f};
    const auto row = saddle::evaluate("m", two_pixels(), margins(), pool, {}, attack).rows.at(0);
    CHECK(row.rejected == 8);
    CHECK(row.robust.correct == 7);
}

TEST_CASE("logits that are not finite are neither robust nor a success, and are reported", "[evaluation]") {
    worker_pool pool(1);
    const auto attack = boastful_attack{.projection = {.2}, .shift = .15f};
    const auto found = saddle::evaluate("fragile", fragile_model{}, margins(), pool, {}, attack);
    const auto& row = found.rows.at(0);
    CHECK(row.clean.correct == 7);
    CHECK(row.robust.correct == 0);
    CHECK(row.successes == 0);
    CHECK(row.invalid_logits == 8);
    CHECK(found.notes.size() == 2);
}

TEST_CASE("clean logits that are not finite are wrong and are reported", "[evaluation]") {
    worker_pool pool(1);
    auto data = margins();
    data.x[2][1] = .61f;
    const auto found = saddle::evaluate("fragile", fragile_model{}, data, pool, {});
    CHECK(found.clean.correct == 6);
    CHECK(found.clean_predictions[2] == -1);
    REQUIRE(found.notes.size() == 1);
    CHECK(found.notes[0].find("1 clean images") != std::string::npos);
}

TEST_CASE("an evaluation is the same for any number of threads", "[evaluation]") {
    saddle::dataset data{"many", saddle::images(101, {1, 1, 2}), saddle::labels(101, 0), 2, {}};
    for (std::size_t i = 0; i < data.size(); ++i) {
        data.x[i][0] = static_cast<float>(i % 17) / 17;
        data.x[i][1] = static_cast<float>(i % 13) / 13;
        data.y[i] = static_cast<std::int32_t>(i % 2);
    }
    const auto attack = saddle::pgd({.epsilon = .1, .step_size = .03, .steps = 5, .restarts = 2, .seed = 3});
    worker_pool one(1);
    const auto expected = saddle::evaluate("m", two_pixels(), data, one, {}, attack, saddle::fgsm({.epsilon = .1}));
    REQUIRE(expected.rows.size() == 3);
    for (const std::size_t threads : {2u, 3u, 5u}) {
        worker_pool pool(threads);
        const auto found = saddle::evaluate("m", two_pixels(), data, pool, {}, attack, saddle::fgsm({.epsilon = .1}));
        for (std::size_t i = 0; i < 3; ++i) check_same(found.rows[i], expected.rows[i]);
    }
}

TEST_CASE("a curve over epsilon equals single evaluations, with the worst case of all attacks at each", "[evaluation]") {
    worker_pool pool(1);
    const std::vector<double> epsilons{.03, .11};
    const auto curve = saddle::epsilon_curve(
        "m", two_pixels(), margins(), epsilons, pool, {}, [](double e) { return saddle::fgsm({.epsilon = e}); },
        [](double e) {
            return saddle::named_attack{"steps", saddle::bim({.epsilon = e, .steps = 3})};
        });
    REQUIRE(curve.rows.size() == 6);
    for (std::size_t i = 0; i < 2; ++i) {
        const auto alone = saddle::evaluate("m", two_pixels(), margins(), pool, {}, saddle::fgsm({.epsilon = epsilons[i]}));
        CHECK(curve.rows[i].epsilon == epsilons[i]);
        check_same(curve.rows[i], alone.rows[0]);
    }
    CHECK(curve.rows[2].attack == "steps");
    CHECK(curve.rows[4].attack == "worst case");
    CHECK(curve.rows[4].epsilon == .03);
    CHECK(curve.rows[4].robust.correct == 6);
    CHECK(curve.rows[5].epsilon == .11);
    CHECK(curve.rows[5].robust.correct == 3);
}

TEST_CASE("progress reaches the end of every attack", "[evaluation]") {
    worker_pool pool(2);
    std::map<std::string, std::size_t> last;
    saddle::evaluation_settings settings;
    settings.progress = [&](const saddle::evaluation_progress& p) {
        CHECK(p.attacks == 2);
        CHECK(p.total == 8);
        last[std::string(p.name)] = p.done;
    };
    (void)saddle::evaluate("m", two_pixels(), margins(), pool, settings, saddle::fgsm(), saddle::bim());
    CHECK(last == std::map<std::string, std::size_t>{{"FGSM", 8}, {"BIM-10", 8}});
}

TEST_CASE("an evaluation stops on request", "[evaluation]") {
    worker_pool pool(1);
    std::atomic<bool> stop{false};
    saddle::evaluation_settings settings;
    settings.stop = &stop;
    settings.progress = [&](const auto&) { stop = true; };
    CHECK_THROWS_AS(saddle::evaluate("m", two_pixels(), margins(), pool, settings, saddle::fgsm(), saddle::bim()),
                    saddle::interrupted);
}

TEST_CASE("data and settings that do not fit are refused", "[evaluation]") {
    worker_pool pool(1);
    const auto m = two_pixels();
    CHECK_THROWS_AS(saddle::evaluate("m", m, saddle::images(0, {1, 1, 2}), {}, pool, {}, saddle::fgsm()), saddle::data_error);
    CHECK_THROWS_AS(saddle::evaluate("m", m, saddle::images(1, {1, 1, 3}), {0}, pool, {}, saddle::fgsm()), saddle::shape_error);
    CHECK_THROWS_AS(saddle::evaluate("m", m, saddle::images(2, {1, 1, 2}), {0}, pool, {}, saddle::fgsm()), saddle::shape_error);
    CHECK_THROWS_AS(saddle::evaluate("m", m, saddle::images(1, {1, 1, 2}), {2}, pool, {}, saddle::fgsm()), saddle::data_error);
    CHECK_THROWS_AS(saddle::evaluate("m", m, margins(), pool, {}, saddle::fgsm({.epsilon = -1})), saddle::invalid_argument);
    saddle::evaluation_settings settings;
    settings.confidence = 1.5;
    CHECK_THROWS_AS(saddle::evaluate("m", m, margins(), pool, settings), saddle::invalid_argument);
    auto data = margins();
    data.x[0][0] = std::numeric_limits<float>::quiet_NaN();
    CHECK_THROWS_AS(saddle::evaluate("m", m, data, pool, {}, saddle::fgsm()), saddle::data_error);
}

TEST_CASE("the settings of an attack are all in its row", "[evaluation]") {
    const auto attack = saddle::pgd({.epsilon = .1, .step_size = .025, .steps = 7, .restarts = 3, .seed = 9});
    std::map<std::string, std::string> found;
    for (const auto& s : saddle::attack_settings(attack)) found[s.name] = saddle::value_text(s);
    const std::map<std::string, std::string> expected{
        {"loss", "cross_entropy"}, {"step_size", "0.025"}, {"steps", "7"},   {"restarts", "3"},         {"start", "uniform"},
        {"project_start", "true"}, {"momentum", "0"},      {"keep", "last"}, {"targets", "untargeted"}, {"seed", "9"},
        {"early_stop", "false"}};
    CHECK(found == expected);
    CHECK(saddle::attack_name(attack) == "PGD-7 × 3");
    CHECK(saddle::attack_name(saddle::fgsm({.targets = saddle::target_rule::least_likely})) == "FGSM to least_likely");
}

TEST_CASE("an evaluation becomes a report with pictures and comparisons", "[evaluation]") {
    worker_pool pool(1);
    const auto data = margins();
    saddle::evaluation_settings settings;
    settings.keep = 3;
    saddle::report r;
    saddle::describe_data(r, data);
    for (const float scale : {1.f, 2.f}) {
        const saddle::testing::linear_model<2> m({1, 1, 2}, {scale, 0, 0, 1});
        const auto name = "scale " + std::to_string(static_cast<int>(scale));
        const auto found = saddle::evaluate(name, m, data, pool, settings, saddle::fgsm({.epsilon = .11}));
        REQUIRE(found.kept.size() == 1);
        CHECK(found.kept[0].adversarial.size() == 3);
        saddle::add_evaluation(r, {.name = name}, found);
        saddle::add_pictures(r, found, data.x, data.y, .11, data.class_names);
    }
    saddle::add_comparisons(r, "scale 1", "scale 2");
    CHECK(r.data_size == 8);
    REQUIRE(r.models.size() == 2);
    CHECK(r.models[0].clean.correct == 7);
    REQUIRE(r.pictures.size() == 2);
    CHECK(r.pictures[0].rows.size() == 3);
    CHECK(r.pictures[0].rows[0][2].caption == "first → second");
    REQUIRE(r.comparisons.size() == 1);
    CHECK(r.comparisons[0].only_second == 4);
    CHECK(r.comparisons[0].p_value == Approx(2. / 16));
}

TEST_CASE("a suite passes on only what is still robust, and each row tells what is left", "[evaluation][survivors]") {
    using namespace saddle;
    const auto model = two_pixels();
    const auto data = margins();
    worker_pool pool(2);
    evaluation_settings settings;
    settings.survivors_only = true;
    const auto attacked = [](const attack_row& row) {
        for (const auto& s : row.settings)
            if (s.name == "attacked") return std::get<std::int64_t>(s.value);
        return std::int64_t{-1};
    };
    // margins .05 to .35: epsilon .06 fools two, whichever attack looks first
    const auto found =
        evaluate("pixels", model, data, pool, settings, fgsm({.epsilon = .06}), bim({.epsilon = .06}), fgsm({.epsilon = .11}));
    REQUIRE(found.rows.size() == 4);  // the two of epsilon .06 have a worst case
    CHECK(attacked(found.rows[0]) == 7);
    CHECK(found.rows[0].successes == 2);
    CHECK(found.rows[0].robust.correct == 5);
    CHECK(attacked(found.rows[1]) == 5);
    CHECK(found.rows[1].successes == 0);
    CHECK(found.rows[1].robust.correct == 5);
    CHECK(found.rows[1].gradient_calls == 5 * 10);
    CHECK(attacked(found.rows[2]) == 7);  // another epsilon begins anew
    CHECK(found.rows[2].robust.correct == 3);
    CHECK(found.rows[3].robust.correct == 5);
    settings.survivors_only = false;
    const auto all = evaluate("pixels", model, data, pool, settings, fgsm({.epsilon = .06}), bim({.epsilon = .06}));
    CHECK(all.rows.back().survived == found.rows[1].survived);
    CHECK(all.rows[1].gradient_calls == 8 * 10);
}

TEST_CASE("a suite ends at its deadline and says so", "[evaluation][survivors]") {
    using namespace saddle;
    worker_pool pool(1);
    evaluation_settings settings;
    settings.survivors_only = true;
    settings.deadline = std::chrono::steady_clock::now();
    const auto found = evaluate("pixels", two_pixels(), margins(), pool, settings, fgsm({.epsilon = .06}));
    CHECK(found.rows[0].robust.correct == 7);
    CHECK(found.rows[0].gradient_calls == 0);
    REQUIRE(found.notes.size() == 1);
    CHECK(found.notes[0] == "pixels, FGSM: the deadline left 7 images without an attack; they count as robust");
}

TEST_CASE("a suite keeps each attack to its budgets", "[evaluation][survivors]") {
    using namespace saddle;
    worker_pool pool(1);
    evaluation_settings settings;
    settings.max_gradients = 3;
    const auto found = evaluate("pixels", two_pixels(), margins(), pool, settings, bim({.epsilon = .06}));
    CHECK(found.rows[0].gradient_calls <= 8 * 3);
}
