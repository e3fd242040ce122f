#pragma once
#include "saddle/core/images.hpp"

#include <string>

namespace saddle {

/// Images [N,C,H,W] in [0,1] with one label each. `class_names` is empty or has one name per class. Examples are known by their
/// index.
struct dataset {
    std::string name;
    images x;
    labels y;
    std::size_t classes = 0;
    std::vector<std::string> class_names;

    [[nodiscard]] std::size_t size() const { return x.size(); }
    friend bool operator==(const dataset&, const dataset&) = default;
};

/// A training and a test set of the same classes and extents. A part that was not asked for is empty.
struct split_dataset {
    dataset train, test;
};

/// Stands for "as many as there are" where a number of examples is asked for.
inline constexpr std::size_t all_examples = static_cast<std::size_t>(-1);

/// Checks a data set before use. Throws data_error for an empty set, images without pixels, fewer than two classes, a pixel that
/// is NaN or outside [0,1], a label outside [0, classes) or a wrong number of class names, and shape_error unless there is one
/// label per image.
inline void validate(const dataset& data) {
    const std::string where = text("data set '", data.name, "'");
    require<data_error>(!data.x.empty(), where, "number of images", "at least 1", 0);
    require<data_error>(data.x.each().size() > 0, where, "extents of an image", "at least one pixel", data.x.each());
    require<data_error>(data.classes >= 2, where, "number of classes", "at least 2", data.classes);
    require<data_error>(data.class_names.empty() || data.class_names.size() == data.classes, where, "number of class names",
                        data.classes, data.class_names.size());
    require_valid_labels(data.y, data.x.size(), data.classes, where);
    require_valid_images(data.x, where);
}

/// The examples at `indices`, in that order; an index may repeat. Throws invalid_argument for an index that does not exist.
[[nodiscard]] inline dataset subset(const dataset& data, std::span<const std::size_t> indices) {
    dataset part{data.name, images(indices.size(), data.x.each()), labels(indices.size()), data.classes, data.class_names};
    for (std::size_t i = 0; i < indices.size(); ++i) {
        if (indices[i] >= data.size())
            throw invalid_argument(text("subset: index ", i, "; expected less than ", data.size(), ", found ", indices[i]));
        std::copy_n(data.x[indices[i]].data(), data.x.each().size(), part.x[i].data());
        part.y[i] = data.y[indices[i]];
    }
    return part;
}

/// The first `count` examples. Throws invalid_argument when there are fewer.
[[nodiscard]] inline dataset first(const dataset& data, std::size_t count) {
    require(count <= data.size(), "first", text("examples of data set '", data.name, "'"), text("at most ", data.size()), count);
    return {data.name,
            data.x.slice(0, count),
            {data.y.begin(), data.y.begin() + static_cast<std::ptrdiff_t>(count)},
            data.classes,
            data.class_names};
}

namespace detail {

/// Bytes 0 to 255 as numbers in [0,1].
inline void scale_bytes(std::span<const std::byte> bytes, std::span<float> out) {
    for (std::size_t i = 0; i < bytes.size(); ++i) out[i] = static_cast<float>(std::to_integer<int>(bytes[i])) / 255.0f;
}

/// A label byte, counted from 0. Throws data_error, naming file and position, unless it is less than `classes`.
[[nodiscard]] inline std::int32_t checked_label(int value, std::size_t classes, const std::string& path, std::size_t index) {
    if (value < 0 || static_cast<std::size_t>(value) >= classes)
        throw data_error(text(path, ": label of example ", index, "; expected 0 to ", classes - 1, ", found ", value));
    return value;
}

}  // namespace detail

}  // namespace saddle
