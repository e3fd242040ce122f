#include "mixed_flags.hpp"

#include <iostream>

// Two files compiled with different -march flags and linked together: each keeps its own lanes, whatever the linker merges.
int main() {
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return 77;
    const std::vector<float> x{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, expected{0, 2, 6, 12, 20, 30, 42, 56, 72, 90, 110};
    const outcome wide = with_avx2(x), narrow = without_flags(x);
    std::cout << wide.lanes << " and " << narrow.lanes << " lanes\n";
    return wide.lanes == 8 && narrow.lanes == 4 && wide.values == expected && narrow.values == expected ? 0 : 1;
}
