#include "saddle/io/gzip.hpp"

#include "io/damage.hpp"
#include "io/says.hpp"

using namespace saddle;

namespace {

std::vector<std::byte> compress(std::span<const std::byte> bytes) {
    z_stream stream{};
    REQUIRE(::deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    std::vector<std::byte> out(::deflateBound(&stream, bytes.size()));
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(bytes.data()));
    stream.avail_in = static_cast<uInt>(bytes.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    REQUIRE(::deflate(&stream, Z_FINISH) == Z_STREAM_END);
    out.resize(stream.total_out);
    ::deflateEnd(&stream);
    return out;
}

std::vector<std::byte> sample_bytes() {
    std::vector<std::byte> bytes(3000);
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * i % 251 % 17);
    return bytes;
}

}  // namespace

TEST_CASE("a file is decompressed when it begins like gzip, and only then", "[io]") {
    const scratch_folder folder;
    put_file(folder / "packed", compress(sample_bytes()));
    put_file(folder / "plain", sample_bytes());
    CHECK(read_file_maybe_gzip(folder / "packed") == sample_bytes());
    CHECK(read_file_maybe_gzip(folder / "plain") == sample_bytes());
}

TEST_CASE("gzip members follow each other and zeros may follow the last", "[io]") {
    auto packed = compress(sample_bytes());
    const auto once = packed;
    packed.insert(packed.end(), once.begin(), once.end());
    packed.resize(packed.size() + 512);
    auto twice = sample_bytes();
    const auto more = sample_bytes();
    twice.insert(twice.end(), more.begin(), more.end());
    CHECK(decompress_gzip(packed, "test") == twice);
}

TEST_CASE("data that compresses to almost nothing is restored in full, up to the limit", "[io]") {
    const std::vector<std::byte> zeros(5'000'000);
    const auto packed = compress(zeros);
    CHECK(decompress_gzip(packed, "test", zeros.size()) == zeros);
    CHECK_THROWS_AS(decompress_gzip(packed, "test", zeros.size() - 1), io_error);
    CHECK_THROWS_AS(decompress_gzip(packed, "test", 1000), io_error);
}

TEST_CASE("truncated gzip data is an error at every length", "[io]") {
    const scratch_folder folder;
    const auto packed = compress(sample_bytes());
    std::size_t refused = 0;
    for (std::size_t length = 0; length < packed.size(); ++length) try {
            (void)decompress_gzip(std::span(packed).first(length), "test");
        } catch (const io_error&) {
            ++refused;
        }
    CHECK(refused == packed.size());
}

TEST_CASE("damaged gzip data never gives other content", "[io]") {
    const auto packed = compress(sample_bytes());
    std::size_t wrong = 0, refused = 0;
    for (std::size_t at = 0; at < packed.size(); ++at) {
        auto bad = packed;
        bad[at] ^= std::byte{0x20};
        try {
            if (decompress_gzip(bad, "test") != sample_bytes()) ++wrong;
        } catch (const io_error&) {
            ++refused;
        }
    }
    CHECK(wrong == 0);
    CHECK(refused > packed.size() * 9 / 10);
}

TEST_CASE("data after the gzip stream is an error", "[io]") {
    auto packed = compress(sample_bytes());
    packed.push_back(std::byte{1});
    CHECK_THROWS_WITH(decompress_gzip(packed, "name"), says("name") && says("after the end"));
}
