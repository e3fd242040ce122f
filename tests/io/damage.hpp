#pragma once
#include "io/scratch_folder.hpp"
#include "saddle/core/error.hpp"
#include "support/catch.hpp"

/// What a reader made of many damaged versions of a file; anything but success or a saddle::error fails the test.
struct damage_result {
    std::size_t accepted = 0, refused = 0;
};

template <class Read>
void read_damaged(const std::string& path, std::span<const std::byte> bytes, const Read& read, damage_result& result) {
    put_file(path, bytes);
    try {
        read(path);
        ++result.accepted;
    } catch (const saddle::error& problem) {
        if (std::string(problem.what()).empty()) FAIL("an error without a text");
        ++result.refused;
    }
}

/// Reads the file cut to every length, or to `at_most` lengths spread evenly.
template <class Read>
damage_result read_truncated(const std::string& path, const std::vector<std::byte>& good, const Read& read,
                             std::size_t at_most = 400) {
    damage_result result;
    const std::size_t step = good.size() / at_most + 1;
    for (std::size_t length = 0; length < good.size(); length += step)
        read_damaged(path, std::span(good).first(length), read, result);
    return result;
}

/// Reads the file with each of its first `header` bytes replaced by others in turn.
template <class Read>
damage_result read_altered(const std::string& path, const std::vector<std::byte>& good, std::size_t header, const Read& read) {
    damage_result result;
    for (std::size_t at = 0; at < std::min(header, good.size()); ++at)
        for (const int change : {0x01, 0x10, 0x80, 0xff}) {
            auto bad = good;
            bad[at] ^= static_cast<std::byte>(change);
            read_damaged(path, bad, read, result);
        }
    return result;
}
