#pragma once
#include "saddle/projections/draws.hpp"

#include <array>

namespace saddle {

/// Which draws each lane holds: sample number `sample` of example `id`.
template <std::size_t Lanes>
struct lane_samples {
    std::array<std::uint64_t, Lanes> id, sample;

    /// Lane l holds sample `first + l` of one example.
    [[nodiscard]] static lane_samples of_one(std::uint64_t id, std::uint64_t first) {
        lane_samples all;
        for (std::size_t l = 0; l < Lanes; ++l) all.id[l] = id, all.sample[l] = first + l;
        return all;
    }
};

/// Calls f(quad index, words[4][lane]) for quads 0 .. count - 1 of each lane's sample: they follow those of the samples before it.
template <std::size_t Lanes, class F>
void for_each_sample_quad(const random_stream& stream, const lane_samples<Lanes>& of, std::size_t count, F&& f) {
    alignas(lane_alignment) std::uint32_t words[4][Lanes];
    for (std::size_t q = 0; q < count; ++q) {
        for (std::size_t l = 0; l < Lanes; ++l) {
            const auto four = stream.quad(of.id[l], of.sample[l] * count + q);
            for (std::size_t i = 0; i < 4; ++i) words[i][l] = four[i];
        }
        f(q, words);
    }
}

/// v = N(0,1) in every element: two values a quad, Box-Muller. [elements][lane]
template <class V>
void fill_normal_samples(const random_stream& stream, const lane_samples<lane_values<V>::size>& of, std::size_t elements,
                         lane_scalar<V>* v) {
    using std::cos, std::log, std::sqrt;
    using W = wide<V>;
    using D = typename W::value;
    typename W::buffer u, angle;
    for_each_sample_quad(stream, of, (elements + 1) / 2, [&](std::size_t q, const auto& words) {
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

/// v = U[0,1) in every element: four values a quad. [elements][lane]
template <class V>
void fill_uniform_samples(const random_stream& stream, const lane_samples<lane_values<V>::size>& of, std::size_t elements,
                          lane_scalar<V>* v) {
    using T = lane_scalar<V>;
    constexpr std::size_t lanes = lane_values<V>::size;
    for_each_sample_quad(stream, of, (elements + 3) / 4, [&](std::size_t q, const auto& words) {
        for (std::size_t i = 0; i < 4 && 4 * q + i < elements; ++i)
            for (std::size_t l = 0; l < lanes; ++l)
                v[(4 * q + i) * lanes + l] = static_cast<T>(random_stream::to_unit(words[i][l]));
    });
}

/// v = fair signs ±1: 128 of them a quad. [elements][lane]
template <class V>
void fill_sign_samples(const random_stream& stream, const lane_samples<lane_values<V>::size>& of, std::size_t elements,
                       lane_scalar<V>* v) {
    using T = lane_scalar<V>;
    constexpr std::size_t lanes = lane_values<V>::size;
    for_each_sample_quad(stream, of, (elements + 127) / 128, [&](std::size_t q, const auto& words) {
        for (std::size_t i = 0; i < 128 && 128 * q + i < elements; ++i)
            for (std::size_t l = 0; l < lanes; ++l)
                v[(128 * q + i) * lanes + l] = words[i / 32][l] >> (i % 32) & 1 ? T(1) : T(-1);
    });
}

}  // namespace saddle
