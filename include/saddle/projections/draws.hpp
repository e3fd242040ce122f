#pragma once
#include "saddle/core/random.hpp"
#include "saddle/projections/wide.hpp"

namespace saddle {

/// Calls f(quad index, words[4][lane]) for quads 0 .. count - 1 of the lanes' examples; every draw is keyed by its example. A lane
/// of the same example as the one before it costs nothing.
template <std::size_t Lanes, class F>
void for_each_quad(const random_stream& stream, const std::uint64_t* ids, std::size_t count, F&& f) {
    alignas(lane_alignment) std::uint32_t words[4][Lanes];
    for (std::size_t q = 0; q < count; ++q) {
        philox::block four{};
        for (std::size_t l = 0; l < Lanes; ++l) {
            if (l == 0 || ids[l] != ids[l - 1]) four = stream.quad(ids[l], q);
            for (std::size_t i = 0; i < 4; ++i) words[i][l] = four[i];
        }
        f(q, words);
    }
}

/// x + radius · U[-1,1) from one word of the stream; leaf formula of every backend.
template <class T>
[[nodiscard]] SADDLE_HOST_DEVICE inline T uniform_around(T x, T radius, std::uint32_t word) {
    return x + radius * (2 * static_cast<T>(random_stream::to_unit(word)) - 1);
}
/// x ± size by one word's highest bit.
template <class T>
[[nodiscard]] SADDLE_HOST_DEVICE inline T sign_around(T x, T size, std::uint32_t word) {
    return x + (word >> 31 ? size : -size);
}

/// v = x + radius · U[-1,1): element e of a lane uses draw e of its example. [elements][lane]; radius [lane].
template <class V>
void add_uniform(const random_stream& stream, const std::uint64_t* ids, std::size_t elements, const lane_scalar<V>* x,
                 const lane_scalar<V>* radius, lane_scalar<V>* v) {
    constexpr std::size_t lanes = lane_values<V>::size;
    for_each_quad<lanes>(stream, ids, (elements + 3) / 4, [&](std::size_t q, const auto& words) {
        for (std::size_t i = 0; i < 4 && 4 * q + i < elements; ++i)
            for (std::size_t l = 0; l < lanes; ++l) {
                const std::size_t at = (4 * q + i) * lanes + l;
                v[at] = uniform_around(x[at], radius[l], words[i][l]);
            }
    });
}

/// v = x ± size with a fair sign per element (never 0). [elements][lane]
template <class V>
void add_random_sign(const random_stream& stream, const std::uint64_t* ids, std::size_t elements, const lane_scalar<V>* x,
                     lane_scalar<V> size, lane_scalar<V>* v) {
    constexpr std::size_t lanes = lane_values<V>::size;
    for_each_quad<lanes>(stream, ids, (elements + 3) / 4, [&](std::size_t q, const auto& words) {
        for (std::size_t i = 0; i < 4 && 4 * q + i < elements; ++i)
            for (std::size_t l = 0; l < lanes; ++l) {
                const std::size_t at = (4 * q + i) * lanes + l;
                v[at] = sign_around(x[at], size, words[i][l]);
            }
    });
}

/// v = scale · N(0,1), the draws of `normal` for elements 0 .. elements-1 (two per quad, Box-Muller). [elements][lane]
template <class V>
void fill_normal(const random_stream& stream, const std::uint64_t* ids, std::size_t elements, double scale, lane_scalar<V>* v) {
    using std::cos, std::log, std::sqrt;
    using W = wide<V>;
    using D = typename W::value;
    typename W::buffer u, angle;
    for_each_quad<W::lanes>(stream, ids, (elements + 1) / 2, [&](std::size_t q, const auto& words) {
        for (std::size_t i = 0; i < 2 && 2 * q + i < elements; ++i) {
            for (std::size_t l = 0; l < W::lanes; ++l) {
                u.at[l] = (words[2 * i][l] + 0.5) * 0x1p-32;
                angle.at[l] = (words[2 * i + 1][l] + 0.5) * 0x1p-32;
            }
            for (std::size_t p = 0; p < W::parts; ++p)
                W::store(u, p, D(scale) * sqrt(D(-2) * log(W::load(u, p))) * cos(D(2 * std::numbers::pi) * W::load(angle, p)));
            W::narrow(u, v + (2 * q + i) * W::lanes);
        }
    });
}

}  // namespace saddle
