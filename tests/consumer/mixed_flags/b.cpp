#include "mixed_flags.hpp"

outcome without_flags(const std::vector<float>& x) { return {saddle::lane_count<float>, polynomial(x)}; }
