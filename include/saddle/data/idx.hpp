#pragma once
#include "saddle/data/dataset.hpp"
#include "saddle/io/gzip.hpp"

namespace saddle {

namespace detail {

/// One array of an IDX file: big-endian, unsigned bytes.
struct idx_array {
    std::vector<std::size_t> dimensions;
    std::vector<std::byte> file;
    std::size_t start = 0;

    [[nodiscard]] std::span<const std::byte> bytes() const { return std::span(file).subspan(start); }
};

[[gnu::cold]] inline idx_array read_idx_file(const std::string& path, std::size_t ranks) {
    idx_array out{{}, read_file_maybe_gzip(path), 4 + 4 * ranks};
    const auto word = [&](std::size_t at) {
        std::uint32_t value = 0;
        for (std::size_t k = 0; k < 4; ++k) value = value << 8 | std::to_integer<std::uint32_t>(out.file[at + k]);
        return value;
    };
    const auto require_header = [&](std::size_t bytes) {
        require<io_error>(out.file.size() >= bytes, path, "truncated IDX file; bytes of its header", out.start, out.file.size());
    };
    require_header(4);
    const std::uint32_t magic = 0x0800u + static_cast<std::uint32_t>(ranks);
    require<io_error>(word(0) == magic, path, text("magic of an IDX file of bytes with ", ranks, " dimension(s)"), magic,
                      word(0));
    require_header(out.start);
    std::size_t expected = 1;
    for (std::size_t r = 0; r < ranks; ++r) {
        out.dimensions.push_back(word(4 + 4 * r));
        require<data_error>(out.dimensions[r] > 0, path, text("dimension ", r, " of the IDX file"), "at least 1", 0);
        if (__builtin_mul_overflow(expected, out.dimensions[r], &expected))
            throw io_error(text(path, ": dimensions of the IDX file multiply to more than 2^64"));
    }
    require<io_error>(out.bytes().size() == expected, path,
                      out.bytes().size() < expected ? "truncated IDX file; bytes of data" : "oversized IDX file; bytes of data",
                      expected, out.bytes().size());
    return out;
}

}  // namespace detail

/// The first `limit` images [N,1,H,W] of an IDX file, plain or gzip (yann.lecun.com/exdb/mnist: magic 2051), bytes scaled by
/// 1/255. Throws io_error for a file that is missing, truncated, oversized or of another kind, data_error for an empty one.
[[nodiscard]] inline images read_idx_images(const std::string& path, std::size_t limit = all_examples) {
    const auto file = detail::read_idx_file(path, 3);
    images x(std::min(limit, file.dimensions[0]), {1, file.dimensions[1], file.dimensions[2]});
    detail::scale_bytes(file.bytes().first(x.values().size()), x.values());
    return x;
}

/// The first `limit` labels of an IDX file, plain or gzip (magic 2049). Throws like read_idx_images, and data_error for a label
/// that is not less than `classes`.
[[nodiscard]] inline labels read_idx_labels(const std::string& path, std::size_t classes = 10, std::size_t limit = all_examples) {
    const auto file = detail::read_idx_file(path, 1);
    labels y(std::min(limit, file.dimensions[0]));
    for (std::size_t i = 0; i < y.size(); ++i)
        y[i] = detail::checked_label(std::to_integer<int>(file.bytes()[i]), classes, path, i);
    return y;
}

/// The first `limit` examples of a pair of IDX files (MNIST, Fashion-MNIST). Throws like its two readers, and shape_error when
/// the files differ in number.
[[nodiscard, gnu::cold]] inline dataset read_idx(const std::string& images_path, const std::string& labels_path,
                                                 std::string name = "idx", std::size_t classes = 10,
                                                 std::size_t limit = all_examples) {
    dataset data{std::move(name), read_idx_images(images_path, limit), read_idx_labels(labels_path, classes, limit), classes, {}};
    require<shape_error>(data.x.size() == data.y.size(), labels_path, text("labels for the images of '", images_path, "'"),
                         data.x.size(), data.y.size());
    validate(data);
    return data;
}

}  // namespace saddle
