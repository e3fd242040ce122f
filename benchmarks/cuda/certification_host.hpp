#pragma once
#include "saddle/certification/certification_result.hpp"
#include "saddle/certification/deep_poly.hpp"
#include "saddle/certification/zonotope.hpp"
#include "saddle/nn/plan.hpp"

#include <span>

/// A domain on the processor with all its threads, compiled without nvcc.
template <class Domain>
[[nodiscard]] saddle::certification_result certify_on_processor(const Domain& domain, const saddle::plan& p,
                                                                std::span<const float> parameters, std::span<const float> buffers,
                                                                const saddle::images& x, const saddle::labels& y, double epsilon);
