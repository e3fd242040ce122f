#pragma once
#include "saddle/core/images.hpp"
#include "saddle/core/philox.hpp"

namespace saddle::testing {

/// `count` images of values spread over [-1,1], a pure function of the seed: input for gradient checks.
template <class T = double>
[[nodiscard]] basic_images<T> random_images(std::size_t count, extents each, std::uint64_t seed = 0) {
    basic_images<T> x(count, each);
    const random_stream draws({.seed = seed, .purpose = purpose::generated_data});
    for (std::size_t i = 0; i < x.values().size(); ++i) x.values()[i] = static_cast<T>(2 * draws.uniform(0, i) - 1);
    return x;
}

}  // namespace saddle::testing
