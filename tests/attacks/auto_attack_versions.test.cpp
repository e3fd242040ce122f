#include "attacks/any_model.hpp"
#include "attacks/toy.hpp"
#include "saddle/attacks/auto_attack.hpp"
#include "support/catch.hpp"

using namespace saddle;

TEST_CASE("AutoAttack's versions are those of the reference", "[attacks][auto_attack]") {
    using enum auto_attack_part;
    CHECK(auto_attack().parts() == std::vector{apgd_ce, apgd_t, fab_t, square});
    CHECK(auto_attack({.version = auto_attack_version::plus}).parts() ==
          std::vector{apgd_ce, apgd_dlr, fab, square, apgd_t, fab_t});
    CHECK(auto_attack({.version = auto_attack_version::rand}).parts() == std::vector{apgd_ce, apgd_dlr});
    CHECK(auto_attack({.version = auto_attack_version::custom, .parts = {square}}).parts() == std::vector{square});

    // On a model that cannot be fooled every part does all its work: 3 classes, so 2 targets
    const any_model<3> flat(constant_model{});
    const auto x = random_images(2, toy_shape);
    const labels y(2, 1);
    const auto spent = [&](const auto& ensemble) {
        std::vector<std::uint64_t> all;
        for (const auto& stage : perturb(ensemble, flat, x, y).stages)
            all.insert(all.end(), {stage.gradient_calls / 2, stage.forward_calls / 2});
        return all;
    };
    auto_attack_settings s{.epsilon = .1, .steps = 8, .queries = 40};
    CHECK(spent(auto_attack(s)) == std::vector<std::uint64_t>{8, 10, 16, 19, 16, 18, 0, 42});
    CHECK(spent(auto_attack<l1>(s)) == std::vector<std::uint64_t>{40, 56, 16, 23, 16, 18, 0, 42});  // 3 + 3 + 2 steps, 3 starts
    s.version = auto_attack_version::plus;
    CHECK(spent(auto_attack<l2>(s)) == std::vector<std::uint64_t>{40, 46, 40, 46, 80, 45, 0, 42, 16, 19, 16, 18});
    s.version = auto_attack_version::rand;
    CHECK(spent(auto_attack(s)) == std::vector<std::uint64_t>{160, 181, 160, 181});
}
