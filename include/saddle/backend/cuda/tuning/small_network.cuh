#pragma once
#include <cstddef>

/// Choices for small networks. Estimates; benchmarks/cuda prints attacks with and without these kernels.
namespace saddle::cuda::tuning {

/// Weights of the linear layers that every block reads from the second-level cache: more take longer than the layers' own kernels.
inline constexpr std::size_t most_head_weights = std::size_t{1} << 18;

/// Lanes of a block of the trunk's kernels: four, or one where four would leave multiprocessors idle; 0 where not even one fits.
template <class Fits>
[[nodiscard]] std::size_t trunk_lanes(std::size_t lanes, std::size_t multiprocessors, const Fits& fits) {
    if (fits(4) && lanes / 4 >= multiprocessors) return 4;
    return fits(1) ? 1 : 0;
}
/// Lanes of a block of the head's kernel: the most that keep most multiprocessors busy, at least four; 0 where four do not fit.
template <class Fits>
[[nodiscard]] std::size_t head_lanes(std::size_t lanes, std::size_t multiprocessors, const Fits& fits) {
    for (const std::size_t l : {32, 16, 8})
        if (fits(l) && lanes / l >= multiprocessors * 3 / 4) return l;
    return fits(4) ? 4 : 0;
}
/// Slices of a linear layer's sums: by its shape and the arithmetic alone, since the order of sums depends on it. A thread sums four
/// outputs, on tensor cores a warp sixteen.
[[nodiscard]] constexpr int head_slices(int inputs, int outputs, bool tensor) {
    const int wanted = tensor ? 32 : 512, least = tensor ? 32 : 16, each = tensor ? 16 : 4;
    const int groups = (outputs + each - 1) / each, most = inputs / least, slices = wanted / groups;
    return slices < 1 || most < 1 ? 1 : slices < most ? slices : most;
}

}  // namespace saddle::cuda::tuning
