#pragma once
#include "saddle/core/config.hpp"

#include <array>

namespace saddle {

/// What a random draw is for; part of its key, so that two uses never share a stream.
enum class purpose : std::uint32_t {
    initialization = 1,
    shuffle,
    augmentation,
    random_start,
    target,
    dropout,
    generated_data,
    noise,
    sample,
    user = 1000
};

/// Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): 128-bit counter, 64-bit key.
struct philox {
    using block = std::array<std::uint32_t, 4>;

    SADDLE_HOST_DEVICE static constexpr block generate(block counter, std::uint32_t key0, std::uint32_t key1) {
        for (int round = 0; round < 10; ++round) {
            const std::uint64_t a = std::uint64_t{0xD2511F53u} * counter[0];
            const std::uint64_t b = std::uint64_t{0xCD9E8D57u} * counter[2];
            counter = {static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ key0, static_cast<std::uint32_t>(b),
                       static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ key1, static_cast<std::uint32_t>(a)};
            key0 += 0x9E3779B9u;
            key1 += 0xBB67AE85u;
        }
        return counter;
    }
};

/// Everything that names a draw besides the example and the element. Unused fields stay 0.
struct draw_key {
    std::uint64_t seed = 0;
    saddle::purpose purpose = purpose::user;
    std::uint32_t layer = 0, epoch = 0, restart = 0, sample = 0, target = 0, step = 0;
};

/// Random numbers of one key: the draw for (example, element) is a pure function, the same on every device and in any order.
class random_stream {
public:
    SADDLE_HOST_DEVICE explicit constexpr random_stream(const draw_key& k) {
        auto mix = philox::generate({static_cast<std::uint32_t>(k.purpose), k.layer, k.epoch, k.restart},
                                    static_cast<std::uint32_t>(k.seed), static_cast<std::uint32_t>(k.seed >> 32));
        mix = philox::generate({mix[2] ^ k.sample, mix[3] ^ k.target, k.step, 0x5add1eu}, mix[0], mix[1]);
        key0_ = mix[0];
        key1_ = mix[1];
    }

    /// Four 32-bit words: elements 4*quad .. 4*quad+3 of `example`.
    [[nodiscard]] SADDLE_HOST_DEVICE constexpr philox::block quad(std::uint64_t example, std::uint64_t quad) const {
        return philox::generate({static_cast<std::uint32_t>(quad), static_cast<std::uint32_t>(quad >> 32),
                                 static_cast<std::uint32_t>(example), static_cast<std::uint32_t>(example >> 32)},
                                key0_, key1_);
    }
    /// Word i of quad quads[l] of example examples[l], into words[i][l]; the rounds run over all lanes at once, in elements of 64 bits,
    /// which compilers turn into vector multiplications (of 32-bit words GCC 12 makes scalar ones).
    template <std::size_t Lanes>
    void quads(const std::uint64_t* examples, const std::uint64_t* quads, std::uint32_t (&words)[4][Lanes]) const {
        constexpr std::uint64_t low = 0xFFFFFFFFu;
        alignas(64) std::uint64_t state[4][Lanes];
        for (std::size_t l = 0; l < Lanes; ++l) {
            state[0][l] = quads[l] & low;
            state[1][l] = quads[l] >> 32;
            state[2][l] = examples[l] & low;
            state[3][l] = examples[l] >> 32;
        }
        std::uint32_t key0 = key0_, key1 = key1_;
        for (int round = 0; round < 10; ++round) {
            for (std::size_t l = 0; l < Lanes; ++l) {
                const std::uint64_t a = (state[0][l] & low) * 0xD2511F53u, b = (state[2][l] & low) * 0xCD9E8D57u;
                state[0][l] = (b >> 32) ^ state[1][l] ^ key0;
                state[1][l] = b & low;
                state[2][l] = (a >> 32) ^ state[3][l] ^ key1;
                state[3][l] = a & low;
            }
            key0 += 0x9E3779B9u;
            key1 += 0xBB67AE85u;
        }
        for (std::size_t i = 0; i < 4; ++i)
            for (std::size_t l = 0; l < Lanes; ++l) words[i][l] = static_cast<std::uint32_t>(state[i][l]);
    }
    /// 32 random bits for one element of one example.
    [[nodiscard]] SADDLE_HOST_DEVICE constexpr std::uint32_t bits(std::uint64_t example, std::uint64_t element) const {
        return quad(example, element / 4)[element % 4];
    }
    /// Uniform in [0,1), a multiple of 2^-24: exact in float.
    [[nodiscard]] SADDLE_HOST_DEVICE constexpr float uniform(std::uint64_t example, std::uint64_t element) const {
        return to_unit(bits(example, element));
    }
    /// Uniform integer in [0, n), n > 0, by multiplication (bias below n / 2^32).
    [[nodiscard]] SADDLE_HOST_DEVICE constexpr std::uint32_t below(std::uint32_t n, std::uint64_t example,
                                                                   std::uint64_t element) const {
        return static_cast<std::uint32_t>((std::uint64_t{bits(example, element)} * n) >> 32);
    }
    [[nodiscard]] SADDLE_HOST_DEVICE static constexpr float to_unit(std::uint32_t word) {
        return static_cast<float>(word >> 8) * 0x1p-24f;
    }

private:
    std::uint32_t key0_ = 0, key1_ = 0;
};

}  // namespace saddle
