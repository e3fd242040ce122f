#pragma once
#include "io/scratch_folder.hpp"

/// The bytes of an IDX file with this magic and these dimensions; byte i of the data is i * 7 mod `modulus`.
[[nodiscard]] inline std::vector<std::byte> idx_bytes(unsigned magic, const std::vector<unsigned>& dimensions, std::size_t data,
                                                      int modulus) {
    std::vector<std::byte> bytes;
    const auto word = [&](unsigned value) {
        for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<std::byte>(value >> shift & 255u));
    };
    word(magic);
    for (const auto d : dimensions) word(d);
    for (std::size_t i = 0; i < data; ++i) bytes.push_back(static_cast<std::byte>(static_cast<int>(i * 7) % modulus));
    return bytes;
}

/// Records of `label_bytes` labels, record number modulo 10, and `pixels` bytes (record + position) mod 256.
[[nodiscard]] inline std::vector<std::byte> record_bytes(std::size_t count, std::size_t label_bytes, std::size_t pixels = 3072) {
    std::vector<std::byte> bytes;
    for (std::size_t i = 0; i < count; ++i) {
        bytes.insert(bytes.end(), label_bytes, static_cast<std::byte>(i % 10));
        for (std::size_t p = 0; p < pixels; ++p) bytes.push_back(static_cast<std::byte>((i + p) % 256));
    }
    return bytes;
}
