#include "saddle/io/png.hpp"

#include "io/damage.hpp"
#include "io/says.hpp"

using namespace saddle;

namespace {

picture sample(std::size_t channels) {
    picture p{{channels, 5, 7}, {}};
    for (std::size_t i = 0; i < p.size.size(); ++i) p.pixels.push_back(static_cast<std::uint8_t>(i * 37));
    return p;
}

}  // namespace

TEST_CASE("grey and RGB pictures come back as they were encoded", "[io]") {
    for (const std::size_t channels : {1, 3}) {
        const auto bytes = encode_png(sample(channels));
        CHECK(std::to_integer<int>(bytes[0]) == 0x89);
        CHECK(decode_png(bytes) == sample(channels));
    }
}

TEST_CASE("a picture is written to a file and read back", "[io]") {
    const scratch_folder folder;
    write_png(folder / "a.png", sample(3));
    CHECK(read_png(folder / "a.png") == sample(3));
    CHECK(folder.number_of_files() == 1);
    CHECK_THROWS_AS(write_png("/dev/full", sample(3)), io_error);
}

TEST_CASE("to_picture rounds, clips and interleaves the channels", "[io]") {
    const std::vector<float> chw{0, 1, .5f, -3, 7, NAN};
    const auto p = to_picture<float>(chw, {3, 1, 2});
    CHECK(p.pixels == std::vector<std::uint8_t>{0, 128, 255, 255, 0, 0});
    CHECK_THROWS_AS(to_picture<float>(chw, {2, 1, 3}), shape_error);
    CHECK_THROWS_AS(to_picture<float>(chw, {1, 1, 3}), shape_error);
}

TEST_CASE("a picture's image has the values that data sets have, channel by channel", "[io]") {
    const picture p{{3, 1, 2}, {0, 51, 255, 1, 2, 128}};
    std::array<float, 6> image{};
    store_image(p, std::span<float>(image));
    CHECK(image == std::array<float, 6>{0.f, 1 / 255.f, .2f, 2 / 255.f, 1.f, 128 / 255.f});
    CHECK(to_picture(std::span<const float>(image), p.size) == p);
    CHECK_THROWS_AS(store_image(p, std::span<float>(image).first(5)), shape_error);
}

TEST_CASE("pixels that do not make a picture are a shape_error", "[io]") {
    const std::vector<std::uint8_t> pixels(12);
    CHECK_THROWS_AS(encode_png(pixels, {2, 2, 3}), shape_error);
    CHECK_THROWS_AS(encode_png(pixels, {3, 2, 3}), shape_error);
    CHECK_THROWS_AS(encode_png({}, {1, 0, 3}), shape_error);
    CHECK_THROWS_AS(encode_png({}, {1, std::size_t{1} << 40, std::size_t{1} << 40}), shape_error);
}

TEST_CASE("PNG files with transparency or 16 bits are refused", "[io]") {
    for (const png_uint_32 format : {png_uint_32{PNG_FORMAT_RGBA}, png_uint_32{PNG_FORMAT_LINEAR_Y}}) {
        png_image image{};
        image.version = PNG_IMAGE_VERSION;
        image.width = image.height = 2;
        image.format = format;
        const std::vector<std::uint16_t> pixels(8, 0x4040);
        std::vector<std::byte> bytes(1000);
        png_alloc_size_t size = bytes.size();
        REQUIRE(::png_image_write_to_memory(&image, bytes.data(), &size, 0, pixels.data(), 0, nullptr));
        bytes.resize(size);
        CHECK_THROWS_WITH(decode_png(bytes, "name"), says("name") && says("no transparency"));
    }
}

TEST_CASE("a damaged PNG file never gives another picture", "[io]") {
    const scratch_folder folder;
    const auto good = encode_png(sample(3));
    bool same = true;
    const auto read = [&](const std::string& path) { same = same && read_png(path) == sample(3); };
    const auto cut = read_truncated(folder / "bad", good, read);
    CHECK(cut.refused >= good.size() - 12);  // only the empty end chunk may be missing
    const auto altered = read_altered(folder / "bad", good, good.size(), read);
    CHECK(altered.refused > altered.accepted);
    CHECK(same);
}
