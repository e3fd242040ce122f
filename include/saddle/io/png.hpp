#pragma once
#include "saddle/core/shape.hpp"
#include "saddle/io/file.hpp"

#include <cstdint>
#include <limits>
#include <png.h>

namespace saddle {

/// An 8-bit picture, grey (1 channel) or RGB (3): pixels [H,W,C], row by row from the top.
struct picture {
    extents size;
    std::vector<std::uint8_t> pixels;

    friend bool operator==(const picture&, const picture&) = default;
};

/// A picture of one image [C,H,W] with values in [0,1]; values outside are clipped, NaN becomes 0. Throws shape_error unless C is
/// 1 or 3 and the number of values is right.
template <class T>
[[nodiscard]] picture to_picture(std::span<const T> values, extents size) {
    require<shape_error>(size.channels == 1 || size.channels == 3, "to_picture", "channels", "1 or 3", size.channels);
    require<shape_error>(values.size() == size.size(), "to_picture", text("values of an image ", size), size.size(),
                         values.size());
    picture out{size, std::vector<std::uint8_t>(size.size())};
    for (std::size_t c = 0; c < size.channels; ++c)
        for (std::size_t p = 0; p < size.pixels(); ++p) {
            const T v = values[c * size.pixels() + p];
            out.pixels[p * size.channels + c] =
                v > T(0) ? static_cast<std::uint8_t>((v < T(1) ? v : T(1)) * T(255) + T(0.5)) : std::uint8_t{0};
        }
    return out;
}

/// A picture as an image [C,H,W] with values pixel / 255, as the readers of data sets make them. Throws shape_error when the number
/// of values is another.
template <class T>
void store_image(const picture& p, std::span<T> values) {
    require<shape_error>(values.size() == p.size.size() && p.pixels.size() == values.size(), "store_image",
                         text("values of an image ", p.size), p.size.size(), values.size());
    const std::size_t channels = p.size.channels, pixels = p.size.pixels();
    for (std::size_t c = 0; c < channels; ++c)
        for (std::size_t i = 0; i < pixels; ++i) values[c * pixels + i] = static_cast<T>(p.pixels[i * channels + c]) / T(255);
}

/// A PNG file in memory of 8-bit pixels [H,W,C], C = 1 or 3. Throws shape_error for pixels that do not fit `size`, io_error when
/// libpng fails.
[[nodiscard]] inline std::vector<std::byte> encode_png(std::span<const std::uint8_t> pixels, extents size) {
    constexpr std::size_t side = 1'000'000;  // libpng's own limit on width and height
    require<shape_error>(size.channels == 1 || size.channels == 3, "encode_png", "channels", "1 or 3", size.channels);
    require<shape_error>(size.pixels() > 0 && size.height <= side && size.width <= side, "encode_png", "height and width",
                         "1 to 1000000", size);
    require<shape_error>(pixels.size() == size.size(), "encode_png", text("bytes of a picture ", size), size.size(),
                         pixels.size());
    png_image image{};
    image.version = PNG_IMAGE_VERSION;
    image.width = static_cast<png_uint_32>(size.width);
    image.height = static_cast<png_uint_32>(size.height);
    image.format = size.channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
    png_alloc_size_t bytes = PNG_IMAGE_PNG_SIZE_MAX(image);
    auto out = detail::allocate<std::byte>(bytes, "a PNG picture");
    if (!::png_image_write_to_memory(&image, out.data(), &bytes, 0, pixels.data(), 0, nullptr))
        throw io_error(text("encode_png: libpng reports: ", image.message));
    out.resize(bytes);
    return out;
}

[[nodiscard]] inline std::vector<std::byte> encode_png(const picture& p) { return encode_png(p.pixels, p.size); }

/// Writes a PNG file, atomically. Throws like encode_png, and io_error when the file cannot be written.
inline void write_png(const std::string& path, const picture& p) { write_file_atomically(path, encode_png(p)); }

/// Reads a PNG held in memory; a palette becomes RGB. Throws io_error, naming `where`, when it is damaged or truncated, has 16
/// bits a channel or transparency, or more than 2^28 bytes of pixels.
[[nodiscard]] inline picture decode_png(std::span<const std::byte> bytes, const std::string& where = "decode_png") {
    png_image image{};
    image.version = PNG_IMAGE_VERSION;
    if (!::png_image_begin_read_from_memory(&image, bytes.data(), bytes.size()))
        throw io_error(text(where, ": not a PNG picture: ", image.message));
    const bool plain = (image.format & (PNG_FORMAT_FLAG_ALPHA | PNG_FORMAT_FLAG_LINEAR)) == 0;
    const extents size{image.format & PNG_FORMAT_FLAG_COLOR ? std::size_t{3} : std::size_t{1}, image.height, image.width};
    const bool fits = size.size() <= std::size_t{1} << 28;
    if (!plain || !fits) {
        ::png_image_free(&image);
        require<io_error>(plain, where, "kind of PNG", "8 bits a channel, no transparency", "16 bits or transparency");
        throw io_error(text(where, ": PNG too large; expected at most 2^28 bytes of pixels, found ", size));
    }
    image.format = size.channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
    picture out{size, detail::allocate<std::uint8_t>(size.size(), where)};
    // libpng completes a damaged picture with a warning; it is refused here.
    if (!::png_image_finish_read(&image, nullptr, out.pixels.data(), 0, nullptr) || image.warning_or_error != 0)
        throw io_error(text(where, ": damaged PNG picture: ", image.message));
    return out;
}

/// Reads a PNG file. Throws like decode_png and read_file.
[[nodiscard]] inline picture read_png(const std::string& path) { return decode_png(read_file(path, std::size_t{1} << 29), path); }

}  // namespace saddle
