#include "mixed_flags.hpp"

outcome with_avx2(const std::vector<float>& x) { return {saddle::lane_count<float>, polynomial(x)}; }
