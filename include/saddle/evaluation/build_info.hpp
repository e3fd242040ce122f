#pragma once
#include "saddle/evaluation/report.hpp"

namespace saddle {

/// How the calling translation unit was compiled: compiler, optimisation, processor and widest vectors, as settings of a report.
[[nodiscard]] inline std::vector<setting> build_info() {
#if defined(__clang__)
    const std::string compiler = text("Clang ", __clang_major__, '.', __clang_minor__, '.', __clang_patchlevel__);
#elif defined(__GNUC__)
    const std::string compiler = text("GCC ", __GNUC__, '.', __GNUC_MINOR__, '.', __GNUC_PATCHLEVEL__);
#else
    const std::string compiler = "unknown";
#endif
#if defined(__OPTIMIZE__)
    const bool optimized = true;
#else
    const bool optimized = false;
#endif
#if defined(NDEBUG)
    const bool assertions = false;
#else
    const bool assertions = true;
#endif
#if defined(__x86_64__)
    const std::string processor = "x86-64";
#elif defined(__aarch64__)
    const std::string processor = "AArch64";
#else
    const std::string processor = "other";
#endif
#if defined(__AVX512F__)
    const std::string vectors = "AVX-512";
#elif defined(__AVX2__)
    const std::string vectors = "AVX2";
#elif defined(__AVX__)
    const std::string vectors = "AVX";
#elif defined(__SSE2__)
    const std::string vectors = "SSE2";
#elif defined(__ARM_NEON)
    const std::string vectors = "NEON";
#else
    const std::string vectors = "none";
#endif
    return {{"compiler", compiler},
            {"optimized", optimized},
            {"assertions", assertions},
            {"processor", processor},
            {"vectors", vectors}};
}

}  // namespace saddle
