#pragma once
#include "saddle/backend/cuda/error.cuh"

#include <cstddef>
#include <type_traits>
#include <utility>

namespace saddle::cuda {

/// Where and how a kernel runs: blocks, threads of a block, bytes of shared memory, and its name in messages.
struct launch_config {
    std::string_view operation;
    std::size_t blocks = 1;
    unsigned threads = 256;
    std::size_t shared = 0;
    std::size_t rows = 1;  ///< second dimension of the grid, at most 65535
    unsigned threads_y = 1;
};

/// Starts a kernel on a stream. Throws cuda_error with the operation, grid and block when it cannot.
template <class... Parameters, class... Arguments>
void launch(cudaStream_t stream, void (*kernel)(Parameters...), const launch_config& c, const Arguments&... arguments) {
    constexpr std::size_t free_shared = 48 * 1024, most_blocks = 0x7fffffff;
    if (c.blocks == 0 || c.rows == 0) return;
    const auto shape = [&] {
        return text(" of ", c.blocks, "x", c.rows, " blocks of ", c.threads, "x", c.threads_y, " threads with ", c.shared,
                    " bytes of shared memory");
    };
    if (c.blocks > most_blocks || c.rows > 65535) throw cuda_error(text(c.operation, ": a grid", shape(), " is too large"));
    const auto must = [&](cudaError_t status) {
        if (status != cudaSuccess) check(status, c.operation, shape());
    };
    if (c.shared > free_shared)
        must(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel), cudaFuncAttributeMaxDynamicSharedMemorySize,
                                  static_cast<int>(c.shared)));
    cudaLaunchConfig_t config{};
    config.gridDim = dim3(static_cast<unsigned>(c.blocks), static_cast<unsigned>(c.rows));
    config.blockDim = dim3(c.threads, c.threads_y);
    config.dynamicSmemBytes = c.shared;
    config.stream = stream;
    must(cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...));
}

/// Calls f(std::integral_constant<std::size_t, index>{}): a number that is known when the program runs picks a template. index < Count.
template <std::size_t Count, class F>
void with_index(std::size_t index, const F& f) {
    [&]<std::size_t... I>(std::index_sequence<I...>) {
        ((index == I ? f(std::integral_constant<std::size_t, I>{}) : void()), ...);
    }
    (std::make_index_sequence<Count>{});
}

/// How many parts of `each` cover `count`.
[[nodiscard]] SADDLE_HOST_DEVICE constexpr std::size_t parts_of(std::size_t count, std::size_t each) {
    return (count + each - 1) / each;
}

}  // namespace saddle::cuda
