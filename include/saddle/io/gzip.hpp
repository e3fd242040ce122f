#pragma once
#include "saddle/io/file.hpp"

#include <algorithm>
#include <memory>
#include <zlib.h>

namespace saddle {

/// Decompresses gzip data (RFC 1952), also several members one after the other. Throws io_error, naming `where`, when the data is
/// truncated or damaged, is followed by anything but zeros, or grows beyond `limit` bytes.
[[nodiscard, gnu::cold]] inline std::vector<std::byte>
decompress_gzip(std::span<const std::byte> packed, const std::string& where, std::size_t limit = std::size_t{1} << 32) {
    z_stream stream{};
    require<io_error>(::inflateInit2(&stream, 15 + 16) == Z_OK, where, "zlib cannot start", "Z_OK", "an error");
    const std::unique_ptr<z_stream, int (*)(z_stream*)> guard(&stream, ::inflateEnd);
    constexpr std::size_t piece = std::size_t{1} << 30;  // zlib counts in 32 bits

    std::vector<std::byte> out;
    std::size_t used = 0, made = 0;
    for (;;) {
        if (made == out.size()) {
            const std::size_t size = std::min(std::max<std::size_t>(4 * packed.size() + 4096, 2 * made), limit + 1);
            require<io_error>(made <= limit, where, "decompressed data too large", text("at most ", limit, " bytes"), "more");
            auto grown = detail::allocate<std::byte>(size, where);
            std::copy(out.begin(), out.end(), grown.begin());
            out.swap(grown);
        }
        const std::size_t in = std::min(piece, packed.size() - used), room = std::min(piece, out.size() - made);
        stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(packed.data() + used));
        stream.avail_in = static_cast<uInt>(in);
        stream.next_out = reinterpret_cast<Bytef*>(out.data() + made);
        stream.avail_out = static_cast<uInt>(room);
        const int code = ::inflate(&stream, Z_NO_FLUSH);
        used += in - stream.avail_in;
        made += room - stream.avail_out;
        if (code == Z_STREAM_END) {
            const auto rest = packed.subspan(used);
            if (std::all_of(rest.begin(), rest.end(), [](std::byte b) { return b == std::byte{0}; })) break;
            require<io_error>(rest[0] == std::byte{0x1f}, where, "data after the end of the gzip stream", "none",
                              text(rest.size(), " bytes"));
            ::inflateReset(&stream);
        } else if (code == Z_BUF_ERROR || (code == Z_OK && used == packed.size() && made < out.size())) {
            require<io_error>(used < packed.size(), where, "truncated gzip data", "a complete stream",
                              text(packed.size(), " bytes"));
        } else if (code != Z_OK) {
            throw io_error(text(where, ": damaged gzip data: ", stream.msg ? stream.msg : "unknown error"));
        }
    }
    require<io_error>(made <= limit, where, "decompressed data too large", text("at most ", limit, " bytes"), "more");
    out.resize(made);
    return out;
}

/// The content of a file that may be gzip-compressed, told by its first two bytes and not by its name. `limit` holds for the
/// decompressed size too. Throws io_error.
[[nodiscard]] inline std::vector<std::byte> read_file_maybe_gzip(const std::string& path,
                                                                 std::size_t limit = std::size_t{1} << 32) {
    auto bytes = read_file(path, limit);
    if (bytes.size() >= 2 && bytes[0] == std::byte{0x1f} && bytes[1] == std::byte{0x8b})
        return decompress_gzip(bytes, path, limit);
    return bytes;
}

}  // namespace saddle
