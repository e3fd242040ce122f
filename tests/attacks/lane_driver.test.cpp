#include "saddle/attacks/lane_driver.hpp"

#include "attacks/toy.hpp"
#include "saddle/attacks/pgd.hpp"
#include "support/catch.hpp"

using namespace saddle;

namespace {

/// Needs as many steps for image i as its first pixel says, in hundredths, and counts the steps of the block.
struct waiting_attack {
    static constexpr bool needs_gradient = false;
    std::string_view name = "waiting";
    box_only projection{};
    target_rule targets = target_rule::untargeted;
    std::atomic<std::size_t>* block_steps;
    float shift = 0;
    bool boasts = false;

    [[nodiscard]] bool targeted() const { return false; }
    void validate(std::string_view) const {}

    template <class S>
    struct runner {
        static constexpr std::size_t lanes = 16;
        runner(const waiting_attack& a, S, extents image, std::size_t) : attack(a), elements(image.size()) {}
        void step(block_job<float, lanes>& job) {
            ++*attack.block_steps;
            for (std::size_t l = 0; l < lanes; ++l) {
                if (job.phase[l] == lane_phase::loaded) {
                    job.phase[l] = lane_phase::running;
                    job.clean_prediction[l] = job.labels[l];
                    for (std::size_t e = 0; e < elements; ++e) job.adversarial[e * lanes + l] = job.x[e * lanes + l];
                    job.adversarial[l] += attack.shift;
                }
                if (!job.running(l)) continue;
                job.count_forwards(l);
                if (static_cast<float>(job.forwards[l]) >= 100 * job.x[l]) job.phase[l] = lane_phase::ended;
            }
        }
        void finish(block_job<float, lanes>& job, std::size_t l) {
            job.status[l] = attack.boasts ? attack_status::succeeded : attack_status::failed;
        }
        const waiting_attack& attack;
        std::size_t elements;
    };
};

/// 64 images, of which every 16th needs 100 steps and the others need 2.
images spread_out() {
    images x(64, toy_shape);
    for (std::size_t i = 0; i < x.size(); ++i) x[i][0] = i % 16 == 3 ? 1.f : .02f;
    return x;
}

}  // namespace

TEST_CASE("lanes that are finished make room for waiting images", "[attacks][lanes]") {
    std::atomic<std::size_t> steps = 0;
    worker_pool pool(1);
    const auto result = perturb(waiting_attack{.block_steps = &steps}, constant_model{}, spread_out(), labels(64, 1), pool);
    CHECK(steps < 130);  // blocks that wait for their slowest image need 4 × 100
    for (std::size_t i = 0; i < 64; ++i) CHECK(result.forwards[i] == (i % 16 == 3 ? 100u : 2u));
    CHECK(result.forward_calls == 4 * 100 + 60 * 2);
}

TEST_CASE("a budget ends an image's attack exactly when it is spent", "[attacks][lanes][budget]") {
    std::atomic<std::size_t> steps = 0;
    const auto limited =
        perturb(waiting_attack{.block_steps = &steps}, constant_model{}, spread_out(), labels(64, 1), {.max_forwards = 30});
    for (std::size_t i = 0; i < 64; ++i) CHECK(limited.forwards[i] == (i % 16 == 3 ? 30u : 2u));

    const auto model = toy_quadratic();
    const auto x = random_images(40, toy_shape);
    const auto y = predicted(model, x);
    const auto attack = pgd({.epsilon = .08, .step_size = .01, .steps = 20, .restarts = 2});
    for (const std::uint64_t budget : {1, 2, 7, 33}) {
        const auto queries = perturb(attack, model, x, y, {.max_forwards = budget});
        const auto gradients = perturb(attack, model, x, y, {.max_gradients = budget});
        for (std::size_t i = 0; i < x.size(); ++i) {
            CHECK(queries.forwards[i] == budget);
            CHECK(gradients.gradients[i] == budget);
        }
        CHECK(queries.rejected + gradients.rejected == 0);
        CHECK(queries.adversarial_predictions == predicted(model, queries.adversarial));
        CHECK(verify_in_threat(x, gradients.adversarial, attack.projection).ok());
    }
    const auto more = perturb(attack, model, x, y, {.max_forwards = 33}),
               less = perturb(attack, model, x, y, {.max_forwards = 7});
    CHECK(more.success_rate() > less.success_rate());
}

TEST_CASE("after the deadline images keep what they have", "[attacks][lanes][deadline]") {
    const auto model = toy_linear();
    const auto x = random_images(40, toy_shape);
    const auto y = predicted(model, x);
    const auto past = std::chrono::steady_clock::now() - std::chrono::seconds(1);
    const auto result = perturb(pgd(), model, x, y, {.deadline = past});
    CHECK(same_bits(result.adversarial, x));
    for (const auto s : result.status) CHECK(s == attack_status::not_begun);
    CHECK(result.success_rate() == 0);
    CHECK(result.forward_calls == 0);
    const auto far = std::chrono::steady_clock::now() + std::chrono::hours(1);
    CHECK(perturb(pgd(), model, x, y, {.deadline = far}).gradient_calls == 400);
}

TEST_CASE("what does not pass the check is the clean image again, and is reported", "[attacks][verify]") {
    std::atomic<std::size_t> steps = 0;
    images x(20, toy_shape);
    for (auto& v : x.values()) v = .02f;
    SECTION("outside the range") {
        const auto result =
            perturb(waiting_attack{.block_steps = &steps, .shift = -1, .boasts = true}, constant_model{}, x, labels(20, 1));
        CHECK(result.rejected == 20);
        CHECK_THAT(result.rejection, Catch::Contains("image 0") && Catch::Contains("outside [0,1]"));
        CHECK(same_bits(result.adversarial, x));
        CHECK(result.status[7] == attack_status::rejected);
        CHECK(result.success_rate() == 0);
        CHECK(result.distances[7] == perturbation_size{});
    }
    SECTION("not finite") {
        const float nan = std::numeric_limits<float>::quiet_NaN();
        CHECK(perturb(waiting_attack{.block_steps = &steps, .shift = nan, .boasts = true}, constant_model{}, x, labels(20, 1))
                  .rejected == 20);
    }
    SECTION("the model does not confirm the class") {
        const auto result =
            perturb(waiting_attack{.block_steps = &steps, .shift = .5f, .boasts = true}, constant_model{}, x, labels(20, 1));
        CHECK(result.rejected == 20);
        CHECK_THAT(result.rejection, Catch::Contains("the model says class 1"));
    }
    SECTION("unless it is told not to check") {
        const auto result = perturb(waiting_attack{.block_steps = &steps, .shift = .5f, .boasts = true}, constant_model{}, x,
                                    labels(20, 1), {.verify = false});
        CHECK(result.success_rate() == 1);
        CHECK(result.distances[3].linf == Approx(.5));
        CHECK(result.distances[3].l0 == 1);
    }
}
