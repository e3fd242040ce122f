#include "saddle/attacks/lane_record.hpp"

#include "attacks/toy.hpp"
#include "saddle/attacks/pgd.hpp"
#include "saddle/losses/logit_margin.hpp"
#include "support/catch.hpp"

using namespace saddle;

namespace {

struct misread_problem : toy_problem<60> {
    misread_problem() { y[5] = (y[5] + 1) % 3; }  // misclassified without any attack
};

}  // namespace

TEST_CASE("best keeps the highest loss, misclassified first; it is never worse than last", "[attacks][keep]") {
    const misread_problem p;
    auto attack = pgd({.epsilon = .04, .step_size = .03, .steps = 7});
    const auto last = perturb(attack, p.model, p.x, p.y);
    attack.keep = keep_rule::best;
    const auto best = perturb(attack, p.model, p.x, p.y, {.trace = true});
    for (std::size_t i = 0; i < 60; ++i) {
        CHECK(best.success[i] >= last.success[i]);
        if (best.success[i] == last.success[i]) CHECK(best.loss[i] >= last.loss[i]);
        float highest = -1e30f;
        for (std::size_t c = 0; c < best.trace.columns; ++c)
            if (best.trace.success[i * best.trace.columns + c] == best.success[i])
                highest = std::max(highest, best.trace.loss[i * best.trace.columns + c]);
        CHECK(best.loss[i] >= highest);
    }
    CHECK(best.success_rate() > .1);
    CHECK(best.success_rate() < 1);
}

TEST_CASE("first_success returns the first misclassified iterate of the trace", "[attacks][keep]") {
    const misread_problem p;
    const auto attack =
        pgd({.epsilon = .08, .step_size = .01, .steps = 9, .start = start_rule::none, .keep = keep_rule::first_success},
            logit_margin{});
    const auto result = perturb(attack, p.model, p.x, p.y, {.trace = true});
    for (std::size_t i = 0; i < 60; ++i)
        for (std::size_t c = 0; c < result.trace.columns; ++c)
            if (result.trace.success[i * result.trace.columns + c]) {
                CHECK(result.loss[i] == result.trace.loss[i * result.trace.columns + c]);
                break;
            }
    CHECK(same_bits<float>(result.adversarial[5], p.x[5]));
}

TEST_CASE("last_success returns the last misclassified iterate of the trace", "[attacks][keep]") {
    const misread_problem p;
    const auto attack =
        pgd({.epsilon = .08, .step_size = .05, .steps = 9, .start = start_rule::none, .keep = keep_rule::last_success},
            logit_margin{});
    const auto result = perturb(attack, p.model, p.x, p.y, {.trace = true});
    std::size_t later = 0;
    for (std::size_t i = 0; i < 60; ++i)
        for (std::size_t c = result.trace.columns; c-- > 0;)
            if (result.trace.success[i * result.trace.columns + c]) {
                CHECK(result.loss[i] == result.trace.loss[i * result.trace.columns + c]);
                later += c > 0 && result.trace.success[i * result.trace.columns + c - 1];
                break;
            }
    CHECK(later > 0);
}

TEST_CASE("more restarts are never worse", "[attacks][keep]") {
    const misread_problem p;
    for (const auto keep : {keep_rule::last, keep_rule::best}) {
        auto attack = pgd({.epsilon = .04, .step_size = .02, .steps = 3, .keep = keep, .seed = 3});
        auto before = perturb(attack, p.model, p.x, p.y);
        bool improved = false;
        for (const std::size_t restarts : {2u, 5u}) {
            attack.restarts = restarts;
            const auto now = perturb(attack, p.model, p.x, p.y);
            for (std::size_t i = 0; i < 60; ++i) {
                CHECK(now.success[i] >= before.success[i]);
                if (now.success[i] == before.success[i]) CHECK(now.loss[i] >= before.loss[i]);
                improved = improved || now.loss[i] > before.loss[i];
            }
            before = now;
        }
        CHECK(improved);
    }
}

TEST_CASE("early stop spends no gradient after a success and changes no verdict", "[attacks][early stop]") {
    const misread_problem p;
    auto attack = pgd({.epsilon = .08, .step_size = .01, .steps = 20, .restarts = 2, .keep = keep_rule::first_success});
    const auto full = perturb(attack, p.model, p.x, p.y);
    attack.early_stop = true;
    const auto brief = perturb(attack, p.model, p.x, p.y);
    CHECK(brief.success == full.success);
    CHECK(same_bits(brief.adversarial, full.adversarial));
    CHECK(brief.gradient_calls < full.gradient_calls / 2);
    CHECK(brief.gradients[5] == 0);
    CHECK(same_bits<float>(brief.adversarial[5], p.x[5]));
    for (std::size_t i = 0; i < 60; ++i)
        if (!brief.success[i]) CHECK(brief.gradients[i] == 40);
    attack.keep = keep_rule::last;
    CHECK(perturb(attack, p.model, p.x, p.y).success == full.success);
}

TEST_CASE("the trace has one column per iterate; its end is the result of keep last", "[attacks][trace]") {
    const misread_problem p;
    const auto result = perturb(pgd({.epsilon = .08, .step_size = .01, .steps = 10, .start = start_rule::none}), p.model, p.x,
                                p.y, {.trace = true});
    REQUIRE(result.trace.columns == 11);
    for (std::size_t i = 0; i < 60; ++i) {
        CHECK(result.trace.loss[i * 11 + 10] == result.loss[i]);
        CHECK(result.trace.success[i * 11 + 10] == result.success[i]);
        CHECK((result.trace.success[i * 11] == 1) == (result.clean_predictions[i] != p.y[i]));
    }
    CHECK(result.trace.success_rate(10) == result.success_rate());
    CHECK(result.trace.success_rate(0) == Approx(1. / 60));
    CHECK(result.trace.success_rate(10) > result.trace.success_rate(2));
    CHECK_THROWS_AS(result.trace.success_rate(11), invalid_argument);
}

TEST_CASE("columns after an early stop repeat the result", "[attacks][trace]") {
    const misread_problem p;
    const auto attack = pgd({.epsilon = .3, .step_size = .05, .steps = 12, .restarts = 2, .early_stop = true});
    const auto result = perturb(attack, p.model, p.x, p.y, {.trace = true});
    REQUIRE(result.trace.columns == 26);
    for (std::size_t i = 0; i < 60; ++i) {
        if (!result.success[i]) continue;
        CHECK(result.trace.success[i * 26 + 25] == 1);
        CHECK(result.trace.loss[i * 26 + 25] == result.loss[i]);
    }
    CHECK(result.success_rate() == 1);
}
