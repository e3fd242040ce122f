#pragma once
#include <cstddef>
#include <vector>

/// What one translation unit computes with its own flags: logits and input gradient of one network, and its lanes.
struct outcome {
    std::size_t lanes = 0;
    std::vector<float> logits, input_gradient;
};

outcome with_avx2();
outcome without_flags();
