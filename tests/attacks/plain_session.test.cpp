#include "saddle/attacks/plain_session.hpp"

#include "attacks/toy.hpp"
#include "saddle/attacks/pgd.hpp"
#include "support/catch.hpp"

#include <atomic>

using namespace saddle;

namespace {

/// Counts how many threads are inside it at once.
struct guarded_model {
    using value_type = float;
    static constexpr std::size_t classes = 3;
    const testing::linear_model<3>* inner;
    mutable std::atomic<int>* inside;
    std::atomic<int>* most;

    extents input() const { return inner->input(); }
    void logits(const images& x, std::span<float> z) const {
        enter();
        inner->logits(x, z);
        --*inside;
    }
    void input_gradient(const images& x, std::span<const float> slopes, std::span<float> gradient) const {
        enter();
        inner->input_gradient(x, slopes, gradient);
        --*inside;
    }
    void enter() const {
        const int now = ++*inside;
        int before = *most;
        while (before < now && !most->compare_exchange_weak(before, now)) {
        }
        std::this_thread::yield();
    }
};

/// A model with weights that someone else knows how to prepare.
struct preparable {
    using value_type = float;
    std::vector<float> weights = random_weights(75);
    friend testing::linear_program<lanes<float>> prepare(const preparable& m) { return {toy_shape, 3, m.weights}; }
};

struct failing_model : testing::linear_model<3> {
    failing_model() : linear_model(toy_linear()) {}
    void logits(const images&, std::span<float>) const { throw std::runtime_error("engine is gone"); }
};

}  // namespace

TEST_CASE("the concepts tell models from each other", "[attacks][concepts]") {
    using linear = testing::linear_model<3>;
    using program = testing::linear_program<lanes<float>>;
    STATIC_REQUIRE(PlainModel<linear>);
    STATIC_REQUIRE(DifferentiableModel<linear>);
    STATIC_REQUIRE(Model<testing::black_box<linear>>);
    STATIC_REQUIRE_FALSE(DifferentiableModel<testing::black_box<linear>>);
    STATIC_REQUIRE(Program<program>);
    STATIC_REQUIRE(DifferentiableModel<program>);
    STATIC_REQUIRE(Program<plain_program<linear>>);
    STATIC_REQUIRE(DifferentiableModel<plain_program<linear>>);
    STATIC_REQUIRE_FALSE(DifferentiableModel<plain_program<testing::black_box<linear>>>);
    STATIC_REQUIRE(PreparableModel<preparable>);
    STATIC_REQUIRE(DifferentiableModel<preparable>);
    STATIC_REQUIRE_FALSE(Model<int>);
    STATIC_REQUIRE_FALSE(Model<images>);
}

TEST_CASE("a model that is not concurrent is called by one thread at a time", "[attacks][plain model]") {
    const auto linear = toy_linear();
    std::atomic<int> inside = 0, most = 0;
    const guarded_model model{&linear, &inside, &most};
    const auto x = random_images(120, toy_shape);
    const auto y = predicted(linear, x);
    worker_pool pool(4);
    const auto guarded = perturb(pgd({.epsilon = .1, .steps = 4}), model, x, y, pool);
    CHECK(most == 1);
    CHECK(same_bits(guarded.adversarial, perturb(pgd({.epsilon = .1, .steps = 4}), linear, x, y, pool).adversarial));
}

TEST_CASE("a model with weights is prepared by the attack", "[attacks]") {
    const preparable model;
    const auto x = random_images(20, toy_shape);
    const auto y = predicted(model, x);
    const auto attack = pgd({.epsilon = .1, .steps = 4});
    CHECK(same_bits(perturb(attack, model, x, y).adversarial, perturb(attack, prepare(model), x, y).adversarial));
}

TEST_CASE("what a user's engine throws reaches the caller", "[attacks][plain model][errors]") {
    const auto x = random_images(40, toy_shape);
    worker_pool pool(2);
    CHECK_THROWS_WITH(perturb(pgd(), failing_model{}, x, labels(40, 0), pool), "engine is gone");
}
