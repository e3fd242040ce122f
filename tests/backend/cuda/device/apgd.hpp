#pragma once
#include "saddle/attacks/apgd.hpp"
#include "saddle/attacks/perturb.hpp"
#include "saddle/losses/dlr.hpp"
#include "saddle/nn/plan.hpp"

/// APGD on the device in fp32 behind plain functions, as device.hpp.
namespace device {

/// The Projection is linf, l2 or l1.
template <class Projection>
[[nodiscard]] saddle::attack_result<float> attack_by_apgd(const saddle::apgd_attack<saddle::dlr, Projection>& attack,
                                                          const saddle::plan& p, std::span<const float> parameters,
                                                          std::span<const float> buffers, const saddle::images& x,
                                                          const saddle::labels& y);

}  // namespace device
