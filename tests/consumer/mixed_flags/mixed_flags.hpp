#pragma once
#include "saddle/core/arena.hpp"
#include "saddle/core/lanes.hpp"

#include <cstddef>
#include <vector>

/// What one translation unit computes, and with how many lanes.
struct outcome {
    std::size_t lanes = 0;
    std::vector<float> values;
};

/// A template that both files instantiate, as two users of the library would.
template <class T>
std::vector<T> polynomial(const std::vector<T>& x) {
    constexpr std::size_t lanes = saddle::lane_count<T>;
    saddle::lane_vector<T> padded((x.size() + lanes - 1) / lanes * lanes);
    std::copy(x.begin(), x.end(), padded.begin());
    for (std::size_t i = 0; i < padded.size(); i += lanes) {
        const auto v = saddle::lanes<T>::load_aligned(&padded[i]);
        saddle::multiply_add(v, v, v).store_aligned(&padded[i]);
    }
    return {padded.begin(), padded.begin() + static_cast<std::ptrdiff_t>(x.size())};
}

outcome with_avx2(const std::vector<float>& x);
outcome without_flags(const std::vector<float>& x);
