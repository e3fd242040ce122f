#pragma once
#include "saddle/attacks/factory.hpp"

namespace saddle {

/// Settings of `pgd`; the defaults are torchattacks' (Linf 8/255, step 2/255, 10 steps, uniform start).
struct pgd_settings {
    double epsilon = 8. / 255;
    double step_size = 2. / 255;
    std::size_t steps = 10;
    std::size_t restarts = 1;
    start_rule start = start_rule::uniform;
    double start_scale = .001;
    target_rule targets = target_rule::untargeted;
    keep_rule keep = keep_rule::last;
    bool early_stop = false;
    std::uint64_t seed = 0;
};

/// Madry's MNIST challenge: epsilon .3, 40 steps of .01, uniform start.
inline constexpr pgd_settings pgd_mnist{.epsilon = .3, .step_size = .01, .steps = 40};
/// Madry's CIFAR-10 challenge as evaluated: epsilon 8/255, 20 steps of 2/255, uniform start.
inline constexpr pgd_settings pgd_cifar10{.epsilon = 8. / 255, .step_size = 2. / 255, .steps = 20};
/// TRADES' evaluation: epsilon .031, 20 steps of .003, uniform start.
inline constexpr pgd_settings pgd_trades{.epsilon = .031, .step_size = .003, .steps = 20};
/// TRADES' and MART's inner attack: epsilon .031, 10 steps of .007 from x + .001 N(0,I).
inline constexpr pgd_settings pgd_trades_training{
    .epsilon = .031, .step_size = .007, .steps = 10, .start = start_rule::gaussian, .start_scale = .001};
/// Fast training's evaluation, PGD-50-10: 50 steps of 2/255, 10 restarts, only images still correct go on, the highest loss
/// stays.
inline constexpr pgd_settings pgd_fast_evaluation{
    .epsilon = 8. / 255, .step_size = 2. / 255, .steps = 50, .restarts = 10, .keep = keep_rule::best, .early_stop = true};
/// torchattacks' L2: epsilon 1, 10 steps of .2. For pgd<l2>.
inline constexpr pgd_settings pgd_l2{.epsilon = 1, .step_size = .2, .steps = 10};
/// Sparse L1 descent (CleverHans, advertorch): epsilon 10, 20 steps of 1. For pgd<l1>; set projection.largest to 1 % of the
/// elements.
inline constexpr pgd_settings pgd_l1{.epsilon = 10, .step_size = 1, .steps = 20};

/// PGD0 (Croce & Hein 2019, `sparse-imperceivable-attacks`): 10 pixels, 100 steps of 120,000 / 255, 10 restarts; the authors start at
/// all pixels changed by up to .8. For pgd<l0>; set projection.channels for colour images.
inline constexpr pgd_settings pgd_l0{
    .epsilon = 10, .step_size = 120'000. / 255, .steps = 100, .restarts = 10, .keep = keep_rule::best, .early_stop = true};

/// PGD (Madry et al. 2018): steps of the projection's steepest ascent on the loss from a random start, projected on ball ∩ range.
template <class Projection = linf, class Loss = cross_entropy>
[[nodiscard]] gradient_attack<Loss, Projection> pgd(const pgd_settings& s = {}, const Loss& loss = {}) {
    auto attack = make_gradient_attack<Projection>("PGD", loss, s);
    attack.step_size = s.step_size;
    return attack;
}

}  // namespace saddle
