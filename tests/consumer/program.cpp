#include "saddle/core/images.hpp"
#include "saddle/core/version.hpp"
#include "saddle/core/worker_pool.hpp"

#include <atomic>
#include <iostream>
#include <nlohmann/json.hpp>
#include <png.h>
#include <xsimd/xsimd.hpp>
#include <zlib.h>

// Uses the library, its threads, and what it links.
int main() {
    saddle::worker_pool pool(2);
    std::atomic<std::size_t> sum{0};
    pool.for_each(10, [&](std::size_t item, std::size_t) { sum += item; });
    const saddle::images x(3, saddle::extents{1, 28, 28});
    saddle::require_valid_images(x, "consumer");

    const nlohmann::json seen{{"version", SADDLE_VERSION_MAJOR}, {"sum", sum.load()}, {"pixels", x.values().size()}};
    std::cout << seen << ", zlib " << zlibVersion() << ", libpng " << png_get_libpng_ver(nullptr) << '\n';
    return sum == 45 && seen["pixels"] == 3 * 28 * 28 ? 0 : 1;
}
