#pragma once
#include "saddle/projections/draws.hpp"

namespace saddle {

/// Calls f(quad index, words[4][lane]) for quads 0 .. count - 1, where lane l holds sample `first + l` of one example: its quads follow
/// those of the samples before it.
template <std::size_t Lanes, class F>
void for_each_sample_quad(const random_stream& stream, std::uint64_t id, std::uint64_t first, std::size_t count, F&& f) {
    alignas(lane_alignment) std::uint32_t words[4][Lanes];
    for (std::size_t q = 0; q < count; ++q) {
        for (std::size_t l = 0; l < Lanes; ++l) {
            const auto four = stream.quad(id, (first + l) * count + q);
            for (std::size_t i = 0; i < 4; ++i) words[i][l] = four[i];
        }
        f(q, words);
    }
}

/// v = N(0,1) in every element, lane l holding sample `first + l` of example `id`: two values a quad, Box-Muller. [elements][lane]
template <class V>
void fill_normal_samples(const random_stream& stream, std::uint64_t id, std::uint64_t first, std::size_t elements,
                         lane_scalar<V>* v) {
    using std::cos, std::log, std::sqrt;
    using W = wide<V>;
    using D = typename W::value;
    typename W::buffer u, angle;
    for_each_sample_quad<W::lanes>(stream, id, first, (elements + 1) / 2, [&](std::size_t q, const auto& words) {
        for (std::size_t i = 0; i < 2 && 2 * q + i < elements; ++i) {
            for (std::size_t l = 0; l < W::lanes; ++l) {
                u.at[l] = (words[2 * i][l] + 0.5) * 0x1p-32;
                angle.at[l] = (words[2 * i + 1][l] + 0.5) * 0x1p-32;
            }
            for (std::size_t p = 0; p < W::parts; ++p)
                W::store(u, p, sqrt(D(-2) * log(W::load(u, p))) * cos(D(2 * std::numbers::pi) * W::load(angle, p)));
            W::narrow(u, v + (2 * q + i) * W::lanes);
        }
    });
}

/// v = fair signs ±1, lane l holding sample `first + l` of example `id`: 128 of them a quad. [elements][lane]
template <class V>
void fill_sign_samples(const random_stream& stream, std::uint64_t id, std::uint64_t first, std::size_t elements,
                       lane_scalar<V>* v) {
    using T = lane_scalar<V>;
    constexpr std::size_t lanes = lane_values<V>::size;
    for_each_sample_quad<lanes>(stream, id, first, (elements + 127) / 128, [&](std::size_t q, const auto& words) {
        for (std::size_t i = 0; i < 128 && 128 * q + i < elements; ++i)
            for (std::size_t l = 0; l < lanes; ++l)
                v[(128 * q + i) * lanes + l] = words[i / 32][l] >> (i % 32) & 1 ? T(1) : T(-1);
    });
}

}  // namespace saddle
