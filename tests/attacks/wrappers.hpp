#pragma once
#include "attacks/invariance.hpp"
#include "saddle/attacks/carlini_wagner_l2.hpp"
#include "saddle/attacks/deepfool.hpp"
#include "saddle/attacks/fgsm.hpp"
#include "saddle/attacks/pgd.hpp"

/// Attacks of different strength on the toy models.
inline auto weak_attack() { return saddle::fgsm({.epsilon = .03}); }
inline auto random_attack() { return saddle::pgd({.epsilon = .04, .step_size = .02, .steps = 3, .seed = 3}); }

/// Sixty images on which these attacks succeed sometimes.
struct wrapper_problem {
    saddle::testing::quadratic_model<3> model = toy_quadratic();
    saddle::images x = random_images(60, toy_shape);
    saddle::labels y = predicted(model, x);
};
