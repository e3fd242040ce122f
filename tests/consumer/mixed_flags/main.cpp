#include "mixed_flags.hpp"

#include <algorithm>
#include <cmath>
#include <iostream>

namespace {

/// Largest difference over largest value; 1 when there is nothing to compare.
float relative_difference(const std::vector<float>& a, const std::vector<float>& b) {
    float difference = 0, largest = 0;
    for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
        difference = std::max(difference, std::abs(a[i] - b[i]));
        largest = std::max(largest, std::abs(a[i]));
    }
    return a.size() == b.size() && largest > 0 ? difference / largest : 1;
}

}  // namespace

// Two files that use the CPU backend with different -march flags, linked together: the linker must not mix their 8 and 4 lanes.
int main() {
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return 77;
    const outcome wide = with_avx2(), narrow = without_flags();
    const float logits = relative_difference(wide.logits, narrow.logits);
    const float gradient = relative_difference(wide.input_gradient, narrow.input_gradient);
    std::cout << wide.lanes << " and " << narrow.lanes << " lanes; logits differ by " << logits << ", input gradients by "
              << gradient << '\n';
    return wide.lanes == 8 && narrow.lanes == 4 && logits < 1e-5f && gradient < 1e-5f ? 0 : 1;
}
