#pragma once
#include "saddle/certification/certification_result.hpp"
#include "saddle/nn/plan.hpp"

#include <span>

/// DeepPoly on the processor with all its threads, compiled without nvcc.
[[nodiscard]] saddle::certification_result certify_on_processor(const saddle::plan& p, std::span<const float> parameters,
                                                                std::span<const float> buffers, const saddle::images& x,
                                                                const saddle::labels& y, double epsilon);
