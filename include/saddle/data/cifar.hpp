#pragma once
#include "saddle/data/dataset.hpp"
#include "saddle/io/file.hpp"

namespace saddle {

/// Which of CIFAR-100's two labels is read: 100 fine or 20 coarse classes.
enum class cifar100_labels { fine, coarse };

namespace detail {

/// Reads records of `label_bytes` labels, of which number `which` counts, and 3072 bytes of pixels, from one file after the
/// other.
inline dataset read_cifar(const std::vector<std::string>& paths, std::string name, std::size_t label_bytes, std::size_t which,
                          std::size_t classes, std::size_t limit) {
    constexpr extents each{3, 32, 32};
    const std::size_t record = label_bytes + each.size();
    std::vector<input_file> files;
    std::size_t count = 0;
    for (const auto& path : paths) {
        files.emplace_back(path);
        require<data_error>(files.back().size() > 0, path, "size of a CIFAR file", text("a multiple of ", record, " bytes"), 0);
        require<io_error>(files.back().size() % record == 0, path, "truncated or not a CIFAR binary file; size",
                          text("a multiple of ", record, " bytes"), files.back().size());
        count += files.back().size() / record;
    }
    count = std::min(count, limit);
    dataset data{std::move(name), images(count, each), labels(count), classes, {}};
    std::vector<std::byte> bytes(record);
    std::size_t i = 0;
    for (auto& file : files)
        for (std::size_t left = file.size() / record; left > 0 && i < count; --left, ++i) {
            file.read(bytes);
            data.y[i] = checked_label(std::to_integer<int>(bytes[which]), classes, file.path(), i);
            scale_bytes(std::span(bytes).subspan(label_bytes), data.x[i]);
        }
    validate(data);
    return data;
}

}  // namespace detail

/// The first `limit` examples of CIFAR-10 binary files, read one after the other (cs.toronto.edu/~kriz/cifar.html): records of a
/// label and the red, green and blue plane, 32x32. Throws io_error for a file that is missing or no whole number of records,
/// data_error for a wrong label or an empty file.
[[nodiscard, gnu::cold]] inline dataset read_cifar10(const std::vector<std::string>& paths, std::size_t limit = all_examples) {
    auto data = detail::read_cifar(paths, "cifar10", 1, 0, 10, limit);
    data.class_names = {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"};
    return data;
}

/// The first `limit` examples of a CIFAR-100 binary file: records of a coarse label, a fine label and three planes. Throws like
/// read_cifar10.
[[nodiscard, gnu::cold]] inline dataset read_cifar100(const std::string& path, cifar100_labels which = cifar100_labels::fine,
                                                      std::size_t limit = all_examples) {
    const bool fine = which == cifar100_labels::fine;
    return detail::read_cifar({path}, "cifar100", 2, fine ? 1 : 0, fine ? 100 : 20, limit);
}

}  // namespace saddle
