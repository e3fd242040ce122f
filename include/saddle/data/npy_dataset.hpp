#pragma once
#include "saddle/data/dataset.hpp"
#include "saddle/io/npy.hpp"

namespace saddle {

/// The order of the axes of a four-dimensional .npy file of images. `automatic`: channels last when the last axis has 1 or 3
/// entries and the second has not, channels first when it is the other way round, an error when both or neither fit.
enum class image_layout { automatic, channels_first, channels_last };

namespace detail {

[[gnu::cold]] inline bool channels_come_last(const npy_array& array, image_layout layout, const std::string& path) {
    if (layout != image_layout::automatic || array.dimensions.size() < 4) return layout == image_layout::channels_last;
    const auto is_color = [](std::size_t d) { return d == 1 || d == 3; };
    const bool last = is_color(array.dimensions[3]), first = is_color(array.dimensions[1]);
    if (first == last)
        throw invalid_argument(text(path, ": the channel axis of [", array.dimensions[0], ',', array.dimensions[1], ',',
                                    array.dimensions[2], ',', array.dimensions[3],
                                    "] is ambiguous; give image_layout::channels_first or channels_last"));
    return last;
}

}  // namespace detail

/// The first `limit` images of a .npy file: [N,H,W] (one channel), [N,C,H,W] or [N,H,W,C]. Bytes (U8) are scaled by 1/255,
/// floating-point values are taken as they are and must lie in [0,1]. Throws io_error for a malformed file or another element
/// type, data_error for an empty set, NaN or values outside [0,1], invalid_argument for an ambiguous layout.
[[nodiscard]] inline images read_npy_images(const std::string& path, image_layout layout = image_layout::automatic,
                                            std::size_t limit = all_examples) {
    const auto array = read_npy(path, limit);
    const auto& d = array.dimensions;
    require<io_error>(d.size() == 3 || d.size() == 4, path, "dimensions of an array of images", "3 or 4", d.size());
    const bool bytes = array.type == "U8",
               real = array.type == "F16" || array.type == "BF16" || array.type == "F32" || array.type == "F64";
    require<io_error>(bytes || real, path, "element type of images", "unsigned bytes (|u1) or floating point", array.type);
    require<data_error>(!array.bytes.empty(), path, "number of pixels", "at least 1", 0);
    const bool last = detail::channels_come_last(array, layout, path);
    const extents each = d.size() == 3 ? extents{1, d[1], d[2]} : last ? extents{d[3], d[1], d[2]} : extents{d[1], d[2], d[3]};
    images x(d[0], each);
    const std::size_t width = element_size(array.type);
    for (std::size_t i = 0; i < d[0]; ++i) {
        const auto stored = std::span(array.bytes).subspan(i * each.size() * width, each.size() * width);
        auto values = convert_elements<float>(array.type, stored, text(path, ": image ", i));
        if (bytes)
            for (auto& v : values) v /= 255.0f;
        const auto out = x[i];
        for (std::size_t p = 0; p < each.pixels(); ++p)
            for (std::size_t c = 0; c < each.channels; ++c)
                out[c * each.pixels() + p] =
                    d.size() == 4 && last ? values[p * each.channels + c] : values[c * each.pixels() + p];
    }
    require_valid_images(x, path);
    return x;
}

/// The first `limit` labels of a .npy file of integers [N] or [N,1]. Throws io_error for a malformed file or other dimensions,
/// data_error for an empty set, a negative label or one above 2^20.
[[nodiscard]] inline labels read_npy_labels(const std::string& path, std::size_t limit = all_examples) {
    const auto array = read_npy(path, limit);
    const auto& d = array.dimensions;
    require<io_error>(d.size() == 1 || (d.size() == 2 && d[1] == 1), path, "dimensions of an array of labels", "[N] or [N,1]",
                      text(d.size(), " dimensions"));
    require<io_error>(array.type[0] == 'I' || array.type[0] == 'U', path, "element type of labels", "an integer", array.type);
    require<data_error>(!array.bytes.empty(), path, "number of labels", "at least 1", 0);
    auto y = convert_elements<std::int32_t>(array.type, array.bytes, path);
    for (std::size_t i = 0; i < y.size(); ++i)
        if (y[i] < 0 || y[i] > 1 << 20)
            throw data_error(text(path, ": label of example ", i, "; expected 0 to 1048576, found ", y[i]));
    return y;
}

/// The first `limit` examples of a pair of .npy files. `classes` 0 means the largest label + 1. Throws like its two readers,
/// shape_error when they differ in number, and data_error for a label that is not less than `classes`.
[[nodiscard, gnu::cold]] inline dataset read_npy_dataset(const std::string& images_path, const std::string& labels_path,
                                                         std::string name = "npy", std::size_t classes = 0,
                                                         image_layout layout = image_layout::automatic,
                                                         std::size_t limit = all_examples) {
    dataset data{std::move(name), read_npy_images(images_path, layout, limit), read_npy_labels(labels_path, limit), classes, {}};
    require<shape_error>(data.x.size() == data.y.size(), labels_path, text("labels for the images of '", images_path, "'"),
                         data.x.size(), data.y.size());
    if (classes == 0)
        data.classes = std::max<std::size_t>(2, static_cast<std::size_t>(*std::max_element(data.y.begin(), data.y.end())) + 1);
    validate(data);
    return data;
}

}  // namespace saddle
