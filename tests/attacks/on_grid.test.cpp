#include "saddle/attacks/on_grid.hpp"

#include "attacks/wrappers.hpp"
#include "io/scratch_folder.hpp"
#include "saddle/io/png.hpp"

using namespace saddle;

namespace {

/// Images as an 8-bit picture holds them, close to the boundary often enough.
images grid_images(std::size_t count) {
    auto x = random_images(count, toy_shape);
    for (auto& v : x.values()) v = static_cast<float>(std::lround(255 * v)) / 255.f;
    return x;
}

bool all_on_grid(const images& x) {
    return std::all_of(x.values().begin(), x.values().end(),
                       [](float v) { return v == static_cast<float>(std::lround(255 * v)) / 255.f; });
}

/// The images written as PNG files and read again.
images written_and_read(const images& x) {
    const scratch_folder folder;
    images back(x.size(), x.each());
    for (std::size_t i = 0; i < x.size(); ++i) {
        const std::string path = folder / "image.png";
        write_png(path, to_picture(x[i], x.each()));
        const auto read = read_png(path);
        store_image(read, back[i]);
    }
    return back;
}

template <class A>
void check_grid(const A& inner) {
    const auto model = toy_quadratic();
    const auto x = grid_images(40);
    const auto y = predicted(model, x);
    const on_grid attack(inner);
    const auto found = perturb(attack, model, x, y);
    CHECK(all_on_grid(found.adversarial));
    CHECK(verify_in_threat(x, found.adversarial, attack.projection).ok());
    const auto back = written_and_read(found.adversarial);
    CHECK(same_bits(back, found.adversarial));
    const auto again = predicted(model, back);
    for (std::size_t i = 0; i < x.size(); ++i) CHECK((again[i] != y[i]) == (found.success[i] == 1));
    CHECK(found.success_rate() > .2);
    CHECK(found.success_rate() > perturb(inner, model, x, y).success_rate() - .15);
}

}  // namespace

TEST_CASE("images attacked on the grid are adversarial after a PNG file (foolbox 162, carlini 3)",
          "[attacks][wrappers][pitfalls]") {
    check_grid(pgd({.epsilon = .1, .step_size = .02, .steps = 20}));  // .1 is 25.5 levels
    check_grid(pgd({.epsilon = 8. / 255, .step_size = 2. / 255, .steps = 20}));
    check_grid(pgd<l2>({.epsilon = .3, .step_size = .05, .steps = 20}));
    check_grid(pgd<l1>({.epsilon = 1, .step_size = .1, .steps = 20}));
    check_grid(carlini_wagner_l2{.binary_steps = 5, .steps = 50, .initial_c = .1});
    check_grid(deepfool<l2>{});
}

TEST_CASE("without the grid, near images do not survive the file", "[attacks][wrappers][pitfalls]") {
    const auto model = toy_quadratic();
    const auto x = grid_images(60);
    const auto y = predicted(model, x);
    const deepfool<l2> attack{.overshoot = 1e-4};
    const auto found = perturb(attack, model, x, y);
    const auto again = predicted(model, written_and_read(found.adversarial));
    std::size_t lost = 0, kept = 0;
    for (std::size_t i = 0; i < x.size(); ++i) lost += found.success[i] && again[i] == y[i];
    CHECK(lost > 5);
    const auto grid = perturb(on_grid(attack), model, x, y);
    for (std::size_t i = 0; i < x.size(); ++i) kept += grid.success[i];
    CHECK(kept > found.success_rate() * 60 - static_cast<double>(lost));
}

TEST_CASE("attacks on the grid have the same bits for any number of threads, batch size and order",
          "[attacks][wrappers][determinism]") {
    check_invariance(on_grid(pgd({.epsilon = .1, .steps = 5})), toy_quadratic(), grid_images(40));
}

TEST_CASE("a grid without levels is refused", "[attacks][wrappers][errors]") {
    CHECK_THROWS_AS(on_grid(weak_attack(), 0).validate("test"), invalid_argument);
}
