#pragma once
#include "saddle/data/dataset.hpp"
#include "saddle/io/file.hpp"

namespace saddle {

/// The first `limit` images [N,3,96,96] of an STL-10 binary file (train_X.bin, test_X.bin, unlabeled_X.bin;
/// cs.stanford.edu/~acoates/stl10): each plane is stored column by column and transposed here. All 100,000 unlabeled images take
/// 11 GB as floats: give a limit. Throws io_error for a file that is missing or no whole number of images, data_error for an
/// empty one.
[[nodiscard]] inline images read_stl10_images(const std::string& path, std::size_t limit = all_examples) {
    constexpr extents each{3, 96, 96};
    input_file file(path);
    require<data_error>(file.size() > 0, path, "size of an STL-10 file", text("a multiple of ", each.size(), " bytes"), 0);
    require<io_error>(file.size() % each.size() == 0, path, "truncated or not an STL-10 file; size",
                      text("a multiple of ", each.size(), " bytes"), file.size());
    images x;
    const std::size_t count = std::min(limit, file.size() / each.size());
    try {
        x = images(count, each);
    } catch (const std::exception&) {
        throw io_error(
            text(path, ": ", count, " images need ", count * each.size() * sizeof(float), " bytes of memory; give a limit"));
    }
    std::vector<std::byte> bytes(each.size());
    for (std::size_t i = 0; i < count; ++i) {
        file.read(bytes);
        const auto out = x[i];
        for (std::size_t c = 0; c < each.channels; ++c)
            for (std::size_t h = 0; h < each.height; ++h)
                for (std::size_t w = 0; w < each.width; ++w)
                    out[(c * each.height + h) * each.width + w] =
                        static_cast<float>(std::to_integer<int>(bytes[(c * each.width + w) * each.height + h])) / 255.0f;
    }
    return x;
}

/// The first `limit` labels of an STL-10 file (train_y.bin, test_y.bin), stored as 1 to 10 and returned as 0 to 9. Throws
/// io_error and, for a wrong label or an empty file, data_error.
[[nodiscard]] inline labels read_stl10_labels(const std::string& path, std::size_t limit = all_examples) {
    const auto bytes = read_file(path, std::size_t{1} << 24);
    require<data_error>(!bytes.empty(), path, "number of labels", "at least 1", 0);
    labels y(std::min(limit, bytes.size()));
    for (std::size_t i = 0; i < y.size(); ++i) {
        y[i] = std::to_integer<int>(bytes[i]) - 1;
        if (y[i] < 0 || y[i] > 9) throw data_error(text(path, ": label of example ", i, "; expected 1 to 10, found ", y[i] + 1));
    }
    return y;
}

/// The first `limit` examples of a pair of STL-10 files. Throws like its two readers, and shape_error when they differ in number.
[[nodiscard, gnu::cold]] inline dataset read_stl10(const std::string& images_path, const std::string& labels_path,
                                                   std::size_t limit = all_examples) {
    dataset data{"stl10",
                 read_stl10_images(images_path, limit),
                 read_stl10_labels(labels_path, limit),
                 10,
                 {"airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"}};
    require<shape_error>(data.x.size() == data.y.size(), labels_path, text("labels for the images of '", images_path, "'"),
                         data.x.size(), data.y.size());
    validate(data);
    return data;
}

}  // namespace saddle
