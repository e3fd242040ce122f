#include "saddle/attacks/auto_attack.hpp"

#include "attacks/any_model.hpp"
#include "attacks/invariance.hpp"
#include "attacks/toy.hpp"

using namespace saddle;

namespace {

struct any_model_problem {
    any_model<3> model{toy_quadratic()};
    images x = random_images(40, toy_shape);
    labels y = predicted(model, x);
};

auto_attack_settings short_auto_attack(double epsilon) { return {.epsilon = epsilon, .steps = 8, .queries = 40}; }

struct state_file {
    std::string path;
    explicit state_file(const char* name) : path(name) { std::filesystem::remove(path); }
    ~state_file() { std::filesystem::remove(path); }
};

}  // namespace

TEST_CASE("AutoAttack gives each part what is left and fools what any part fools", "[attacks][auto_attack]") {
    const any_model_problem p;
    const auto found = perturb(auto_attack(short_auto_attack(.04)), p.model, p.x, p.y);
    std::size_t left = 40;
    for (const auto& stage : found.stages) {
        CHECK(stage.attacked == left);
        left -= stage.successes;
        CHECK(stage.left == left);
    }
    CHECK(left == 40 - static_cast<std::size_t>(std::count(found.success.begin(), found.success.end(), 1)));
    CHECK(verify_in_threat(p.x, found.adversarial, linf{.epsilon = .04}).ok());
    CHECK(found.rejected == 0);
    const auto fools = [&](const auto& attack) { return perturb(attack, p.model, p.x, p.y).success; };
    const auto first = fools(apgd({.epsilon = .04, .steps = 8}));
    const auto second = fools(apgd<linf, dlr>({.epsilon = .04, .steps = 8, .target_classes = 9}, {.few_classes = true}));
    const auto third = fools(fab({.epsilon = .04, .steps = 8, .target_classes = 9}));
    const auto fourth = fools(square({.epsilon = .04, .queries = 40}));
    for (std::size_t i = 0; i < 40; ++i) CHECK(found.success[i] == (first[i] || second[i] || third[i] || fourth[i]));
    CHECK(left > 0);
    CHECK(left < 40);
}

TEST_CASE("AutoAttack takes 2 and 3 classes, images that are not square, and batches that are all misclassified "
          "(AutoAttack 70, 81, 95, 110)",
          "[attacks][auto_attack][pitfalls]") {
    const extents wide_shape{2, 3, 8};
    const any_model<2> two(testing::linear_model<2>(wide_shape, random_weights(96, 4)));
    const auto x = random_images(6, wide_shape);
    auto y = predicted(two, x);
    CHECK(perturb(auto_attack(short_auto_attack(.02)), two, x, y).rejected == 0);
    for (auto& label : y) label = 1 - label;
    const auto wrong = perturb(auto_attack(short_auto_attack(.02)), two, x, y);
    CHECK(wrong.success_rate() == 1);
    CHECK(wrong.forward_calls == 6);
    CHECK(same_bits(wrong.adversarial, x));
    for (const auto& stage : wrong.stages) CHECK(stage.attacked == 0);
}

TEST_CASE("an interrupted AutoAttack goes on bit for bit (AutoAttack's state cannot be read back)",
          "[attacks][auto_attack][pitfalls]") {
    const any_model_problem p;
    const auto whole = perturb(auto_attack(short_auto_attack(.04)), p.model, p.x, p.y);
    state_file file("auto_attack_state.safetensors");
    auto s = short_auto_attack(.04);
    s.state_path = file.path;
    s.save_every = 7;
    std::size_t runs = 0;
    for (;;) {
        std::atomic<bool> stop = false;
        std::size_t reports = 0;
        worker_pool pool(1 + runs % 3);
        try {
            const auto found = perturb(auto_attack(s), p.model, p.x, p.y, pool,
                                       {.progress = [&](std::size_t, std::size_t) { stop = ++reports >= 9; }, .stop = &stop});
            CHECK(same_bits(found.adversarial, whole.adversarial));
            CHECK(same_bits<float>(found.loss, whole.loss));
            CHECK(found.success == whole.success);
            CHECK(found.forwards == whole.forwards);
            for (std::size_t k = 0; k < whole.stages.size(); ++k) {
                CHECK(found.stages[k].attacked == whole.stages[k].attacked);
                CHECK(found.stages[k].forward_calls == whole.stages[k].forward_calls);
                CHECK(found.stages[k].left == whole.stages[k].left);
            }
            break;
        } catch (const interrupted&) {
            ++runs;
        }
    }
    CHECK(runs >= 2);
    const auto again = perturb(auto_attack(s), p.model, p.x, p.y);  // a finished state: nothing is left to do
    CHECK(same_bits(again.adversarial, whole.adversarial));
    CHECK(again.forward_calls == whole.forward_calls);
}

TEST_CASE("a state of other settings, images or another model is refused, a broken one too", "[attacks][auto_attack][errors]") {
    const any_model_problem p;
    state_file file("auto_attack_other.safetensors");
    auto s = short_auto_attack(.04);
    s.state_path = file.path;
    (void)perturb(auto_attack(s), p.model, p.x, p.y);
    s.queries = 41;
    CHECK_THROWS_WITH(perturb(auto_attack(s), p.model, p.x, p.y), Catch::Contains("settings of the saved state"));
    s.queries = 40;
    auto moved = p.x;
    moved[3][0] = .123f;
    CHECK_THROWS_WITH(perturb(auto_attack(s), p.model, moved, p.y), Catch::Contains("fingerprint"));
    CHECK_THROWS_WITH(perturb(auto_attack(s), any_model<3>(toy_linear()), p.x, p.y), Catch::Contains("fingerprint"));
    std::filesystem::resize_file(file.path, 100);
    CHECK_THROWS_AS(perturb(auto_attack(s), p.model, p.x, p.y), io_error);
    s.state_path = "no/such/folder/state.safetensors";
    CHECK_THROWS_AS(perturb(auto_attack(s), p.model, p.x, p.y), io_error);
}

TEST_CASE("budgets and deadlines hold over all parts", "[attacks][auto_attack]") {
    const any_model_problem p;
    const auto found = perturb(auto_attack(short_auto_attack(.01)), p.model, p.x, p.y, {.max_forwards = 15, .max_gradients = 11});
    for (std::size_t i = 0; i < 40; ++i) {
        CHECK(found.forwards[i] <= 15);
        CHECK(found.gradients[i] <= 11);
    }
    CHECK(found.forward_calls > 40 * 10);
    const auto late =
        perturb(auto_attack(short_auto_attack(.01)), p.model, p.x, p.y, {.deadline = std::chrono::steady_clock::now()});
    CHECK(late.success_rate() == 0);
    CHECK(same_bits(late.adversarial, p.x));
}

TEST_CASE("images with NaN logits are no success of AutoAttack", "[attacks][auto_attack][pitfalls]") {
    const any_model_problem p;
    const auto inner = toy_quadratic();
    const any_model<3> broken(partly_broken<testing::quadratic_model<3>>{&inner});
    const auto found = perturb(auto_attack(short_auto_attack(.02)), broken, p.x, p.y);
    for (std::size_t i = 0; i < 40; ++i)
        if (p.x[i][0] > .93f) CHECK(found.status[i] == attack_status::not_finite);
}

TEST_CASE("AutoAttack refuses settings out of range", "[attacks][auto_attack][errors]") {
    const auto refuses = [](const auto& attack) { CHECK_THROWS_AS(attack.validate("test"), invalid_argument); };
    refuses(auto_attack({.epsilon = -1}));
    refuses(auto_attack({.version = auto_attack_version::custom}));
    refuses(auto_attack({.parts = {auto_attack_part::square}}));
    refuses(auto_attack({.save_every = 0}));
    refuses(auto_attack({.steps = 0}));
    refuses(auto_attack({.queries = 0}));
    refuses(auto_attack({.target_classes = 0}));
    refuses(auto_attack({.restarts = 0}));
}

TEST_CASE("AutoAttack gives the same bits for any threads, batches and order (AutoAttack 54)",
          "[attacks][auto_attack][pitfalls][threads]") {
    check_invariance(auto_attack(short_auto_attack(.04)), any_model<3>(toy_quadratic()), random_images(40, toy_shape));
}
