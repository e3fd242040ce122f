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
    std::uint64_t quads[Lanes];
    for (std::size_t q = 0; q < count; ++q) {
        for (std::size_t l = 0; l < Lanes; ++l) quads[l] = of.sample[l] * count + q;
        stream.quads(of.id.data(), quads, words);
        f(q, words);
    }
}

/// {sin v, cos v}, where the lanes' library has both at once by one reduction of v.
template <class V>
[[nodiscard]] std::pair<V, V> sine_and_cosine(const V& v) {
    using std::cos, std::sin;
    if constexpr (requires { sincos(v).second; })
        return sincos(v);
    else
        return {sin(v), cos(v)};
}

/// v = N(0,1) in every element: Box-Muller on 24 bits in T, four values a quad, so at most 5.9 from 0. [elements][lane]
template <class V>
void fill_normal_samples(const random_stream& stream, const lane_samples<lane_values<V>::size>& of, std::size_t elements,
                         lane_scalar<V>* v) {
    using std::log, std::sqrt;
    using T = lane_scalar<V>;
    using io = lane_values<V>;
    alignas(lane_alignment) T radius[io::size], angle[io::size];
    for_each_sample_quad(stream, of, (elements + 3) / 4, [&](std::size_t q, const auto& words) {
        for (std::size_t pair = 0; pair < 4 && 4 * q + pair < elements; pair += 2) {
            for (std::size_t l = 0; l < io::size; ++l) {
                radius[l] = (static_cast<T>(words[pair][l] >> 8) + T(.5)) * T(0x1p-24);
                angle[l] = static_cast<T>(words[pair + 1][l] >> 8) * T(0x1p-24);
            }
            const V length = sqrt(V(-2) * log(io::load(radius))),
                    turn = V(static_cast<T>(2 * std::numbers::pi)) * io::load(angle);
            const auto [sine, cosine] = sine_and_cosine<V>(turn);
            io::store(v + (4 * q + pair) * io::size, length * cosine);
            if (4 * q + pair + 1 < elements) io::store(v + (4 * q + pair + 1) * io::size, length * sine);
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
