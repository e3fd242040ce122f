#pragma once
#include "saddle/certification/certification_result.hpp"
#include "saddle/certification/zonotope.hpp"
#include "saddle/core/images.hpp"
#include "saddle/nn/plan.hpp"

#include <span>

/// Certification on the device behind plain functions, as device.hpp.
namespace device {

/// Bounds in double of Linf balls, by Box, by zonotopes or by DeepPoly with so many bytes of coefficients.
[[nodiscard]] saddle::certification_result certify_box(const saddle::plan& p, std::span<const float> parameters,
                                                       std::span<const float> buffers, const saddle::images& x,
                                                       const saddle::labels& y, double epsilon);
[[nodiscard]] saddle::certification_result certify_zonotope(const saddle::plan& p, std::span<const float> parameters,
                                                            std::span<const float> buffers, const saddle::images& x,
                                                            const saddle::labels& y, double epsilon,
                                                            const saddle::zonotope& domain = {});
[[nodiscard]] saddle::certification_result certify_deep_poly(const saddle::plan& p, std::span<const float> parameters,
                                                             std::span<const float> buffers, const saddle::images& x,
                                                             const saddle::labels& y, double epsilon,
                                                             std::size_t memory = std::size_t{1} << 30);

}  // namespace device
